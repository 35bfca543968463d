"""``trackline serve`` as a process: where it listens, how it logs, how it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import orjson
import pytest

from tests.service.clips import AS_LONG_AS, clip
from tests.service.gate import WAIT, until
from tests.service.pictures import jpeg
from tests.service.test_http import JPEG
from tests.service.test_track import TRACK
from tests.service.wire import Wire

START = 60.0
DEADLINE = 10
"""Seconds that streams have after SIGTERM."""
AT_ONCE = 3.0
"""Long before the first stream is cut."""


STUCK = """
import threading
import {module}
def stuck(*arguments, **options): threading.Event().wait()
{module}.{load} = stuck
"""
"""Code after which networks of one kind load for ever, as they seem to while they are compiled."""


@contextmanager
def process(
    *arguments: str, prelude: str = "", **variables: str
) -> Iterator[subprocess.Popen[str]]:
    """A server process, killed by its id if it is still there at the end."""
    code = f"{prelude}\nimport sys; from service.cli import main; sys.exit(main())"
    with subprocess.Popen(
        [sys.executable, "-c", code, "serve", *arguments],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        # Its embedder is one that needs no network, which would take as long to load as all else.
        env=os.environ | {"TRACKLINE_EMBEDDER": "colour"} | variables,
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def address_of(running: subprocess.Popen[str]) -> str:
    """Where it says that it listens."""
    assert running.stderr is not None
    for line in running.stderr:
        if found := re.fullmatch(r"trackline: listening on (http://\S+)\n", line):
            return found[1]
    raise AssertionError("it ended without listening")


def test_names_its_port_logs_json_and_ends_in_order_on_sigterm() -> None:
    with process("--port", "0", "--models", "fake") as running:
        address = address_of(running)
        assert not address.endswith(":0")
        with httpx.Client(base_url=address, timeout=WAIT) as http:
            tick = threading.Event()
            while not http.get("/v2/health/ready").is_success:
                tick.wait(0.02)
            answer = http.post("/v1/detect", content=jpeg(), headers=JPEG | {"X-Request-ID": "r7"})
            assert answer.is_success
        running.send_signal(signal.SIGTERM)
        assert running.wait(WAIT) == 0
        assert running.stderr is not None
        lines = [orjson.loads(line) for line in running.stderr.read().splitlines()]
    (access,) = [line for line in lines if line.get("request_id") == "r7"]
    assert (access["method"], access["path"], access["status"]) == ("POST", "/v1/detect", 200)


def test_streams_end_before_the_deadline_of_sigterm_and_say_why() -> None:
    data = clip("mp4", AS_LONG_AS)
    with process(
        "--port", "0", "--models", "fake", TRACKLINE_SHUTDOWN_SECONDS=str(DEADLINE)
    ) as running:
        address = address_of(running)
        with httpx.Client(base_url=address, timeout=WAIT) as http:
            until(lambda: http.get("/v2/health/ready").is_success)
        with Wire(address, TRACK) as cut, Wire(address, TRACK) as whole:
            for wire in (cut, whole):
                wire.send(data[: len(data) // 2])
                assert wire.line()["type"] == "header"
            running.send_signal(signal.SIGTERM)
            began = time.monotonic()
            until(lambda: not takes_work(address))
            assert time.monotonic() - began < AT_ONCE
            whole.send(data[len(data) // 2 :])
            whole.finish()
            *_, end = whole.lines()
            assert (end["type"], end["frames"]) == ("end", AS_LONG_AS)
            *frames, error = cut.lines()
            assert time.monotonic() - began < DEADLINE
        assert error["code"] == "shutting_down"
        assert error["frame"] == len(frames)
        assert running.wait(WAIT) == 0


def takes_work(address: str) -> bool:
    """Whether a new connection finds a ready server.

    It is refused once the server listens no more, and reset where it was waiting just then.
    """
    try:
        return httpx.get(f"{address}/v2/health/ready", timeout=WAIT).is_success
    except (httpx.ConnectError, httpx.ReadError):
        return False


@pytest.mark.parametrize(
    ("module", "load", "asked"),
    [
        ("models.embedder", "load_embedder", signal.SIGTERM),
        ("service.inference.engine", "load_detector", signal.SIGTERM),
        ("service.inference.engine", "load_detector", signal.SIGINT),
    ],
)
def test_a_network_that_still_loads_does_not_hold_up_the_end(
    module: str, load: str, asked: signal.Signals
) -> None:
    stuck = STUCK.format(module=module, load=load)
    with process("--port", "0", "--models", "fake", prelude=stuck) as running:
        address = address_of(running)
        assert httpx.get(f"{address}/v2/health/live", timeout=WAIT).is_success
        running.send_signal(asked)
        status = running.wait(0.8 * WAIT)  # a load was waited for longer
        assert running.stderr is not None
        for line in running.stderr.read().splitlines():
            assert orjson.loads(line)["level"] == "info"
    assert status == (0 if asked == signal.SIGTERM else 130)


def test_a_port_that_is_taken_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with process("--port", port, "--models", "fake") as running:
            assert running.wait(START) == 1
            assert running.stderr is not None
            (line,) = running.stderr.read().splitlines()
    assert line.startswith(f"trackline: cannot listen on 127.0.0.1:{port}: ")


def test_a_model_that_is_in_no_catalogue_is_one_clear_line() -> None:
    with process("--port", "0", "--models", "fake,yolo99") as running:
        assert running.wait(START) == 1
        assert running.stderr is not None
        (line,) = running.stderr.read().splitlines()
    assert line == "trackline: no detector yolo99; `trackline models list` shows them"


def test_what_keeps_it_from_starting_is_said_in_the_last_line(tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.write_bytes(b"")
    with process("--port", "0", "--models", "fake", TRACKLINE_JOBS_DIR=str(taken)) as running:
        assert running.wait(START) == 1
        assert running.stderr is not None
        *_, line = running.stderr.read().splitlines()
    assert line.startswith("trackline: the server could not start: ")
    assert str(taken) in line


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        (["--port", "99999"], {}),
        ([], {"TRACKLINE_API_KEYS": "short"}),
    ],
)
def test_wrong_settings_are_one_clear_line(arguments: list[str], variables: dict[str, str]) -> None:
    with process(*arguments, **variables) as running:
        assert running.wait(START) == 1
        assert running.stderr is not None
        (line,) = running.stderr.read().splitlines()
    assert line.startswith("trackline: the settings are not valid: ")
