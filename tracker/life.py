"""How long a track lives: confirmed by evidence, lost, deleted, and where the image ends."""

from __future__ import annotations

import numpy as np

from tracker.number import ZERO
from tracker.overlap import hidden
from tracker.settings import Settings
from tracker.table import EVIDENCE, HITS, ID, MISSED, Table
from tracker.types import Float, Integer, Mask


def confirmed_now(tracks: Table, settings: Settings) -> Mask:
    """Tentative tracks that have earned an ID in this frame."""
    enough: Mask = (tracks[ID] == ZERO) & (tracks[EVIDENCE] >= settings.evidence)
    return enough


def outside(boxes: Float, size: tuple[float, float]) -> Mask:
    """Boxes that cross the left or right edge, or whose centre is above or below the image.

    People leave sideways in full height, and walk on the lower edge while they near the camera.

    Parameters
    ----------
    boxes : float64 [4, N]
        Rows x1, y1, x2, y2 in pixels.
    size : (float, float)
        Width and height of the image.
    """
    width, height = size
    middle = boxes[1] + boxes[3]  # twice as far down
    beyond: Mask = np.minimum(boxes[0], middle) < ZERO
    beyond |= boxes[2] > width
    beyond |= middle > 2.0 * height
    return beyond


def fate(
    tracks: Table,
    boxes: Float,
    rows: Integer,
    size: tuple[float, float],
    settings: Settings,
    fps: float | None,
) -> tuple[Mask, Mask]:
    """What becomes of the tracks without a detection in this frame.

    Parameters
    ----------
    tracks : Table [ROWS, N]
    boxes : float64 [4, N]
        Where they are, rows x1, y1, x2, y2 in pixels.
    rows : int64 [K]
        Those without a detection.
    size : (float, float)
        Width and height of the image.
    settings : Settings
    fps : float or None

    Returns
    -------
    known : bool [K]
        The place is known well enough to be shown; for longer where a nearer track covers it.
    alive : bool [K]
        The track is remembered; tentative ones never are.
    """
    lost, places = tracks.take(rows, 1), boxes.take(rows, 1)
    missed = lost[MISSED]
    inside = ~outside(places, size)
    known = lost[HITS] >= settings.coast_hits
    known &= inside
    alive: Mask = lost[ID] > ZERO
    # Most are found again before any of their spans is over.
    longest = missed.item(missed.argmax())
    if longest > settings.coast.at(fps):
        late = (known & (missed > settings.coast.at(fps))).nonzero()[0]
        seen = boxes[:, (tracks[ID] > 0.0) & (tracks[MISSED] == 0.0)]
        known[late] = hidden(places.T[late], seen.T) >= 0.5
        known &= missed <= max(settings.coast.at(fps), settings.coast_hidden.at(fps))
    if longest > settings.left.at(fps) and not settings.reenter:
        alive &= inside | (missed <= settings.left.at(fps))
    if longest > settings.memory.at(fps):
        alive &= missed <= settings.memory.at(fps)
    return known, alive
