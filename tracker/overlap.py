"""How much boxes share, for all pairs: what the association and the occlusion reasoning read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tracker.number import ZERO, number
from tracker.types import Float, Integer, Mask

SMALLEST_AREA = number(1e-9)
"""Pixels squared; keeps the overlap of boxes without area at zero."""

FEW_PAIRS = 2048
"""Up to so many pairs, looking at all of them costs less than finding those that can meet."""


class Touching(NamedTuple):
    """Pairs of boxes that share any area, ordered by row; most pairs of a frame do not.

    Attributes
    ----------
    rows, columns : int64 [P]
        Which box meets which.
    share : float64 [P]
        Shared area in pixels, or intersection over union, as the maker says.
    """

    rows: Integer
    columns: Integer
    share: Float

    def where(self, kept: Mask) -> Touching:
        """The pairs in a mask bool [P]."""
        # Taking three arrays by their places is faster than three times by the mask.
        places = kept.nonzero()[0]
        return Touching(self.rows[places], self.columns[places], self.share[places])


def touching(a: Float, b: Float) -> Touching:
    """Pairs of ``a`` [4, N] and ``b`` [4, M] that share an area, with that area in pixels."""
    few = a.shape[1] * b.shape[1] <= FEW_PAIRS
    return _all_pairs(a, b) if few else _sweep(a, b)


def _all_pairs(a: Float, b: Float) -> Touching:
    # Written out: np.minimum and np.maximum are several times slower where they broadcast.
    one = a.repeat(b.shape[1], 1)
    other = b[:, None].repeat(a.shape[1], 1).reshape(4, -1)
    side = np.minimum(one[2:], other[2:])
    side -= np.maximum(one[:2], other[:2])
    width, height = side[0], side[1]
    cells = (np.minimum(width, height) > ZERO).nonzero()[0]
    width *= height
    count = np.array(max(1, b.shape[1]))
    return Touching(cells // count, cells % count, width[cells])


def _sweep(a: Float, b: Float) -> Touching:
    """From left to right: a box can only meet those that begin left of its right edge.

    And they begin no further to the left of it than the widest of them reaches.
    """
    order = b[0].argsort()
    begins, widths = b[0][order], b[2] - b[0]
    stop = begins.searchsorted(a[2])
    candidates = stop - begins.searchsorted(a[0] - widths.max())
    rows = np.arange(a.shape[1]).repeat(candidates)
    # Candidates of one row stand in a run that ends where the sweep has to stop.
    place = (stop - candidates.cumsum()).repeat(candidates)
    place += np.arange(len(rows))
    columns = order[place]
    one, other = a.take(rows, 1), b.take(columns, 1)
    width, height = side = np.minimum(one[2:], other[2:])
    side -= np.maximum(one[:2], other[:2])
    real = (np.minimum(width, height) > ZERO).nonzero()[0]
    width *= height
    return Touching(rows[real], columns[real], width[real])


def overlap(a: Float, b: Float) -> Float:
    """Intersection over union of every box of ``a`` [N, 4] and every box of ``b`` [M, 4], [N, M].

    The one of ``models.boxes`` in fewer, in-place operations: this runs on every frame for all
    tracks and detections.
    """
    one, other = np.ascontiguousarray(a.T), np.ascontiguousarray(b.T)
    pairs = touching(one, other)
    _divide(pairs, _area(one), _area(other))
    dense = np.zeros((len(a), len(b)))
    dense[pairs.rows, pairs.columns] = pairs.share
    return dense


def hidden(boxes: Float, others: Float) -> Float:
    """Largest share of each box [N, 4] that one of the others [M, 4] covers from the front.

    Of two boxes, the one whose lower edge is lower in the image is nearer: things stand on a
    ground that the camera looks down at.
    """
    own, front = np.ascontiguousarray(boxes.T), np.ascontiguousarray(others.T)
    return _covered(touching(own, front), _area(own), own[3], front[3])


def surroundings(expected: Float, boxes: Float) -> tuple[Touching, Touching, Float]:
    """What a frame's association asks of boxes, from one pass over all pairs.

    Parameters
    ----------
    expected : float64 [4, N]
        Boxes of the tracks.
    boxes : float64 [4, M]
        The detections.

    Returns
    -------
    near : Touching
        Tracks and detections that touch, with their intersection over union.
    among : Touching
        Detections that touch, with the area that they share; each touches itself.
    covered : float64 [M]
        :func:`hidden` of the detections by each other.
    """
    count, everything = expected.shape[1], np.concatenate((expected, boxes), axis=1)
    rows, columns, shared = touching(everything, boxes)
    areas = _area(everything)
    own, split = areas[count:], int(rows.searchsorted(count))
    near = Touching(rows[:split], columns[:split], shared[:split])
    _divide(near, areas, own)
    among = Touching(rows[split:] - count, columns[split:], shared[split:])
    return near, among, _covered(among, own, boxes[3], boxes[3])


def ratios(pairs: Touching, boxes: Float) -> Touching:
    """Pairs among ``boxes`` [4, M] that share an area, with their intersection over union."""
    areas = _area(boxes)
    found = pairs._replace(share=pairs.share.copy())
    _divide(found, areas, areas)
    return found


def _divide(pairs: Touching, a: Float, b: Float) -> None:
    """Make intersections over union of shared areas, in place, from the areas of both sides."""
    rows, columns, share = pairs
    union = a[rows]
    union += b[columns]
    union -= share
    share /= np.maximum(union, SMALLEST_AREA, out=union)


def _covered(pairs: Touching, areas: Float, bottoms: Float, others: Float) -> Float:
    """Largest share of each box that one nearer box of its pairs covers."""
    rows, columns, shared = pairs
    nearer = (others[columns] > bottoms[rows]).nonzero()[0]
    most = np.zeros(len(areas))
    if len(nearer):
        np.maximum.at(most, rows[nearer], shared[nearer])
        most /= np.maximum(areas, SMALLEST_AREA)
    return most


def _area(boxes: Float) -> Float:
    """Area in pixels of boxes [4, N]."""
    size = boxes[2:] - boxes[:2]
    area: Float = size[0] * size[1]
    return area
