"""Reading a YOLO network's answer: thresholds, classes, and boxes from their definition."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from models.types import DetectOptions
from models.yolo_head import (
    HeadSpec,
    RawHead,
    anchor_grid,
    candidates,
    decode,
    logit,
    sigmoid,
)

INPUT = (64, 96)
STRIDES = (8, 16, 32)
LEVELS = [(INPUT[0] // stride) * (INPUT[1] // stride) for stride in STRIDES]
COUNT = sum(LEVELS)


def spec(**changes: Any) -> HeadSpec:
    """Three classes; the features are the sides themselves."""
    fields: dict[str, Any] = {
        "names": {0: "person", 1: "car", 2: "dog"},
        "task": "detect",
        "strides": STRIDES,
        "reg_max": 1,
        "end_to_end": True,
        "imgsz": 64,
        "weights": np.stack([np.eye(4, dtype=np.float32)] * 3),
        "bias": np.zeros((3, 4), np.float32),
    }
    return HeadSpec(**(fields | changes))


def raw(scores: dict[tuple[int, int], float]) -> RawHead:
    """Every side one stride long; confidence by class and anchor, next to none elsewhere."""
    logits = np.full((COUNT, 3), -9, np.float32)
    for (number, anchor), confidence in scores.items():
        logits[anchor, number] = logit(confidence)
    ends = np.cumsum(LEVELS)[:-1]
    features = np.split(np.ones((COUNT, 4), np.float32), ends)
    return RawHead(tuple(features), tuple(np.split(logits, ends)))


def test_anchors_stand_in_the_middle_of_their_cells_row_by_row() -> None:
    points, strides = anchor_grid(INPUT, STRIDES)
    assert len(points) == len(strides) == COUNT
    np.testing.assert_array_equal(points[:2], [[0.5, 0.5], [1.5, 0.5]])
    np.testing.assert_array_equal(points[12], [0.5, 1.5])
    np.testing.assert_array_equal(points[-1] * strides[-1], [80, 48])


def test_grid_is_shared_and_cannot_be_written() -> None:
    points, _ = anchor_grid(INPUT, STRIDES)
    assert anchor_grid(INPUT, STRIDES)[0] is points
    with pytest.raises(ValueError, match="read-only"):
        points[0] = 0


def test_box_is_anchor_minus_and_plus_its_sides_in_strides() -> None:
    sides = np.array([[0.5, 0.25, 1, 2], [1, 2, 3, 4]], np.float32)
    boxes = decode(sides, np.array([0, COUNT - 1]), spec(), INPUT)
    first = [(0.5 - 0.5) * 8, (0.5 - 0.25) * 8, (0.5 + 1) * 8, (0.5 + 2) * 8]
    last = [80.0 - 32, 48 - 64, 80 + 96, 48 + 128]
    np.testing.assert_allclose(boxes, np.array([first, last]))


def test_last_layer_of_each_level_is_its_own() -> None:
    weights = np.stack([np.eye(4, dtype=np.float32) * factor for factor in (1, 2, 3)])
    bias = np.stack([np.full(4, value, np.float32) for value in (0, 0, 1)])
    one_each = raw({(0, 0): 0.9, (1, LEVELS[0]): 0.8, (2, COUNT - 1): 0.7})
    found = candidates(one_each, spec(weights=weights, bias=bias), INPUT, DetectOptions())
    width = found.boxes[:, 2] - found.boxes[:, 0]
    np.testing.assert_allclose(width, [2 * 1 * 8, 2 * 2 * 16, 2 * (3 + 1) * 32])


def test_rows_that_are_not_all_anchors_say_which_they_are() -> None:
    levels = tuple(np.full((2, 3), value, np.float32) for value in (1, 2, 3))
    numbers = np.array([5, 0, 97, 96, COUNT - 1, COUNT - 2], np.float32)
    thinned = RawHead((np.ones((2, 4), np.float32),) * 3, levels, anchors=numbers)
    found = candidates(thinned, spec(end_to_end=False), INPUT, DetectOptions())
    points, strides = anchor_grid(INPUT, STRIDES)
    assert found.rows.tolist() == [4, 5, 2, 3, 0, 1]
    centres = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    np.testing.assert_allclose(centres, (points * strides)[numbers[found.rows].astype(int)])


def test_side_given_as_a_distribution_is_its_mean() -> None:
    bins = np.full((4, 3), -40, np.float32)
    bins[:, 0] = math.log(0.25)
    bins[:, 2] = math.log(0.75)
    boxes = decode(bins.reshape(1, 12), np.array([0]), spec(reg_max=3), INPUT)
    np.testing.assert_allclose(boxes, [[(0.5 - 1.5) * 8] * 2 + [(0.5 + 1.5) * 8] * 2], rtol=1e-5)


def test_only_what_exceeds_the_confidence_is_a_candidate_best_first() -> None:
    found = candidates(
        raw({(0, 3): 0.6, (1, 7): 0.9, (2, 5): 0.2}), spec(), INPUT, DetectOptions(conf=0.25)
    )
    np.testing.assert_array_equal(found.rows, [7, 3])
    np.testing.assert_array_equal(found.classes, [1, 0])
    np.testing.assert_allclose(found.scores, [0.9, 0.6], rtol=1e-5)


@pytest.mark.parametrize(
    ("end_to_end", "agnostic", "classes"),
    [(True, False, [1, 0]), (True, True, [1]), (False, False, [1])],
)
def test_end_to_end_head_may_name_two_classes_for_one_anchor(
    end_to_end: bool, agnostic: bool, classes: list[int]
) -> None:
    both = raw({(0, 3): 0.6, (1, 3): 0.9})
    options = DetectOptions(agnostic=agnostic)
    found = candidates(both, spec(end_to_end=end_to_end), INPUT, options)
    assert found.classes.tolist() == classes


def test_class_that_is_not_wanted_does_not_count() -> None:
    options = DetectOptions(classes=frozenset({0}))
    found = candidates(raw({(0, 3): 0.6, (1, 7): 0.9}), spec(), INPUT, options)
    assert found.classes.tolist() == [0]


def test_confidence_of_zero_takes_everything_and_of_one_nothing() -> None:
    some = raw({(0, 3): 0.6})
    everything = candidates(some, spec(end_to_end=False), INPUT, DetectOptions(conf=0))
    assert len(everything.scores) == COUNT
    assert len(candidates(some, spec(), INPUT, DetectOptions(conf=1)).scores) == 0


def test_nothing_found_is_an_empty_answer_of_the_right_shape() -> None:
    found = candidates(raw({}), spec(), INPUT, DetectOptions())
    assert found.boxes.shape == (0, 4)


def test_logit_is_the_inverse_of_the_sigmoid() -> None:
    for confidence in (0.001, 0.25, 0.5, 0.999):
        values = np.array([logit(confidence)], np.float32)
        assert sigmoid(values) == pytest.approx(confidence, rel=1e-5)


def test_spec_survives_being_written_down() -> None:
    before = spec(bias=np.arange(12, dtype=np.float32).reshape(3, 4) / 7)
    after = HeadSpec.from_json(before.to_json())
    assert after.names == before.names
    assert (after.task, after.strides, after.end_to_end) == ("detect", STRIDES, True)
    np.testing.assert_array_equal(after.weights, before.weights)
    np.testing.assert_array_equal(after.bias, before.bias)
