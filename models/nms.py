"""Non-maximum suppression: of boxes that overlap, the best one stays."""

from __future__ import annotations

from typing import Any

from models.arrays import Array, namespace
from models.boxes import box_iou
from models.errors import InvalidInput

_BLOCK = 128


def nms(boxes: Array, scores: Array, iou_threshold: float) -> Array:
    """Greedy suppression: the best box stays, what overlaps it goes, and so on.

    Parameters
    ----------
    boxes : [N, 4]
        x1, y1, x2, y2.
    scores : [N]
        Confidence, higher is better. Equal scores keep the order of the rows.
    iou_threshold : float
        Boxes whose IoU with a better kept one is above this are suppressed, 0 to 1.

    Returns
    -------
    int64 [K]
        Rows that stay, best first.
    """
    xp = namespace(boxes, scores)
    same: Any = xp.zeros_like(scores)
    answer: Array = batched_nms(boxes, scores, same, iou_threshold)
    return answer


def batched_nms(boxes: Array, scores: Array, classes: Array, iou_threshold: float) -> Array:
    """Greedy suppression within each class; arguments and answer as for :func:`nms`.

    Parameters
    ----------
    boxes, scores, iou_threshold
        As for :func:`nms`.
    classes : [N]
        A box suppresses only boxes of its own class.
    """
    xp = namespace(boxes, scores, classes)
    if not 0 <= iou_threshold <= 1:
        raise InvalidInput(f"iou_threshold: 0 to 1 expected, got {iou_threshold}")
    rest: Any = xp.argsort(scores, descending=True, stable=True)
    kept: list[Any] = []
    while rest.shape[0]:
        block, rest = rest[:_BLOCK], rest[_BLOCK:]
        clash = _clashes(xp, boxes, classes, block, block, iou_threshold)
        alive = xp.ones(block.shape[0], dtype=xp.bool)
        for i in range(block.shape[0]):
            if alive[i]:
                alive[i + 1 :] &= ~clash[i, i + 1 :]
        block = block[alive]
        kept.append(block)
        gone = xp.any(_clashes(xp, boxes, classes, block, rest, iou_threshold), axis=0)
        rest = rest[~gone]
    answer: Array = xp.concat([rest, *kept])
    return answer


def _clashes(xp: Any, boxes: Any, classes: Any, a: Any, b: Any, threshold: float) -> Any:
    """Which boxes of one list suppress which of another, [A, B]."""
    same = classes[a][:, None] == classes[b][None, :]
    return (box_iou(boxes[a], boxes[b]) > threshold) & same
