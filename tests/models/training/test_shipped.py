"""The weights that come with Trackline: small, and they see what they were trained for."""

from __future__ import annotations

import av
import numpy as np
import pytest

from models import catalog, load_detector
from models.boxes import box_iou
from models.catalog import fetch
from models.segmenter import load_segmenter
from models.types import Image

SHIPPED = ("fcn", "fcn-8s")
VEHICLES = ("car", "bus", "truck")
HELD_OUT = (300, 330, 359)
"""Frames of the clip's last fifth, which was not learnt."""


@pytest.fixture(scope="module")
def frames() -> list[Image]:
    with av.open(str(fetch("sample-car-video"))) as video:
        return [
            np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
            for number, frame in enumerate(video.decode(video=0))
            if number in HELD_OUT
        ]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_network_that_is_shipped_is_small_and_here(name: str) -> None:
    path = catalog.fetch(name)
    assert path.stat().st_size <= 10_000_000
    assert catalog.state(name) == "here"


@pytest.mark.weights
def test_the_detector_finds_the_vehicles_of_frames_it_has_not_learnt(frames: list[Image]) -> None:
    student, teacher = load_detector("fcn"), load_detector("yolo26n")
    found = student.predict(frames, conf=0.25, classes=["vehicle"])
    expected = teacher.predict(frames, conf=0.5, classes=VEHICLES, agnostic=True)
    seen = []
    for mine, theirs in zip(found, expected, strict=True):
        assert len(theirs) > 5
        seen.append((box_iou(theirs.boxes, mine.boxes).max(axis=1, initial=0) > 0.5).mean())
    student.close()
    teacher.close()
    assert np.mean(seen) > 0.8


@pytest.mark.weights
def test_the_segmenter_sees_the_vehicles_and_no_persons(frames: list[Image]) -> None:
    student, teacher = load_segmenter("fcn-8s"), load_detector("yolo26n")
    assert list(student.names.values()) == ["background", "person", "vehicle"]
    for frame, cars in zip(
        frames, teacher.predict(frames, conf=0.5, classes=VEHICLES), strict=True
    ):
        classes = student.segment(frame)
        boxed = np.zeros(classes.shape, bool)
        for x1, y1, x2, y2 in cars.boxes.astype(int):
            boxed[y1:y2, x1:x2] = True
        assert (classes[boxed] == 2).mean() > 0.6
        assert (classes[~boxed] == 2).mean() < 0.1
        assert (classes == 1).mean() < 0.01
    student.close()
    teacher.close()
