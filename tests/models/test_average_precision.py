"""Average precision: cases counted by hand, and the reference implementation of COCO."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from models.average_precision import MOST_DETECTIONS, Truth, average_precision
from models.errors import InvalidInput
from models.types import Detections

NAMES = {0: "person", 3: "car"}
ELSEWHERE = [500.0, 500.0, 510.0, 510.0]


def boxes(count: int) -> NDArray[np.float64]:
    """That many boxes of 10x10 that do not touch."""
    left = 20.0 * np.arange(count)
    return np.stack([left, np.zeros(count), left + 10, np.full(count, 10.0)], 1)


def truth(rows: Any, class_id: int = 0, ignored: Any = ()) -> Truth:
    return Truth(np.asarray(rows), np.full(len(rows), class_id), np.asarray(ignored, bool))


def found(rows: Any, scores: Any, class_id: int = 0) -> Detections:
    return Detections(rows, scores, np.full(len(rows), class_id), NAMES)


def test_what_finds_everything_and_nothing_else_has_one() -> None:
    there = [truth(boxes(3)), truth(boxes(2), 3), truth([])]
    answers = [found(boxes(3), [0.9, 0.8, 0.2]), found(boxes(2), [0.5, 0.4], 3), found([], [])]
    scores = average_precision(there, answers, NAMES)
    assert (scores.map50, scores.map75, scores.map50_95) == (1, 1, 1)
    assert {name: row.objects for name, row in scores.classes.items()} == {"person": 3, "car": 2}


def test_the_highest_precision_at_each_recall_counts() -> None:
    # Right, wrong, right, right, wrong; the fourth object is never found. Precision is 1 up to a
    # recall of 1/4 (26 of the 101 points), 3/4 up to 3/4 (50 points, also where it was 2/3).
    there = boxes(4)
    answers = [there[0], ELSEWHERE, there[1], there[2], ELSEWHERE]
    scores = average_precision(
        [truth(there)], [found(answers, [0.9, 0.8, 0.7, 0.6, 0.5])], {0: "person"}
    )
    assert scores.map50 == pytest.approx((26 * 1 + 50 * 3 / 4) / 101)


def test_an_object_is_found_once() -> None:
    # The second box on it is wrong; it comes before the other object is found.
    there = boxes(2)
    answers = found([there[0], there[0], there[1]], [0.9, 0.8, 0.7])
    scores = average_precision([truth(there)], [answers], NAMES)
    assert scores.map50 == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)


def test_each_threshold_asks_for_its_overlap() -> None:
    # Of a box of 10x10, 10x7.2 are covered: right at 0.50, 0.55, 0.60, 0.65 and 0.70.
    scores = average_precision([truth(boxes(1))], [found([[0, 0, 10, 7.2]], [0.9])], NAMES)
    assert (scores.map50, scores.map75) == (1, 0)
    assert scores.map50_95 == pytest.approx(0.5)


def test_a_false_box_in_an_image_without_objects_costs_precision() -> None:
    there = [truth(boxes(1)), truth([])]
    alone = average_precision(there, [found(boxes(1), [0.8]), found([], [])], NAMES)
    beside = average_precision(there, [found(boxes(1), [0.8]), found([ELSEWHERE], [0.9])], NAMES)
    assert (alone.map50, beside.map50) == (1, 0.5)


def test_boxes_in_an_ignored_region_count_neither_way() -> None:
    region = [100.0, 100.0, 300.0, 300.0]
    there = truth([*boxes(1), region], ignored=[False, True])
    inside = [[110.0, 110.0, 120.0, 120.0], [200.0, 200.0, 220.0, 220.0]]
    answers = found([*inside, *boxes(1)], [0.9, 0.8, 0.7])
    scores = average_precision([there], [answers], NAMES)
    assert scores.map50 == 1
    assert scores.classes["person"].objects == 1


def test_classes_are_kept_apart_and_those_without_objects_do_not_count() -> None:
    scores = average_precision([truth(boxes(1))], [found(boxes(1), [0.9], 3)], NAMES)
    assert scores.map50 == 0
    assert list(scores.classes) == ["person"]


def test_what_is_of_a_class_that_is_not_asked_for_is_left_out() -> None:
    there = [truth(boxes(1)), truth(boxes(1), 3)]
    answers = [found(boxes(1), [0.9]), found([ELSEWHERE], [0.9], 3)]
    assert average_precision(there, answers, {0: "person"}).map50 == 1


def test_no_more_than_a_hundred_of_a_class_count_in_an_image() -> None:
    there = boxes(MOST_DETECTIONS + 10)
    scores = average_precision(
        [truth(there)], [found(there, np.linspace(0.9, 0.1, len(there)))], NAMES
    )
    # A recall of 100/110 is reached by the points 0 to 0.90.
    assert scores.map50 == pytest.approx(91 / 101)


def test_numbers_are_those_of_the_reference() -> None:
    rng = np.random.default_rng(3)
    there, answers = [], []
    for _ in range(40):
        corners = rng.uniform(0, 300, (int(rng.integers(0, 9)), 2))
        rows = np.concatenate([corners, corners + rng.uniform(20, 90, corners.shape)], 1)
        classes = rng.choice([0, 3], len(rows))
        there.append(Truth(rows, classes, rng.random(len(rows)) < 0.1))
        seen = rng.random(len(rows)) < 0.8
        wrong = rng.uniform(0, 300, (int(rng.integers(0, 5)), 2))
        wrong = np.concatenate([wrong, wrong + 50], 1)
        guesses = np.concatenate([rows[seen] + rng.normal(0, 4, (int(seen.sum()), 4)), wrong])
        guessed = np.concatenate([classes[seen], rng.choice([0, 3], len(wrong))])
        scores = rng.uniform(0.01, 1, len(guesses)).astype(np.float32)
        answers.append(Detections(guesses.astype(np.float32), scores, guessed, NAMES))
    ours = average_precision(there, answers, NAMES)
    theirs = by_reference(there, answers)
    assert [ours.map50_95, ours.map50, ours.map75] == pytest.approx(theirs, abs=1e-9)
    assert 0.2 < ours.map50_95 < 0.8, "a case that is all right or all wrong shows little"


def by_reference(there: list[Truth], answers: list[Detections]) -> list[float]:
    """mAP@50:95, mAP@50 and mAP@75 of pycocotools."""
    annotations = [
        {"image_id": image, "category_id": int(class_id), "bbox": [x1, y1, x2 - x1, y2 - y1]}
        | {"area": (x2 - x1) * (y2 - y1), "iscrowd": int(ignored)}
        for image, one in enumerate(there)
        for (x1, y1, x2, y2), class_id, ignored in zip(
            one.boxes, one.classes, one.ignored, strict=True
        )
    ]
    rows = [
        {"image_id": image, "category_id": int(class_id), "score": float(score)}
        | {"bbox": [x1, y1, x2 - x1, y2 - y1]}
        for image, one in enumerate(answers)
        for (x1, y1, x2, y2), class_id, score in zip(
            one.boxes.astype(float), one.classes, one.scores, strict=True
        )
    ]
    dataset = COCO()
    dataset.dataset = {
        "info": {},
        "images": [{"id": image} for image in range(len(there))],
        "categories": [{"id": class_id} for class_id in NAMES],
        "annotations": [{"id": number, **row} for number, row in enumerate(annotations, 1)],
    }
    dataset.createIndex()
    counting = COCOeval(dataset, dataset.loadRes(rows), "bbox")
    counting.evaluate()
    counting.accumulate()
    counting.summarize()
    return [float(value) for value in counting.stats[:3]]


def test_no_object_at_all_and_unequal_lengths_are_refused() -> None:
    with pytest.raises(InvalidInput, match="no image has an object to be found"):
        average_precision([truth([])], [found([], [])], NAMES)
    with pytest.raises(InvalidInput, match="detections of 1 images expected"):
        average_precision([truth(boxes(1))], [], NAMES)
    with pytest.raises(InvalidInput, match="a class for each box"):
        Truth(boxes(2), np.zeros(1, np.int32))
