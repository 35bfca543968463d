"""How long a track lives: confirmed by evidence, lost, deleted, and where the image ends."""

from __future__ import annotations

import numpy as np

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


def alive(tracks: Table, gone: Mask, settings: Settings, fps: float | None) -> Mask:
    """Tracks that are remembered: not after too long, tentative ones only while they are seen."""
    limit = np.where(gone, settings.left.at(fps), settings.memory.at(fps))
    limit[tracks["id"] == 0] = 0.0
    kept: Mask = tracks["missed"] <= limit
    return kept


def shown(tracks: Table, gone: Mask, covered: Float, settings: Settings, fps: float | None) -> Mask:
    """Confirmed tracks that are seen, or whose place is known well enough without.

    Parameters
    ----------
    tracks : Table [N]
    gone : bool [N]
        Outside of the image.
    covered : float64 [N]
        Share that a visible track hides.
    """
    coast = np.where(covered >= 0.5, settings.coast_hidden.at(fps), settings.coast.at(fps))
    known = (tracks["missed"] <= coast) & (tracks["hits"] >= settings.coast_hits) & ~gone
    seen = tracks["missed"] == 0
    visible: Mask = (tracks["id"] > 0) & (seen | known) & (tracks["confidence"] >= settings.faint)
    return visible
