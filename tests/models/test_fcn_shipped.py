"""The FCN detector that comes with Trackline, on footage that it was not trained on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

import models
from models import catalog
from models.boxes import box_iou
from models.detector import Detector, load_detector
from models.types import Image


@pytest.fixture(scope="module")
def fcn() -> Iterator[Detector]:
    detector = load_detector("fcn", device="cpu")
    yield detector
    detector.close()


def frame(video: Path, number: int) -> Image:
    """A frame of a video, from 0."""
    capture = cv2.VideoCapture(str(video))
    capture.set(cv2.CAP_PROP_POS_FRAMES, number)
    there, image = capture.read()
    assert there
    return np.asarray(image, np.uint8)


def test_its_weights_are_part_of_the_package() -> None:
    path = catalog.fetch("fcn")
    assert path.parent == Path(models.__file__).parent / "weights"
    assert path.stat().st_size < 10e6


def test_its_classes_are_those_of_the_catalogue(fcn: Detector) -> None:
    assert tuple(fcn.names.values()) == catalog.entry("fcn").classes == ("person", "vehicle")


@pytest.mark.weights
def test_it_finds_what_its_teacher_finds_on_the_motorway(fcn: Detector) -> None:
    video = catalog.locate("sample-car-video")
    if video is None or catalog.locate("yolo26n") is None:
        pytest.skip("not here: trackline models pull sample-car-video yolo26n")
    image = frame(video, 320)  # the last fifth of the video was not learnt
    teacher = load_detector("yolo26n", device="cpu")
    (expected,) = teacher.predict([image], conf=0.5, classes=["car", "truck", "bus"])
    teacher.close()
    (found,) = fcn.predict([image], conf=0.3, classes=["vehicle"])
    overlap = box_iou(expected.boxes, found.boxes)
    assert (overlap.max(axis=1) > 0.5).mean() > 0.7


def test_it_finds_the_people_of_a_surveillance_camera(fcn: Detector, mot_dir: Path) -> None:
    sequence = mot_dir / "PETS09-S2L1"
    truth = np.loadtxt(sequence / "gt.txt", delimiter=",", usecols=range(6), ndmin=2)
    here = truth[truth[:, 0] == 201, 2:6]
    people = np.concatenate([here[:, :2], here[:, :2] + here[:, 2:]], axis=1).astype(np.float32)
    image = frame(sequence / "PETS09-S2L1.mp4", 200)
    (found,) = fcn.predict([image], conf=0.3, classes=["person"])
    overlap = box_iou(people, found.boxes)
    # The ground truth draws its boxes more widely than the teacher, so they meet at 0.4.
    assert (overlap.max(axis=1) > 0.4).mean() > 0.7
