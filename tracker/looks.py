"""What each track looks like: one running mean of its embeddings, and how old it is."""

from __future__ import annotations

import math

import numpy as np

from tracker.gallery import blend, cosine_distances
from tracker.number import number
from tracker.observation import Appearance
from tracker.types import Embeddings, Float, Integer, Mask

PATIENCE = number(5.0)
"""Frames without a lesson for which the next one makes up; longer, it could be someone else."""


class Looks:
    """One unit embedding a track; rows follow the tracker's rows.

    A mean forgets slowly and costs the same however long a track lives; on the sequences that
    were tried, galleries of several embeddings were no better.

    Attributes
    ----------
    means : float32 [N, D]
    age : float64 [N]
        Frames since the last embedding went in; infinite before the first.
    """

    def __init__(self) -> None:
        self.means: Embeddings = np.zeros((0, 0), np.float32)
        self.age: Float = np.zeros(0)

    @property
    def width(self) -> int:
        """D, 0 before the first embedding."""
        width: int = self.means.shape[1]
        return width

    def distances(self, appearance: Appearance, rows: Integer, columns: Integer) -> Float:
        """Cosine distance, float64 [P], of tracks ``rows`` to detections ``columns``.

        Asks for the embeddings of the detections in ``columns``. Zero where the track has none
        yet, so that motion alone decides.
        """
        if appearance.lazy:
            asked = np.unique(columns)
            table, columns = appearance.rows(asked), np.searchsorted(asked, columns)
        else:
            table = appearance.table
        if not self.width:
            return np.zeros(len(rows))
        distance = cosine_distances(self.means, table, rows, columns)
        if self.age.item(self.age.argmax()) == math.inf:
            distance *= self.age[rows] < np.inf
        return distance

    def learn(self, rows: Integer, embeddings: Embeddings, keep: float) -> None:
        """Let embeddings [K, D] into the means of some tracks; the first one is the mean.

        ``keep`` is what one frame leaves of a mean; after some frames without a lesson less of it
        is left.
        """
        if not len(rows):
            return
        kept = keep ** np.minimum(self.age[rows], PATIENCE)
        self._widen(embeddings.shape[1])
        old = self.means.take(rows, 0)
        self.means[rows] = blend(old, embeddings, kept[:, None].astype(np.float32))
        self.age[rows] = 0.0

    def grow_older(self, dt: float) -> None:
        """Let ``dt`` frames pass."""
        self.age += dt

    def keep(self, rows: Mask) -> None:
        """Forget all tracks but those in ``rows``."""
        self.means = self.means.compress(rows, 0)
        self.age = self.age.compress(rows)

    def append(self, count: int) -> None:
        """Add tracks that have no embedding yet."""
        fresh = np.zeros((count, self.width), np.float32)
        self.means = np.concatenate([self.means, fresh])
        self.age = np.concatenate([self.age, np.full(count, np.inf)])

    def _widen(self, width: int) -> None:
        if not self.width:
            self.means = np.zeros((len(self.means), width), np.float32)
