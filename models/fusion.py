"""The answers of several detectors for one image, fused into one.

Source: Solovyev, Wang and Gabruseva, "Weighted boxes fusion: Ensembling boxes from different
object detection models", Image and Vision Computing 107, 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.arrays import AnyArray, Array, like, to_numpy
from models.boxes import box_iou
from models.errors import InvalidInput
from models.scored import best_first, require_length, scored


def weighted_boxes_fusion(
    boxes: Sequence[Array],
    scores: Sequence[AnyArray],
    classes: Sequence[AnyArray],
    *,
    weights: Sequence[float] | None = None,
    iou_threshold: float = 0.55,
    score_threshold: float = 0.0,
) -> tuple[Array, Array, Array]:
    """Average the boxes of one class that overlap, each by its score, instead of dropping them.

    The score of a fused box is the mean of its boxes' scores, lowered by the share of detectors
    that did not see it.

    Parameters
    ----------
    boxes : sequence of [N_i, 4]
        One array a detector: x1, y1, x2, y2, in one frame.
    scores, classes : sequence of [N_i]
        To match.
    weights : sequence of float or None
        How much each detector counts; all the same by default.
    iou_threshold : float
        A box joins the fused box that it overlaps most, if by more than this, 0 to 1.
    score_threshold : float
        Boxes below are not looked at.

    Returns
    -------
    boxes [K, 4], scores [K], classes [K]
        Best first, in the dtypes of the first detector; float32 for half precision.

    Raises
    ------
    InvalidInput
        Lengths that do not match, NaN or infinity, weights that are not positive.
    """
    count = len(boxes)
    if not count or len(scores) != count or len(classes) != count:
        lengths = f"{count}, {len(scores)} and {len(classes)}"
        raise InvalidInput(f"boxes, scores, classes: one each a detector expected, got {lengths}")
    weight = _weights(weights, count)
    if not 0 <= iou_threshold <= 1:
        raise InvalidInput(f"iou_threshold: a number from 0 to 1 expected, got {iou_threshold}")
    given = [
        _votes(*detector, score_threshold)
        for detector in zip(boxes, scores, classes, weight, strict=True)
    ]
    votes = np.concatenate([rows for rows, _ in given])
    fused = _fuse(votes[best_first(votes[:, 4])], iou_threshold)
    fused[:, 4] *= np.minimum(fused[:, 6], count) / weight.sum()
    fused = fused[best_first(fused[:, 4])]
    columns = (fused[:, :4], fused[:, 4], fused[:, 5])
    box, score, class_id = (
        like(boxes[0], values.astype(dtype))
        for values, dtype in zip(columns, given[0][1], strict=True)
    )
    return box, score, class_id


def _weights(weights: Sequence[float] | None, count: int) -> NDArray[np.float64]:
    """How much each detector counts, [count]."""
    weight = np.ones(count) if weights is None else np.asarray(weights, np.float64)
    if weight.shape != (count,) or not np.all(np.isfinite(weight) & (weight > 0)):
        raise InvalidInput(f"weights: {count} positive numbers expected, got {weights}")
    return weight


def _votes(
    boxes: Any, scores: Any, classes: Any, weight: float, least: float
) -> tuple[NDArray[Any], tuple[Any, Any, Any]]:
    """Rows [N, 6] of one detector: box, weighted score, class; and the dtypes of these."""
    here, score, _ = scored(boxes, scores)
    ids = to_numpy(classes)
    require_length("classes", ids, len(score))
    table = np.column_stack([here, score * weight, ids])
    return table[score >= least], (here.dtype, score.dtype, ids.dtype)


def _fuse(votes: NDArray[Any], threshold: float) -> NDArray[Any]:
    """Clusters [K, 7] of votes [N, 6], best first: box, mean score, class, number of votes."""
    fused = np.zeros((len(votes), 7))
    used = 0
    for vote in votes:
        near = np.flatnonzero(fused[:used, 5] == vote[5])
        overlap = box_iou(vote[None, :4], fused[near, :4])[0]
        if len(near) and overlap.max() > threshold:
            cluster = fused[near[overlap.argmax()]]
            total = cluster[4] * cluster[6]
            share = vote[4] / (total + vote[4]) if total + vote[4] > 0 else 0.5
            cluster[:4] += share * (vote[:4] - cluster[:4])
            cluster[4] = (total + vote[4]) / (cluster[6] + 1)
            cluster[6] += 1
        else:
            fused[used] = [*vote, 1]
            used += 1
    return fused[:used]
