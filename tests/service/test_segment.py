"""``POST /v1/segment`` over a real socket, and what bounds it."""

from __future__ import annotations

import base64
import importlib.util
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from models import catalog
from models.types import Image
from service.errors import DeadlineExceeded, QueueFull
from service.http.metrics import Metrics
from service.pictures.segmentation import Segmenters
from service.settings import Settings
from tests.service.gate import WAIT
from tests.service.pictures import jpeg, with_red_box
from tests.service.serving import serving

DEEPLAB = "deeplabv3-mobilenet"
JPEG = {"Content-Type": "image/jpeg"}


class RedSegmenter:
    """Class 2 where a picture is red, 0 elsewhere; waits while its gate is closed."""

    name, runtime, device = "red", "numpy", "cpu"

    def __init__(self) -> None:
        self.names: Mapping[int, str] = {0: "background", 1: "green", 2: "red"}
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.closed = False

    def segment(self, image: Image) -> NDArray[np.uint8]:
        self.entered.set()
        assert self.gate.wait(WAIT)
        blue, _, red = np.moveaxis(image.astype(int), -1, 0)
        return np.where(red > blue + 60, 2, 0).astype(np.uint8)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def http(monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """A client of a server whose segmenter sees what is red."""
    monkeypatch.setattr("service.inference.engine.load_segmenter", lambda *_: RedSegmenter())
    with (
        serving() as (address, _),
        httpx.Client(base_url=address, timeout=WAIT) as client,
    ):
        yield client


def decoded(png: bytes) -> NDArray[np.uint8]:
    return np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED), np.uint8)


def test_the_mask_and_its_classes(http: httpx.Client) -> None:
    picture = with_red_box()
    response = http.post("/v1/segment", content=jpeg(), headers=JPEG)
    assert response.status_code == 200, response.text
    answer = response.json()
    height, width = picture.shape[:2]
    assert answer["model"] == DEEPLAB
    assert answer["image"] == {"width": width, "height": height}
    assert answer["request_id"] == response.headers["x-request-id"]
    assert all(value >= 0 for value in answer["timing"].values())
    mask = decoded(base64.b64decode(answer["mask"]))
    assert mask.shape == (height, width)
    assert [(item["name"], item["class"]) for item in answer["classes"]] == [
        ("background", 0),
        ("red", 2),
    ]
    for item in answer["classes"]:
        assert item["pixels"] == (mask == item["class"]).sum() > 0
    measured = http.get("/metrics").text
    for stage in ("decode", "queue", "inference", "postprocess"):
        assert f'trackline_stage_seconds_count{{model="{DEEPLAB}",stage="{stage}"}} 1.0' in measured


def test_the_mask_alone(http: httpx.Client) -> None:
    form = {"image": ("red.jpg", jpeg(), "image/jpeg")}
    response = http.post("/v1/segment", params={"format": "image"}, files=form)
    assert response.headers["content-type"] == "image/png"
    assert set(np.unique(decoded(response.content)).tolist()) == {0, 2}


def test_what_may_be_asked_for_is_listed_and_loaded_when_it_is(http: httpx.Client) -> None:
    assert http.get("/v1/models").json()["segmenters"] == [DEEPLAB, "fcn-8s"]
    unused, _ = http.get("/v1/info").json()["segmenters"]
    assert unused == {"name": DEEPLAB, "loaded": False, "runtime": None, "device": None}
    http.post("/v1/segment", params={"model": DEEPLAB}, content=jpeg(), headers=JPEG)
    used, _ = http.get("/v1/info").json()["segmenters"]
    assert used == {"name": DEEPLAB, "loaded": True, "runtime": "numpy", "device": "cpu"}


@pytest.mark.parametrize(
    ("params", "body", "status", "code"),
    [
        ({}, b"no picture", 400, "unreadable-media"),
        ({"model": "nosuch"}, None, 404, "unknown-model"),
        ({"model": "fcn-resnet50"}, None, 503, "model-not-ready"),
        ({"format": "gif"}, None, 422, "invalid-parameter"),
    ],
)
def test_refusals(
    http: httpx.Client, params: dict[str, str], body: bytes | None, status: int, code: str
) -> None:
    content = jpeg() if body is None else body
    response = http.post("/v1/segment", params=params, content=content, headers=JPEG)
    assert response.status_code == status, response.text
    assert response.json()["type"] == f"urn:trackline:problem:{code}"


def test_several_pictures_are_refused(http: httpx.Client) -> None:
    part = ("image", ("red.jpg", jpeg(), "image/jpeg"))
    response = http.post("/v1/segment", files=[part, part])
    assert response.status_code == 422
    assert "2 were sent" in response.json()["detail"]


def test_a_segmenter_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    hung = RedSegmenter()
    hung.gate.clear()
    monkeypatch.setattr("service.inference.engine.load_segmenter", lambda *_: hung)
    with (
        serving(deadline_seconds=0.05, forward_seconds=0.05) as (address, _),
        httpx.Client(base_url=address, timeout=WAIT) as client,
    ):
        response = client.post("/v1/segment", content=jpeg(), headers=JPEG)
        hung.gate.set()
    assert response.status_code == 503
    assert response.json()["type"] == "urn:trackline:problem:deadline-exceeded"
    assert int(response.headers["Retry-After"]) >= 1


def segmenters(segmenter: RedSegmenter, **settings: object) -> Segmenters:
    chosen = Settings.model_validate({"models": "fake", **settings})
    return Segmenters(chosen, Metrics(), lambda _: segmenter)


def test_a_full_queue_refuses_and_a_cancelled_picture_makes_room() -> None:
    segmenter = RedSegmenter()
    segmenter.gate.clear()
    service = segmenters(segmenter, image_queue=2)
    first = service.submit(with_red_box(), DEEPLAB)
    assert segmenter.entered.wait(WAIT)
    second = service.submit(with_red_box(), DEEPLAB)
    with pytest.raises(QueueFull, match="2 images wait"):
        service.submit(with_red_box(), DEEPLAB)
    assert second.cancel()
    third = service.submit(with_red_box(), DEEPLAB)
    segmenter.gate.set()
    assert first.result(WAIT).pixels == third.result(WAIT).pixels
    service.close()
    assert segmenter.closed


def test_a_network_that_still_loads_does_not_hold_up_the_end() -> None:
    entered, gate = threading.Event(), threading.Event()

    def load(name: str) -> RedSegmenter:
        entered.set()
        assert gate.wait(WAIT)
        return RedSegmenter()

    service = Segmenters(Settings(models=("fake",)), Metrics(), load)
    loading = service.submit(with_red_box(), DEEPLAB)
    assert entered.wait(WAIT)
    waiting = service.submit(with_red_box(), DEEPLAB)
    service.close()
    assert waiting.cancelled()
    gate.set()
    assert loading.result(WAIT).pixels


def test_a_picture_past_its_deadline_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter = RedSegmenter()
    segmenter.gate.clear()
    service = segmenters(segmenter, deadline_seconds=5)
    first = service.submit(with_red_box(), DEEPLAB)
    assert segmenter.entered.wait(WAIT)
    late = service.submit(with_red_box(), DEEPLAB)
    now = time.monotonic()
    monkeypatch.setattr("service.pictures.segmentation.time.monotonic", lambda: now + 60)
    segmenter.gate.set()
    first.result(WAIT)
    with pytest.raises(DeadlineExceeded):
        late.result(WAIT)
    service.close()


@pytest.mark.weights
def test_finds_the_bus_and_the_people_around_it() -> None:
    if catalog.locate(DEEPLAB) is None:
        pytest.skip(f"the weights are not here: trackline models pull {DEEPLAB}")
    spec = importlib.util.find_spec("ultralytics")
    assert spec is not None
    assert spec.origin is not None
    bus = (Path(spec.origin).parent / "assets" / "bus.jpg").read_bytes()
    with (
        serving() as (address, _),
        httpx.Client(base_url=address, timeout=WAIT) as client,
    ):
        answer = client.post("/v1/segment", content=bus, headers=JPEG).json()
    pixels = {item["name"]: item["pixels"] for item in answer["classes"]}
    assert sum(pixels.values()) == 810 * 1080
    assert pixels["bus"] > 150_000
    assert pixels["person"] > 60_000
