"""How much boxes share, for all pairs: what the association and the occlusion reasoning read."""

from __future__ import annotations

import numpy as np

from tracker.types import Float

SMALLEST_AREA = 1e-9
"""Pixels squared; keeps the overlap of boxes without area at zero."""


def intersection(a: Float, b: Float) -> Float:
    """Shared area in pixels of every box of ``a`` [N, 4] and every box of ``b`` [M, 4], [N, M]."""
    width = np.minimum(a[:, 2, None], b[:, 2]) - np.maximum(a[:, 0, None], b[:, 0])
    height = np.minimum(a[:, 3, None], b[:, 3]) - np.maximum(a[:, 1, None], b[:, 1])
    np.maximum(width, 0.0, out=width)
    np.maximum(height, 0.0, out=height)
    width *= height
    return width


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
    if not len(boxes) or not len(others):
        return np.zeros(len(boxes))
    shared = intersection(boxes, others)
    shared *= others[:, 3] > boxes[:, 3, None]
    share: Float = shared.max(axis=1) / np.maximum(area(boxes), SMALLEST_AREA)
    return share
