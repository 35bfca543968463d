"""Numbers at the edge: of models, of parameters, and of the sizes of pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from models.detector import load_detector
from models.fake import FakeDetector, FakePrepared
from models.types import Detections, DetectOptions
from tests.service.clips import clip
from tests.service.gate import WAIT
from tests.service.pictures import encode, jpeg
from tests.service.serving import serving
from tests.service.test_detect_real import wait_ready
from tests.service.test_http import assert_problem

WRONG = (np.nan, np.inf, -np.inf)


class Broken(FakeDetector):
    """Finds one object, and five that no number can stand for."""

    def postprocess(
        self, raw: NDArray[np.float32], prepared: FakePrepared, options: DetectOptions
    ) -> Detections:
        good = [10.0, 10.0, 50.0, 50.0]
        boxes = [good, *([value, *good[1:]] for value in WRONG), good, good]
        scores = [0.9, 0.8, 0.8, 0.8, np.nan, np.inf]
        classes = np.zeros(len(boxes), np.int32)
        found = np.array(boxes, np.float32), np.array(scores, np.float32)
        return Detections(*found, classes, self.names)


def refuse(word: str) -> None:
    raise AssertionError(f"{word} in JSON")


def strictly(text: str) -> Any:
    """JSON that is JSON: the words NaN and Infinity are none."""
    return json.loads(text, parse_constant=refuse)


def test_what_is_no_number_is_dropped_and_counted_and_never_sent() -> None:
    with (
        serving(lambda name: Broken()) as (address, _),
        httpx.Client(base_url=address, timeout=WAIT) as http,
    ):
        answer = strictly(http.post("/v1/detect", content=jpeg()).text)
        assert [one["confidence"] for one in answer["detections"]] == [pytest.approx(0.9)]
        answer = strictly(http.post("/v1/vision/detection", files={"image": jpeg()}).text)
        assert len(answer["predictions"]) == 1
        stream = http.post("/v1/track", params={"embedder": "none"}, content=clip("mp4", 5)).text
        assert [strictly(line)["type"] for line in stream.splitlines()][-1] == "end"
        counted = http.get("/metrics").text
        assert 'trackline_nonfinite_detections_total{model="fake"} 35.0' in counted


@pytest.fixture(scope="module")
def real() -> Iterator[httpx.Client]:
    """A client of a server with a real network."""
    with (
        serving(load_detector, wait_ready, models="yolo26n") as (address, _),
        httpx.Client(base_url=address, timeout=6 * WAIT) as http,
    ):
        yield http


@pytest.mark.weights
def test_no_threshold_at_all_is_answered_with_no_more_than_may_be_asked_for(
    real: httpx.Client,
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    query = {"conf": 0, "iou": 1, "max_det": 1000, "agnostic": True}
    answer = strictly(real.post("/v1/detect", params=query, content=encode(noise, "PNG")).text)
    assert 0 < len(answer["detections"]) <= 1000


@pytest.mark.parametrize("count", ["1000000000", "0", "-1", "1e9", "nan"])
def test_a_number_of_objects_out_of_range_is_422(client: httpx.Client, count: str) -> None:
    response = client.post("/v1/detect", params={"max_det": count}, content=jpeg())
    assert_problem(response, 422, "invalid-parameter")


@pytest.mark.weights
@pytest.mark.parametrize("size", [(1, 1), (1, 32_768), (32_768, 1), (2, 20_000)])
def test_pictures_of_extreme_shape_are_answered(real: httpx.Client, size: tuple[int, int]) -> None:
    thin = np.full((*size, 3), 90, np.uint8)
    response = real.post("/v1/detect", params={"conf": 0.01}, content=encode(thin, "PNG"))
    assert response.is_success, response.text
    height, width = size
    answer = strictly(response.text)
    assert answer["image"] == {"width": width, "height": height}
    for one in answer["detections"]:
        assert 0 <= one["box"]["x1"] <= one["box"]["x2"] <= width
        assert 0 <= one["box"]["y1"] <= one["box"]["y2"] <= height


@pytest.mark.parametrize("size", [(1, 100_000), (100_000, 1)])
def test_a_picture_of_one_by_100000_is_413(client: httpx.Client, size: tuple[int, int]) -> None:
    thin = np.zeros((*size, 3), np.uint8)
    assert_problem(client.post("/v1/detect", content=encode(thin, "PNG")), 413, "too-large")
