"""Average precision of detections against the truth, as COCO measures it.

Detections are taken from the surest down and each meets the free object of its class that it
overlaps most; it is right if their IoU reaches a threshold. Precision at a recall is the highest
that is reached at this recall or a greater one, and average precision is its mean at 101 recalls
from 0 to 1. mAP@50 is the mean over the classes at an IoU of 0.5, mAP@50:95 also the mean over
the ten IoUs from 0.5 to 0.95.

The counting is done by faster-coco-eval (1.8.0 of August 2026, Apache-2.0, wheels of 0.6 MB that
need NumPy alone). pycocotools is the reference that it agrees with to the last digit; that one
takes ten times as long and writes to standard output, so here it is the oracle of the tests.
torchmetrics wraps one of these two and brings a framework of its own.

Sources: Everingham et al., "The PASCAL Visual Object Classes Challenge", IJCV 2010;
Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidInput
from models.types import Detections

IOUS = np.linspace(0.5, 0.95, 10)
"""The thresholds of mAP@50:95."""
MOST_DETECTIONS = 100
"""Only so many of a class count in an image, the surest, as COCO has it."""


@dataclass(frozen=True, slots=True)
class Truth:
    """The objects of one image.

    Attributes
    ----------
    boxes : float64 [N, 4]
        x1, y1, x2, y2 in pixels.
    classes : int32 [N]
        Class ids.
    ignored : bool [N]
        Objects that need not be found, and regions that hold many: a detection that lies in one by
        the threshold, measured against the detection's own area, counts neither way. COCO's crowd.
    """

    boxes: NDArray[np.float64]
    classes: NDArray[np.int32]
    ignored: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))

    def __post_init__(self) -> None:
        boxes = np.asarray(self.boxes, np.float64).reshape(-1, 4)
        classes = np.asarray(self.classes, np.int32).reshape(-1)
        ignored = np.asarray(self.ignored, np.bool_).reshape(-1)
        if not len(ignored):
            ignored = np.zeros(len(boxes), np.bool_)
        if not len(boxes) == len(classes) == len(ignored):
            raise InvalidInput(
                "truth: a class for each box expected, "
                f"got {len(boxes)} boxes, {len(classes)} classes, {len(ignored)} marks"
            )
        object.__setattr__(self, "boxes", boxes)
        object.__setattr__(self, "classes", classes)
        object.__setattr__(self, "ignored", ignored)


@dataclass(frozen=True, slots=True)
class ClassScores:
    """How well one class is found: shares from 0 to 1, and how many objects there are to find."""

    ap50: float
    ap75: float
    ap50_95: float
    objects: int


@dataclass(frozen=True, slots=True)
class Scores:
    """Means over the classes that have an object to be found, and the scores of each by name."""

    map50: float
    map75: float
    map50_95: float
    images: int
    classes: Mapping[str, ClassScores]


def average_precision(
    truth: Sequence[Truth], found: Sequence[Detections], names: Mapping[int, str]
) -> Scores:
    """Score detections against the truth.

    Parameters
    ----------
    truth, found : sequences of equal length
        Of each image what is there and what was found; class ids mean the same in both.
    names : mapping of int to str
        The classes that count; what is of any other is left out.

    Raises
    ------
    InvalidInput
        Sequences of unequal length, or no object to be found in any image.
    """
    if len(truth) != len(found):
        raise InvalidInput(
            f"detections of {len(truth)} images expected, as many as there is truth of; "
            f"got {len(found)}"
        )
    counts = dict.fromkeys(names, 0)
    for image in truth:
        for class_id in image.classes[~image.ignored]:
            if int(class_id) in counts:
                counts[int(class_id)] += 1
    present = [class_id for class_id, count in sorted(counts.items()) if count]
    if not present:
        known = ", ".join(list(names.values())[:8])
        raise InvalidInput(f"no image has an object to be found, of the classes {known}")
    precision = _precision(truth, found, present)
    classes = {
        names[class_id]: ClassScores(
            float(precision[0, :, column].mean()),
            float(precision[5, :, column].mean()),
            float(precision[:, :, column].mean()),
            counts[class_id],
        )
        for column, class_id in enumerate(present)
    }
    means = precision.mean(axis=(1, 2))
    return Scores(float(means[0]), float(means[5]), float(means.mean()), len(truth), classes)


def _precision(
    truth: Sequence[Truth], found: Sequence[Detections], class_ids: list[int]
) -> NDArray[np.float64]:
    """Highest precision [10 IoUs, 101 recalls, classes]."""
    from faster_coco_eval import COCO, COCOeval_faster

    objects, results = _objects(truth, class_ids), _results(found, class_ids)
    dataset = COCO(
        {
            "images": [{"id": number} for number in range(len(truth))],
            "categories": [{"id": class_id} for class_id in class_ids],
            "annotations": objects,
        }
    )
    counting = COCOeval_faster(dataset, dataset.loadRes(results), "bbox")
    counting.params.iouThrs = IOUS
    counting.params.maxDets = [MOST_DETECTIONS]
    # One range of areas, that holds every box; COCO's small, medium and large are not asked for.
    counting.params.areaRng, counting.params.areaRngLbl = [[0, np.inf]], ["all"]
    counting.evaluate()
    counting.accumulate()
    precision: NDArray[np.float64] = counting.eval["precision"][:, :, :, 0, 0]
    return precision


def _objects(truth: Sequence[Truth], class_ids: list[int]) -> list[dict[str, Any]]:
    """The truth as COCO annotations."""
    annotations = [
        {
            "image_id": number,
            "category_id": int(class_id),
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "area": (x2 - x1) * (y2 - y1),
            "iscrowd": int(ignored),
        }
        for number, image in enumerate(truth)
        for (x1, y1, x2, y2), class_id, ignored in zip(
            image.boxes.tolist(), image.classes, image.ignored, strict=True
        )
        if class_id in class_ids
    ]
    # An id of 0 would read as "not matched".
    return [{"id": number, **row} for number, row in enumerate(annotations, 1)]


def _results(found: Sequence[Detections], class_ids: list[int]) -> list[dict[str, Any]]:
    """The detections as COCO results."""
    return [
        {
            "image_id": number,
            "category_id": int(class_id),
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "score": float(score),
        }
        for number, image in enumerate(found)
        for (x1, y1, x2, y2), class_id, score in zip(
            image.boxes.astype(np.float64).tolist(), image.classes, image.scores, strict=True
        )
        if class_id in class_ids
    ]
