"""Keys go nowhere: whatever is logged, however much is logged, and however wrong they are sent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import httpx
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from tests.service.gate import WAIT
from tests.service.pictures import jpeg

KNOWN, UNKNOWN = "5f0d9a7e61b24c83abcdef0123456789", "e6a1b7c3d9f2048577665544"
START = 60.0


def ask_in_every_way(address: str, key: str) -> None:
    """Send a key where it belongs, and where it does not."""
    live = address.replace("http", "ws") + "/v1/live"
    headers = [{"Authorization": f"Bearer {key}"}, {"X-API-Key": key}]
    with httpx.Client(base_url=address, timeout=WAIT) as http:
        for named in headers:
            http.get("/v1/info", headers=named)
            http.post("/v1/detect", content=b"no picture", headers=named)
            http.post("/v1/models/nope/load", headers=named)
        http.post(f"/v1/detect?api_key={key}&key={key}", content=jpeg())
        form = {"image": ("a.jpg", jpeg())}
        http.post("/v1/vision/detection", files=form, data={"api_key": key})
        http.post("/v1/vision/detection", files=form, data={"api_key": key, "min_confidence": key})
    for target, message, named in (
        (live, {"key": key, "embedder": "none"}, {}),
        (live, {"key": key, "api_key": key}, {}),
        (live, {"key": key, "fps": key}, {}),
        (f"{live}?key={key}", {"embedder": "none"}, headers[0]),
    ):
        with suppress(WebSocketException), connect(target, additional_headers=named) as socket:
            socket.send(json.dumps(message))
            socket.send(jpeg())
            socket.recv(WAIT)


def test_no_key_is_logged_even_at_the_level_that_tells_most(tmp_path: Path) -> None:
    environment = os.environ | {
        "TRACKLINE_API_KEYS": KNOWN,
        "TRACKLINE_LOG_LEVEL": "debug",
        "TRACKLINE_EMBEDDER": "colour",
        "TRACKLINE_JOBS_DIR": str(tmp_path),
    }
    command = [sys.executable, "-m", "service.cli", "serve", "--port", "0", "--models", "fake"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        lines = iter(server.stderr.readline, "")
        address = next(line.split()[-1] for line in lines if "listening on" in line)
        ask_in_every_way(address, KNOWN)
        ask_in_every_way(address, UNKNOWN)
        server.send_signal(signal.SIGTERM)
        logged = "".join(lines)
        assert server.wait(START) == 0
    assert '"/v1/detect"' in logged
    for key in (KNOWN, UNKNOWN):
        assert key not in logged
