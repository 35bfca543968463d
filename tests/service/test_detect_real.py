"""A real photograph, a real network, a real socket."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path

import httpx
import pytest

from models import catalog
from models.detector import load_detector
from tests.service.gate import WAIT
from tests.service.serving import serving

pytestmark = pytest.mark.weights

MODEL = "yolo26n"
START = 300.0


@pytest.fixture(scope="module")
def bus() -> bytes:
    """The photograph that comes with Ultralytics."""
    spec = importlib.util.find_spec("ultralytics")
    assert spec is not None
    assert spec.submodule_search_locations
    return (Path(spec.submodule_search_locations[0]) / "assets" / "bus.jpg").read_bytes()


def test_finds_the_bus_and_the_people_around_it(bus: bytes) -> None:
    if catalog.locate(MODEL) is None:
        pytest.skip(f"the weights of {MODEL} are not here: trackline models pull {MODEL}")
    with (
        serving(load_detector, models=MODEL, on_listening=wait_ready) as (address, _),
        httpx.Client(base_url=address, timeout=WAIT) as http,
    ):
        answer = http.post("/v1/detect", content=bus, headers={"Content-Type": "image/jpeg"}).json()
    assert answer["image"] == {"width": 810, "height": 1080}
    found = Counter(detection["name"] for detection in answer["detections"])
    assert found["bus"] == 1
    assert found["person"] >= 4
    for detection in answer["detections"]:
        box = detection["box"]
        assert 0 <= box["x1"] < box["x2"] <= 810
        assert 0 <= box["y1"] < box["y2"] <= 1080


def wait_ready(address: str) -> None:
    """A network takes longer to load than the fake one: its first export, for one."""
    with httpx.Client(base_url=address, timeout=WAIT) as http:
        loading = http.post(f"/v1/models/{MODEL}/load", timeout=START)
    assert loading.is_success, loading.text
