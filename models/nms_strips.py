"""Greedy suppression for many boxes, without looking at all pairs.

Two boxes whose IoU is above t share more than t of the longer of their sides, along both axes. So
their centres are less than ``(1 - t) * max(1, 1 / 2t)`` of the shorter side apart, and never
farther than half the sum of the sides. The boxes are laid out in strips of the image, sorted by x
within each, where the few that are near enough are ranges of a sorted list.

The best boxes are taken in portions. What one portion suppresses is gone before the next looks for
its neighbours, so a crowd of boxes on one object costs little.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[Any]
Mask: TypeAlias = NDArray[np.bool_]
Rows: TypeAlias = NDArray[np.intp]
Confirm: TypeAlias = Callable[[Rows, Rows], Mask]

_FIRST_PORTION = 2_000
"""Pairs compared at first; twice as many each time, as there are fewer and fewer repeats."""
_LARGEST_PORTION = 64_000
"""Pairs compared at a time: what these need fits into a processor's second-level cache."""
_SLACK = 1e-4
"""How much farther than necessary is looked, as a share of a side: far above any rounding."""


def suppress_by_strips(
    boxes: Floats, groups: Rows, threshold: float, confirm: Confirm | None = None
) -> Rows:
    """Rows that stay when each kept box suppresses later ones that overlap it.

    Parameters
    ----------
    boxes : float32 or float64 [N, 4]
        x1, y1, x2, y2, best first; finite, with finite squares, and each with an area.
    groups : int [N]
        From 0; boxes of different groups do not meet.
    threshold : float
        Overlaps above this suppress, 0 to 1.
    confirm : callable or None
        Asked with the rows of overlapping pairs, better and worse; False spares the worse one.

    Returns
    -------
    int [K]
        Rows, ascending.
    """
    stays = np.ones(len(boxes), np.bool_)
    waiting = np.arange(len(boxes))
    overlap = _Overlap(boxes, threshold)
    strips = _Strips(boxes, groups, threshold)
    portion = _FIRST_PORTION
    while len(waiting):
        taken, better, worse = strips.neighbours(waiting, portion)
        hit = overlap(better, worse)
        better, worse = better.compress(hit), worse.compress(hit)
        if confirm is not None:
            hit = confirm(better, worse)
            better, worse = better.compress(hit), worse.compress(hit)
        _clear(stays, better, worse)
        waiting = waiting[taken:]
        waiting = waiting.compress(stays.take(waiting))
        strips.forget(stays, waiting)
        portion = min(2 * portion, _LARGEST_PORTION)
    return np.flatnonzero(stays)


class _Overlap:
    """Whether the IoU of pairs of rows is above a threshold."""

    def __init__(self, boxes: Floats, threshold: float) -> None:
        sides = boxes[:, 2:] - boxes[:, :2]
        self.area = sides[:, 0] * sides[:, 1]
        # With the upper left corner negated, one minimum gives the intersection of two boxes.
        self.folded = boxes * np.asarray([-1, -1, 1, 1], boxes.dtype)
        self.threshold = threshold

    def __call__(self, a: Rows, b: Rows) -> Mask:
        both = np.minimum(self.folded.take(a, 0), self.folded.take(b, 0))
        sides = np.maximum(both[:, :2] + both[:, 2:], 0)
        shared = sides[:, 0] * sides[:, 1]
        hit: Mask = shared / (self.area.take(a) + self.area.take(b) - shared) > self.threshold
        return hit


class _Strips:
    """Boxes in horizontal strips, one set of strips a group, sorted by x within each."""

    def __init__(self, boxes: Floats, groups: Rows, threshold: float) -> None:
        low, high = boxes[:, :2].astype(np.float64), boxes[:, 2:]
        sides = high - low
        centres = low + sides / 2
        centres -= centres.min(axis=0)
        near = (1 - threshold) * max(1.0, 0.5 / threshold) + _SLACK if threshold else np.inf
        reach = np.minimum(near * sides, (sides + sides.max(axis=0)) / 2)
        width, height = centres.max(axis=0)
        # Windows reach into few strips, and strips hold enough boxes to be worth a search.
        step = max(2 * float(reach[:, 1].mean()), float(height) * 32 / len(boxes))
        count = int(height / step) + 1
        first = np.maximum((centres[:, 1] - reach[:, 1]) / step, 0).astype(np.intp)
        last = np.minimum((centres[:, 1] + reach[:, 1]) / step, count - 1).astype(np.intp)
        own = groups * count
        self.first, self.count = own + first, last - first + 1
        # One number orders strip and x; strips are too far apart for a window to reach another.
        self.pitch = float(width + 4 * reach[:, 0].max())
        self.left, self.right = centres[:, 0] - reach[:, 0], centres[:, 0] + reach[:, 0]
        places = (own + (centres[:, 1] / step).astype(np.intp)) * self.pitch + centres[:, 0]
        self.rows = np.argsort(places)
        self.places = places.take(self.rows)

    def neighbours(self, waiting: Rows, portion: int) -> tuple[int, Rows, Rows]:
        """Pairs of the first waiting rows with later rows that are near, about ``portion`` of them.

        Returns how many of the waiting rows were served, at least one, and the pairs: the better
        rows, ascending, and the worse ones.
        """
        asked = waiting[: portion // 4]
        owners, strips = _spread(self.first.take(asked), self.count.take(asked))
        rows = asked.take(owners)
        offset = strips * self.pitch
        starts = self.places.searchsorted(offset + self.left.take(rows))
        counts = self.places.searchsorted(offset + self.right.take(rows), "right") - starts
        total = counts.cumsum()
        taken = len(asked)
        if total[-1] > portion:
            taken = max(int(owners[total.searchsorted(portion)]), 1)
            ranges = owners.searchsorted(taken)
            rows, starts, counts = rows[:ranges], starts[:ranges], counts[:ranges]
        owners, members = _spread(starts, counts)
        better, worse = rows.take(owners), self.rows.take(members)
        later = worse > better
        return taken, better.compress(later), worse.compress(later)

    def forget(self, stays: Mask, waiting: Rows) -> None:
        """Drop the rows that are suppressed, and those before the first waiting one."""
        if len(waiting):
            here = stays.take(self.rows) & (self.rows >= waiting[0])
            self.rows, self.places = self.rows.compress(here), self.places.compress(here)


def _spread(starts: Rows, counts: Rows) -> tuple[Rows, Rows]:
    """The members of ranges, one after the other, and to which range each belongs."""
    owners: Rows = np.arange(len(starts)).repeat(counts)
    ends: Rows = counts.cumsum()
    shift = starts - (ends - counts)
    members: Rows = np.arange(len(owners)) + shift.take(owners)
    return owners, members


def _clear(stays: Mask, better: Rows, worse: Rows) -> None:
    """Clear the rows that a row which stays suppresses; ``better`` ascends."""
    if not len(better):
        return
    starts = [0, *(np.flatnonzero(better[1:] != better[:-1]) + 1).tolist()]
    ends = [*starts[1:], len(worse)]
    for row, start, end in zip(better.take(starts).tolist(), starts, ends, strict=True):
        if stays[row]:
            stays[worse[start:end]] = False
