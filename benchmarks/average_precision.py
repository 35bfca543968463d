"""Average precision of one class, for comparing runtimes with one another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.boxes import box_iou


class Frame(NamedTuple):
    """What was found in a frame and what is there, boxes xyxy.

    ``ignore`` [N] marks truth that neither has to be found nor counts against what finds it.
    """

    boxes: NDArray[Any]
    scores: NDArray[Any]
    truth: NDArray[Any]
    ignore: NDArray[np.bool_]


def average_precision(frames: Iterable[Frame], threshold: float) -> float:
    """Area under the highest precision at each recall, 0 to 1, matched at an IoU ``threshold``."""
    matched = [(frame, _match(frame, threshold)) for frame in frames]
    scores = np.concatenate([frame.scores for frame, _ in matched])
    right = np.concatenate([found for _, found in matched])
    total = sum(int((~frame.ignore).sum()) for frame, _ in matched)
    order = np.argsort(-scores, kind="stable")
    order = order[~np.isnan(right[order])]
    hits = np.cumsum(right[order])
    precision = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
    return float(np.sum(precision * right[order]) / total)


def _match(frame: Frame, threshold: float) -> NDArray[np.float64]:
    """For each detection: 1 right, 0 wrong, NaN if it found what is to be ignored."""
    answer = np.zeros(len(frame.boxes))
    if not len(frame.truth):
        return answer
    overlap = box_iou(frame.boxes, frame.truth)
    free = np.ones(len(frame.truth), bool)
    for row in np.argsort(-frame.scores, kind="stable"):
        open_truth = np.where(free & ~frame.ignore, overlap[row], 0)
        best = int(open_truth.argmax())
        if open_truth[best] >= threshold:
            free[best] = False
            answer[row] = 1
        elif np.any(overlap[row, frame.ignore] >= threshold):
            answer[row] = np.nan
    return answer
