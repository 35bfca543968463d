"""Clients that others wrote for KServe's Open Inference Protocol and for DeepStack."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.service.gate import WAIT
from tests.service.pictures import RED_BOX, jpeg
from tests.service.serving import serving

PYTHON = Path(__file__).resolve().parents[2] / ".venv-clients" / "bin" / "python"

KSERVE = """
import json, sys
import tritonclient.http
from tritonclient.utils import InferenceServerException

client = tritonclient.http.InferenceServerClient(sys.argv[1])
try:
    client.get_model_metadata("nope")
    refused = ""
except InferenceServerException as error:
    refused = error.message()
print(json.dumps({
    "live": client.is_server_live(),
    "ready": client.is_server_ready(),
    "fake": client.is_model_ready("fake"),
    "yolo26n": client.is_model_ready("yolo26n"),
    "server": client.get_server_metadata(),
    "model": client.get_model_metadata("fake"),
    "refused": refused,
}))
"""
DEEPSTACK = """
import json, sys
import deepstack.core

host, port = sys.argv[1].split(":")
key = sys.argv[3]
client = deepstack.core.DeepstackObject(host, int(port), api_key=key, min_confidence=0.6)
with open(sys.argv[2], "rb") as picture:
    print(json.dumps(client.detect(picture.read())))
"""
KEY = "0c9b1d7f3e5a8642"

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason=f"no {PYTHON.parent.parent.name} here: make foreign-clients"
)


def run(script: str, address: str, *arguments: str) -> Any:
    """What a script of a client prints."""
    command = [str(PYTHON), "-c", script, address.removeprefix("http://"), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=WAIT * 3, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_the_client_of_the_open_inference_protocol() -> None:
    with serving() as (address, _):
        said = run(KSERVE, address)
    assert (said["live"], said["ready"], said["fake"], said["yolo26n"]) == (True, True, True, False)
    assert said["server"]["name"] == "trackline"
    assert said["model"]["outputs"][0]["name"] == "boxes"
    assert said["refused"] == "no model nope is in the catalogue; GET /v1/models lists them"


def test_the_client_of_deepstack(tmp_path: Path) -> None:
    picture = tmp_path / "picture.jpg"
    picture.write_bytes(jpeg())
    with serving(api_keys=KEY) as (address, _):
        (found,) = run(DEEPSTACK, address, str(picture), KEY)
    assert found["label"] == "red"
    corners = [found[corner] for corner in ("x_min", "y_min", "x_max", "y_max")]
    assert corners == pytest.approx(RED_BOX, abs=1)
