"""How long a track lives: confirmed by evidence, lost, deleted, and where the image ends."""

from __future__ import annotations

import numpy as np

from tracker.overlap import hidden
from tracker.settings import Settings
from tracker.table import Table
from tracker.types import Float, Mask


def confirmed_now(tracks: Table, settings: Settings) -> Mask:
    """Tentative tracks that have earned an ID in this frame."""
    enough: Mask = (tracks["id"] == 0) & (tracks["evidence"] >= settings.evidence)
    return enough


def outside(boxes: Float, size: Float) -> Mask:
    """Boxes that cross the left or right edge, or whose centre is above or below the image.

    People leave sideways in full height, and walk on the lower edge while they near the camera.

    Parameters
    ----------
    boxes : float64 [N, 4]
        x1, y1, x2, y2 in pixels.
    size : float64 [2]
        Width and height of the image.
    """
    middle = 0.5 * (boxes[:, 1] + boxes[:, 3])
    beyond: Mask = (boxes[:, 0] < 0) | (boxes[:, 2] > size[0]) | (middle < 0) | (middle > size[1])
    return beyond


def fate(
    lost: Table, boxes: Float, seen: Float, size: Float, settings: Settings, fps: float | None
) -> tuple[Mask, Mask]:
    """What becomes of the tracks without a detection in this frame.

    Parameters
    ----------
    lost : Table [N]
    boxes : float64 [N, 4]
        Where they are expected.
    seen : float64 [M, 4]
        Boxes of the confirmed tracks that have a detection.
    size : float64 [2]
        Width and height of the image.
    settings : Settings
    fps : float or None

    Returns
    -------
    known : bool [N]
        The place is known well enough to be shown; for longer where a nearer track covers it.
    alive : bool [N]
        The track is remembered; tentative ones never are.
    """
    missed = lost["missed"]
    gone = outside(boxes, size)
    known = (lost["hits"] >= settings.coast_hits) & ~gone
    known &= missed <= max(settings.coast.at(fps), settings.coast_hidden.at(fps))
    late = (known & (missed > settings.coast.at(fps))).nonzero()[0]
    if len(late):
        known[late] = hidden(boxes[late], seen) >= 0.5
    limit = np.full(len(lost), settings.memory.at(fps))
    if not settings.reenter:
        limit[gone] = settings.left.at(fps)
    limit[lost["id"] == 0] = 0.0
    return known, missed <= limit
