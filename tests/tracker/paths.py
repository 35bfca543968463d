"""Walks through an image, as the MOT rows that a tracker would answer for them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]


def walk(
    identity: int,
    frames: Iterable[int],
    start: tuple[float, float],
    velocity: tuple[float, float],
    *,
    size: tuple[float, float] = (40.0, 100.0),
    score: float = 0.9,
) -> Rows:
    """Rows of one who walks straight; ``start`` is the centre in frame 1."""
    moments = np.fromiter(frames, np.float64)
    centre = np.array(start) + (moments[:, None] - 1) * np.array(velocity)
    rows = np.full((len(moments), 7), score)
    rows[:, 0], rows[:, 1] = moments, identity
    rows[:, 2:4] = centre - np.array(size) / 2
    rows[:, 4:6] = size
    return rows


def looks(rows: Rows, of: dict[int, int], width: int = 8) -> NDArray[np.float32]:
    """Embeddings of rows: a person, by the id of the row, is one axis of the space."""
    table = np.zeros((len(rows), width), np.float32)
    table[np.arange(len(rows)), [of[int(identity)] for identity in rows[:, 1]]] = 1.0
    return table


def centres(rows: Rows) -> Rows:
    """Centre x and y of MOT rows, [N, 2]."""
    middle: Rows = rows[:, 2:4] + rows[:, 4:6] / 2
    return middle
