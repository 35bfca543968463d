"""Ultralytics' own prediction, which the YOLO detectors are held against."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from models import catalog
from models.types import Detections, Image

os.environ.setdefault("YOLO_AUTOINSTALL", "false")
os.environ.setdefault("YOLO_OFFLINE", "true")
os.environ.setdefault("YOLO_CONFIG_DIR", str(catalog.cache_dir()))

import ultralytics
from ultralytics.data.augment import LetterBox
from ultralytics.nn.autobackend import AutoBackend
from ultralytics.nn.tasks import ClassificationModel, DetectionModel, SegmentationModel

__all__ = [
    "PHOTOGRAPHS",
    "ClassificationModel",
    "DetectionModel",
    "LetterBox",
    "SegmentationModel",
    "assert_same",
    "frame",
    "photograph",
    "predict",
    "weights",
]

PHOTOGRAPHS = ("bus.jpg", "zidane.jpg")


def weights(name: str) -> Path:
    """The checkpoint of a catalogue name; the test is skipped where it is not on this machine."""
    path = catalog.locate(name)
    if path is None:
        pytest.skip(f"no weights of {name} here: trackline models pull {name}")
    return path


def photograph(name: str) -> Image:
    """One of the pictures that come with Ultralytics."""
    picture = cv2.imread(str(Path(ultralytics.__file__).parent / "assets" / name))
    assert picture is not None, name
    return np.asarray(picture, np.uint8)


def frame(number: int) -> Image:
    """A frame of the motorway, from 0: dozens of vehicles, most of them small."""
    video = cv2.VideoCapture(str(weights("sample-car-video")))
    video.set(cv2.CAP_PROP_POS_FRAMES, number)
    there, picture = video.read()
    video.release()
    assert there, number
    return np.asarray(picture, np.uint8)


def predict(name: str, image: Image, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Any:
    """Ultralytics' `Results` for one image, from the head that the catalogue says."""
    # Its warm-up imports torchvision's compiled operators, which need not match torch. Without
    # them it uses its own suppression, which gives the same.
    monkeypatch.setattr(AutoBackend, "warmup", lambda *_, **__: None)
    model = ultralytics.YOLO(str(weights(name)))
    # To Ultralytics, False is the head that needs no suppression, None the default one.
    nms = False if catalog.entry(name).end_to_end else None
    return model.predict(image, verbose=False, nms=nms, device="cpu", **settings)[0]


def assert_same(ours: Detections, theirs: Any, image: Image) -> None:
    """Same count and classes, boxes within a pixel, confidence within 0.01."""
    rows: NDArray[Any] = theirs.boxes.data.numpy()
    assert len(ours) == len(rows)
    pairs = [_nearest(ours, row) for row in rows]
    assert sorted(pairs) == list(range(len(rows))), "two of theirs are nearest to one of ours"
    assert ours.classes[pairs].tolist() == rows[:, 5].astype(int).tolist()
    np.testing.assert_allclose(ours.boxes[pairs], rows[:, :4], rtol=0, atol=1)
    np.testing.assert_allclose(ours.scores[pairs], rows[:, 4], rtol=0, atol=0.01)
    limit = np.array([image.shape[1], image.shape[0]] * 2)
    assert np.all((ours.boxes >= 0) & (ours.boxes <= limit))


def _nearest(ours: Detections, row: NDArray[Any]) -> int:
    """The row of ours that is most like a row of x1, y1, x2, y2, confidence, class."""
    apart = np.abs(ours.boxes - row[:4]).max(axis=1) + 1e4 * (ours.classes != row[5])
    return int(apart.argmin())
