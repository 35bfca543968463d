"""Detections become the objects of the contract."""

from __future__ import annotations

import numpy as np
import orjson

from models.types import Detections
from service.schemas import objects


def detections(segments: tuple[np.ndarray, ...] | None = None) -> Detections:
    return Detections(
        np.array([[1.23456789, 2, 30, 40]], np.float32),
        np.array([0.91], np.float32),
        np.array([5], np.int32),
        {5: "bus"},
        segments,
    )


def test_an_object_has_the_form_of_ultralytics_summary() -> None:
    assert objects(detections()) == [
        {
            "name": "bus",
            "class": 5,
            "confidence": 0.91,
            "box": {"x1": 1.23457, "y1": 2.0, "x2": 30.0, "y2": 40.0},
        }
    ]


def test_outlines_are_lists_of_x_and_of_y() -> None:
    outline = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    (found,) = objects(detections((outline,)))
    assert found["segments"] == {"x": [1.0, 3.0, 5.0], "y": [2.0, 4.0, 6.0]}


def test_the_objects_are_plain_json() -> None:
    assert orjson.loads(orjson.dumps(objects(detections()))) == objects(detections())
