"""How much boxes share, for all pairs: what the association and the occlusion reasoning read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tracker.blocks import pairs_in, row_blocks
from tracker.types import Float, Integer, Mask

SMALLEST_AREA = 1e-9
"""Pixels squared; keeps the overlap of boxes without area at zero."""


class Touching(NamedTuple):
    """Pairs of boxes that share any area, ordered by row; most pairs of a frame do not.

    Attributes
    ----------
    rows, columns : int64 [P]
        Which box meets which.
    share : float64 [P]
        Shared area in pixels, or the share of an area, as the maker says.
    """

    rows: Integer
    columns: Integer
    share: Float

    def where(self, kept: Mask) -> Touching:
        """The pairs in a mask bool [P]."""
        return Touching(self.rows[kept], self.columns[kept], self.share[kept])


def _intersections(a: Float, b: Float) -> Iterator[tuple[slice, Float]]:
    """Shared area of some rows of ``a`` [N, 4] and all of ``b`` [M, 4], block by block."""
    # Coordinates come first, so that the innermost loop runs over many boxes.
    one = np.ascontiguousarray(a.T)[:, :, None]
    other = np.ascontiguousarray(b.T)[:, None]
    for rows in row_blocks(len(a), 2 * len(b)):
        side = np.minimum(one[2:, rows], other[2:])
        side -= np.maximum(one[:2, rows], other[:2])
        np.maximum(side, 0.0, out=side)
        yield rows, np.multiply(side[0], side[1], out=side[0])


def intersection(a: Float, b: Float) -> Float:
    """Shared area in pixels of every box of ``a`` [N, 4] and every box of ``b`` [M, 4], [N, M]."""
    shared = np.empty((len(a), len(b)))
    for rows, block in _intersections(a, b):
        shared[rows] = block
    return shared


def touching(a: Float, b: Float) -> Touching:
    """Pairs of ``a`` [N, 4] and ``b`` [M, 4] that share an area, with that area in pixels."""
    found = []
    for rows, block in _intersections(a, b):
        r, c = pairs_in(block > 0.0)
        found.append((r + rows.start, c, block[r, c]))
    if len(found) == 1:
        return Touching(*found[0])
    if not found:
        return Touching(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    return Touching(*map(np.concatenate, zip(*found, strict=True)))


def area(boxes: Float) -> Float:
    """Area in pixels of boxes x1, y1, x2, y2, float64 [N]."""
    size: Float = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return size


def overlap(a: Float, b: Float) -> Float:
    """Intersection over union of every box of ``a`` [N, 4] and every box of ``b`` [M, 4], [N, M].

    The one of ``models.boxes`` in fewer, in-place operations: this runs on every frame for all
    tracks and detections.
    """
    shared = intersection(a, b)
    union = area(a)[:, None] + area(b) - shared
    shared /= np.maximum(union, SMALLEST_AREA, out=union)
    return shared


def hidden(boxes: Float, others: Float) -> Float:
    """Largest share of each box [N, 4] that one of the others [M, 4] covers from the front.

    Of two boxes, the one whose lower edge is lower in the image is nearer: things stand on a
    ground that the camera looks down at.
    """
    pairs = touching(boxes, others)
    return _covered(pairs, area(boxes), boxes[:, 3], others[:, 3])


def surroundings(expected: Float, boxes: Float) -> tuple[Touching, Float]:
    """What a frame's association asks of boxes, from one pass over all pairs.

    Parameters
    ----------
    expected : float64 [N, 4]
        Boxes of the tracks.
    boxes : float64 [M, 4]
        The detections.

    Returns
    -------
    near : Touching
        Tracks and detections that touch, with their intersection over union.
    covered : float64 [M]
        :func:`hidden` of the detections by each other.
    """
    count, everything = len(expected), np.concatenate([expected, boxes])
    rows, columns, shared = touching(everything, boxes)
    areas = area(everything)
    split = int(rows.searchsorted(count))
    r, c, both = rows[:split], columns[:split], shared[:split]
    union = areas[r] + areas[count:][c] - both
    near = Touching(r, c, both / np.maximum(union, SMALLEST_AREA))
    among = Touching(rows[split:] - count, columns[split:], shared[split:])
    return near, _covered(among, areas[count:], boxes[:, 3], boxes[:, 3])


def _covered(pairs: Touching, areas: Float, bottoms: Float, others: Float) -> Float:
    """Largest share of each box that one nearer box of its pairs covers."""
    rows, columns, shared = pairs
    nearer = (others[columns] > bottoms[rows]).nonzero()[0]
    most = np.zeros(len(areas))
    if len(nearer):
        np.maximum.at(most, rows[nearer], shared[nearer])
        most /= np.maximum(areas, SMALLEST_AREA)
    return most
