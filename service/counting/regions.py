"""Lines and polygons in a picture, and where points lie to them. Pixels, x right and y down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Points: TypeAlias = NDArray[np.float64]
"""float64 [N, 2]: x, y."""


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line from one point to another, with a side ``a`` and a side ``b``.

    Looking from ``start`` to ``end``, as the picture is seen, ``a`` is on the left hand and ``b``
    on the right: below a line that is drawn from left to right is ``b``.

    Attributes
    ----------
    name : str
        Names it among the lines of a request.
    start, end : float64 [2]
        Its ends.
    """

    name: str
    start: Points
    end: Points

    def side(self, points: Points) -> NDArray[np.float64]:
        """Distances in pixels from the line, drawn on beyond its ends: negative on side ``a``.

        The sign is that of the cross product of the line's direction and the way from its start.
        """
        return _cross(self.end - self.start, points - self.start) / float(
            np.hypot(*(self.end - self.start))
        )

    def met_by(self, before: Points, after: Points) -> bool:
        """Whether the straight way between two points, one on each side, passes between the ends.

        Parameters
        ----------
        before, after : float64 [2]
            Where the way begins and ends.
        """
        way = after - before
        return bool(_cross(way, self.start - before) * _cross(way, self.end - before) <= 0)


@dataclass(frozen=True, slots=True)
class Zone:
    """A polygon; where its border crosses itself, inside is what an odd number of edges enclose.

    Attributes
    ----------
    name : str
        Names it among the zones of a request.
    corners : float64 [M, 2]
        In order; the last one is joined to the first.
    """

    name: str
    corners: Points

    def depth(self, points: Points) -> NDArray[np.float64]:
        """Distances in pixels of N points from the border: positive inside, negative outside."""
        here = points[:, None]  # [N, 1, 2] against edges [M, 2]
        start = self.corners
        edge = np.roll(start, -1, axis=0) - start
        along = ((here - start) * edge).sum(axis=2) / np.maximum((edge**2).sum(axis=1), 1e-12)
        nearest = start + np.clip(along, 0, 1)[:, :, None] * edge
        distance = np.hypot(*np.moveaxis(here - nearest, 2, 0)).min(axis=1)
        # A ray to the left: each edge that it meets is a change between inside and outside.
        above = here[:, :, 1] >= start[:, 1]
        spans = above != np.roll(above, -1, axis=1)
        passed = _cross(edge, here - start) * np.where(edge[:, 1] > 0, 1, -1) < 0
        inside = (spans & passed).sum(axis=1) % 2 == 1
        depths: NDArray[np.float64] = np.where(inside, distance, -distance)
        return depths


def _cross(one: Points, other: Points) -> NDArray[np.float64]:
    """Cross products of vectors in the plane, over the last axis."""
    product: NDArray[np.float64] = one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]
    return product
