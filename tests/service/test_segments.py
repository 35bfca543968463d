"""Outlines of a segmenting model, in the answers to pictures and in the tracks of a video."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from models.fake import FakeDetector, FakePrepared
from models.types import Detections, DetectOptions
from tests.service.clips import clip, picture
from tests.service.gate import WAIT
from tests.service.pictures import encode
from tests.service.serving import serving
from tests.service.test_track import TRACK, lines_of

FRAMES, BLIND = 16, 9


class Outlining(FakeDetector):
    """Tells the four corners of each box as its outline, and sees nothing in one frame."""

    def postprocess(
        self, raw: NDArray[np.float32], prepared: FakePrepared, options: DetectOptions
    ) -> Detections:
        found = super().postprocess(raw, prepared, options)
        if (np.abs(found.boxes[:, 0] - (10 + 2 * BLIND)) < 1).any():
            found = found[[]]
        return replace(
            found,
            segments=tuple(box[[0, 1, 2, 1, 2, 3, 0, 3]].reshape(4, 2) for box in found.boxes),
        )


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with (
        serving(lambda name: Outlining()) as (address, _),
        httpx.Client(base_url=address, timeout=WAIT) as http,
    ):
        yield http


def outline(item: dict[str, Any]) -> dict[str, list[float]]:
    """What the outline of an object must be."""
    box = item["box"]
    across, down = (box["x1"], box["x2"]), (box["y1"], box["y2"])
    return {"x": [*across, *across[::-1]], "y": [down[0]] * 2 + [down[1]] * 2}


def test_objects_of_a_picture_have_their_outlines(http: httpx.Client) -> None:
    found = http.post("/v1/detect", content=encode(picture(3), "PNG")).json()["detections"]
    assert len(found) == 2
    for item in found:
        assert item["segments"] == outline(item)


def test_tracks_have_the_outlines_of_what_was_detected_and_none_where_nothing_was(
    http: httpx.Client,
) -> None:
    _, *frames, _ = lines_of(http.post(TRACK, content=clip("mp4", FRAMES)))
    for frame in frames:
        for item in frame["objects"]:
            assert item["predicted"] == (frame["frame"] == BLIND)
            assert item["predicted"] == ("segments" not in item)
            if not item["predicted"]:
                assert item["segments"].keys() == {"x", "y"}
                assert len(item["segments"]["x"]) == len(item["segments"]["y"]) == 4
    assert [len(frame["objects"]) for frame in frames[3:]] == [2] * (FRAMES - 3)
