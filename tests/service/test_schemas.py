"""Detections become the objects of the contract, and these detections again."""

from __future__ import annotations

import numpy as np
import orjson
from hypothesis import given
from hypothesis import strategies as st

from models.types import Detections
from service.schemas import DetectedObject, detections, objects


def found(segments: tuple[np.ndarray, ...] | None = None) -> Detections:
    return Detections(
        np.array([[1.23456789, 2, 30, 40]], np.float32),
        np.array([0.91], np.float32),
        np.array([5], np.int32),
        {5: "bus"},
        segments,
    )


def test_an_object_has_the_form_of_ultralytics_summary() -> None:
    assert objects(found()) == [
        {
            "name": "bus",
            "class": 5,
            "confidence": 0.91,
            "box": {"x1": 1.23457, "y1": 2.0, "x2": 30.0, "y2": 40.0},
        }
    ]


def test_outlines_are_lists_of_x_and_of_y() -> None:
    outline = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    (one,) = objects(found((outline,)))
    assert one["segments"] == {"x": [1.0, 3.0, 5.0], "y": [2.0, 4.0, 6.0]}


def test_the_objects_are_plain_json() -> None:
    assert orjson.loads(orjson.dumps(objects(found()))) == objects(found())


@given(st.lists(st.floats(0, 8192, width=32), min_size=4, max_size=4), st.floats(0, 1, width=32))
def test_objects_that_were_read_are_written_as_they_were(box: list[float], score: float) -> None:
    """Five decimals are more than float32 has, or fewer: either way they come back."""
    outline = np.array([box[:2], box[2:], box[:2]], np.float32)
    given = Detections(
        np.array([box], np.float32), np.array([score]), np.array([3]), {3: "bus"}, (outline,)
    )
    read = detections([DetectedObject.model_validate(one) for one in objects(given)])
    assert objects(read) == objects(given)


def test_no_objects_are_no_rows() -> None:
    assert detections([]).boxes.shape == (0, 4)
