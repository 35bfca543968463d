"""Suppression of repeated detections: of boxes that show one object, one stays.

Every function takes NumPy arrays or torch tensors, all of one kind, and answers the same kind on
the same device. Boxes are x1, y1, x2, y2. Equal scores keep the order of the rows. A box without
area overlaps nothing and is never suppressed.

Sources: soft NMS, Bodla et al., "Soft-NMS: Improving Object Detection With One Line of Code",
ICCV 2017; DIoU-NMS, Zheng et al., "Distance-IoU Loss", AAAI 2020.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.arrays import AnyArray, Array, like, namespace, precision, to_numpy
from models.boxes import box_iou, diou
from models.errors import InvalidInput
from models.fusion import weighted_boxes_fusion
from models.nms_dense import is_plain, suppress_dense
from models.nms_strips import suppress_by_strips
from models.scored import best_first, require_length, scored

__all__ = ["batched_nms", "diou_nms", "nms", "soft_nms", "weighted_boxes_fusion"]

_DENSE = 2_000
"""Up to so many boxes comparing all pairs, compiled, is faster than finding the near ones."""

_TABLE = 256
"""Below this, as classes of detectors are, numbers are looked up in a table, not sorted."""


def nms(boxes: Array, scores: AnyArray, iou_threshold: float) -> Array:
    """Greedy suppression: the best box stays, what overlaps it too much goes, and so on.

    Parameters
    ----------
    boxes : [N, 4]
        x1, y1, x2, y2.
    scores : [N]
        Confidence, higher is better.
    iou_threshold : float
        Boxes whose IoU with a better kept one is above this are suppressed, 0 to 1.

    Returns
    -------
    int64 [K]
        Rows that stay, best first.

    Raises
    ------
    InvalidInput
        Wrong shapes, NaN or infinity (the message names the row), a threshold out of range.
    """
    return like(boxes, _greedy(boxes, scores, None, iou_threshold))


def batched_nms(boxes: Array, scores: AnyArray, classes: AnyArray, iou_threshold: float) -> Array:
    """Greedy suppression within each class (or image, or any other group), all in one pass.

    Parameters
    ----------
    boxes, scores, iou_threshold
        As for :func:`nms`, which has the answer and the errors, too.
    classes : [N]
        A box suppresses only boxes of its own class.
    """
    return like(boxes, _greedy(boxes, scores, classes, iou_threshold))


def diou_nms(
    boxes: Array, scores: AnyArray, threshold: float, classes: AnyArray | None = None
) -> Array:
    """Greedy suppression by distance IoU (Zheng 2020), which spares neighbours in a crowd.

    A box goes if IoU less the normalised distance of the centres is above ``threshold``; all else
    as for :func:`nms`, and for :func:`batched_nms` where classes are given.
    """
    return like(boxes, _greedy(boxes, scores, classes, threshold, by_distance=True))


def soft_nms(
    boxes: Array,
    scores: AnyArray,
    iou_threshold: float = 0.3,
    *,
    method: Literal["linear", "gaussian"] = "gaussian",
    sigma: float = 0.5,
    score_threshold: float = 0.001,
) -> tuple[Array, Array]:
    """Suppression that lowers the scores of overlapping boxes instead of dropping them.

    Parameters
    ----------
    boxes, scores
        As for :func:`nms`; scores are not negative.
    iou_threshold : float
        ``linear`` multiplies scores by 1 - IoU where the IoU is above this.
    method : {"linear", "gaussian"}
        ``gaussian`` multiplies all scores by exp(-IoU² / sigma).
    sigma : float
        Above 0.
    score_threshold : float
        Boxes whose score falls below this go.

    Returns
    -------
    rows : int64 [K]
        Rows that stay, best first by their new scores.
    scores : [K]
        The new scores of these rows.
    """
    if method not in ("linear", "gaussian"):
        raise InvalidInput(f"method: 'linear' or 'gaussian' expected, got {method!r}")
    if not (sigma > 0 and math.isfinite(sigma)):
        raise InvalidInput(f"sigma: a positive number expected, got {sigma}")
    _require_share("iou_threshold", iou_threshold)
    here, left, _ = scored(boxes, scores)
    rows = np.flatnonzero(left >= score_threshold)
    left = left[rows]
    kept: list[int] = []
    final: list[Any] = []
    while len(rows):
        best = int(left.argmax())
        kept.append(int(rows[best]))
        final.append(left[best])
        overlap = box_iou(here[rows[best : best + 1]], here[rows])[0]
        if method == "linear":
            left = left * np.where(overlap > iou_threshold, 1 - overlap, 1)
        else:
            left = left * np.exp(-overlap * overlap / sigma)
        stays = left >= score_threshold
        stays[best] = False
        rows, left = rows[stays], left[stays]
    return like(boxes, np.asarray(kept, np.int64)), like(boxes, np.asarray(final, left.dtype))


def _greedy(
    boxes: Any, scores: Any, classes: Any, threshold: float, *, by_distance: bool = False
) -> NDArray[np.int64]:
    """Rows that stay, best first."""
    _require_share("threshold" if by_distance else "iou_threshold", threshold)
    if not by_distance and is_plain(boxes, scores, _DENSE):
        return suppress_dense(boxes, scores, _groups(boxes, classes), threshold)
    here, score, unit = scored(boxes, scores)
    groups = _groups(boxes, classes)
    if unit != 1:
        here = here * np.asarray(unit, here.dtype)
    if not len(here):
        return np.zeros(0, np.int64)
    solid = _solid(here)
    if solid is None:
        return _suppress(here, score, groups, threshold, by_distance)
    rows, stays = np.flatnonzero(solid), ~solid
    if len(rows):
        own = None if groups is None else groups[rows]
        stays[rows[_suppress(here[rows], score[rows], own, threshold, by_distance)]] = True
    kept = np.flatnonzero(stays)
    return kept.take(best_first(score.take(kept)))


def _suppress(
    boxes: Any, scores: Any, groups: Any, threshold: float, by_distance: bool
) -> NDArray[np.int64]:
    """Rows that stay, best first, of boxes that have an area."""
    if len(boxes) <= _DENSE and boxes.dtype == np.float32 and not by_distance:
        return suppress_dense(boxes, scores, groups, threshold)
    order = best_first(scores)
    boxes = boxes.take(order, 0)
    groups = np.zeros(len(order), np.intp) if groups is None else groups.take(order)

    def confirm(better: NDArray[np.intp], worse: NDArray[np.intp]) -> NDArray[np.bool_]:
        # DIoU is never above IoU, so only pairs whose IoU is above the threshold are looked at.
        near: NDArray[np.bool_] = diou(boxes[better], boxes[worse], aligned=True) > threshold
        return near

    kept = suppress_by_strips(boxes, groups, threshold, confirm if by_distance else None)
    return order.take(kept)


def _solid(boxes: Any) -> NDArray[np.bool_] | None:
    """Which boxes have an area that can be computed with; None where all have."""
    smallest = precision(namespace(boxes), boxes.dtype).smallest
    sides = boxes[:, 2:] - boxes[:, :2]
    if sides.min() >= math.sqrt(smallest):
        return None
    solid: NDArray[np.bool_] = (sides > 0).all(axis=1) & (sides[:, 0] * sides[:, 1] >= smallest)
    return None if solid.all() else solid


def _groups(boxes: Any, classes: Any) -> NDArray[np.intp] | None:
    """A number from 0 for each class that occurs, one a box; None where it is one alone."""
    if classes is None:
        return None
    namespace(boxes, classes)
    ids = to_numpy(classes)
    require_length("classes", ids, len(boxes))
    if not len(ids):
        return None
    least, most = np.minimum.reduce(ids), np.maximum.reduce(ids)
    if ids[0] == least == most:
        return None
    if ids.dtype.kind in "iu" and least >= 0 and most < _TABLE:
        occurs = np.zeros(_TABLE, np.int64)
        occurs[ids] = 1
        return np.add.accumulate(occurs).take(ids) - 1
    groups: NDArray[np.intp] = np.unique(ids, return_inverse=True)[1]
    return groups


def _require_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise InvalidInput(f"{name}: a number from 0 to 1 expected, got {value}")
