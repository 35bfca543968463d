"""Loading detectors by name, and the options that they share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models import load_detector
from models.detector import detect_options
from models.errors import InvalidInput, UnknownName

NAMES = {0: "person", 2: "car"}


def test_fake_needs_no_catalogue() -> None:
    assert load_detector("fake").name == "fake"


def test_unknown_name_is_named_with_the_nearest() -> None:
    with pytest.raises(
        UnknownName, match=r"'yolo62n' is not in the catalogue; there are .*yolo26n"
    ):
        load_detector("yolo62n")


def test_entry_of_another_task_is_no_detector() -> None:
    with pytest.raises(UnknownName, match=r"'osnet-x0\.25' is no detector: its task is embed"):
        load_detector("osnet-x0.25")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"conf": -0.1}, "conf: expected a number from 0 to 1, got -0.1"),
        ({"conf": np.nan}, "conf: expected a number from 0 to 1, got nan"),
        ({"iou": 2}, "iou: expected a number from 0 to 1, got 2"),
        ({"max_det": 0}, "max_det: expected at least 1, got 0"),
        ({"classes": ["horse"]}, "'horse' is none of this model's classes"),
        ({"classes": [1]}, "'1' is none of this model's classes"),
    ],
)
def test_option_out_of_range_is_named(option: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        detect_options(NAMES, **option)


def test_classes_are_taken_by_name_or_id() -> None:
    assert detect_options(NAMES, classes=["person", 2, "2"]).classes == frozenset({0, 2})
    assert detect_options(NAMES).classes is None
