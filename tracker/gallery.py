"""What tracks look like: embeddings remembered, and their cosine distances to detections."""

from __future__ import annotations

import numpy as np

from tracker.number import ONE, number
from tracker.types import Embeddings, Float, Integer, Mask

DENSE_FROM = 0.1
"""Share of all pairs from which one matrix product costs less than the pairs one by one."""

SHORTEST = number(np.finfo(np.float32).tiny)
"""Length that stands for none in a division: a row of zeros stays one."""


def cosine_distances(a: Embeddings, b: Embeddings, rows: Integer, columns: Integer) -> Float:
    """Cosine distance, 0 to 2, of some pairs of unit rows.

    Parameters
    ----------
    a, b : float32 [N, D], [M, D]
        Rows of length 1.
    rows, columns : int64 [P]
        Which row of ``a`` meets which row of ``b``; those that passed the gate.

    Returns
    -------
    float64 [P]
    """
    if len(rows) > DENSE_FROM * len(a) * len(b):
        likeness = (a @ b.T)[rows, columns]
    else:
        likeness = np.vecdot(a.take(rows, 0), b.take(columns, 0))
    distance: Float = ONE - likeness
    return distance


def blend(old: Embeddings, new: Embeddings, keep: Embeddings) -> Embeddings:
    """Exponential moving average of unit rows, length 1 again (Wang et al. 2020, JDE, eq. 6).

    ``keep`` float32 [N, 1] is the share of the old one. A row of zeros in ``old`` stands for a
    track without an embedding: it takes the new one.
    """
    mixed = old - new
    mixed *= keep
    mixed += new
    length = np.sqrt(np.vecdot(mixed, mixed))
    mixed /= np.maximum(length, SHORTEST, out=length)[:, None]
    return mixed


class Gallery:
    """The last embeddings of each track, at most ``budget`` of them (Wojke et al. 2017, eq. 2).

    Rows follow the tracker's rows: it keeps and appends here what it keeps and appends there.

    Parameters
    ----------
    budget : int
        Embeddings that are kept of one track; the oldest gives way.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        # Tracks own slots of one array, so that a birth or a death moves no embeddings.
        self._samples: Embeddings = np.zeros((0, budget, 0), np.float32)
        self._slots: Integer = np.zeros(0, np.int64)
        self._counts: Integer = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self._slots)

    def append(self, tracks: int) -> None:
        """Add new tracks, of which nothing is remembered yet."""
        free = np.setdiff1d(np.arange(len(self._samples)), self._slots)
        if len(free) < tracks:
            used = len(self._samples)
            room = np.zeros((max(used, tracks), *self._samples.shape[1:]), np.float32)
            self._samples = np.concatenate([self._samples, room])
            free = np.concatenate([free, np.arange(used, len(self._samples))])
        self._slots = np.concatenate([self._slots, free[:tracks]])
        self._counts = np.concatenate([self._counts, np.zeros(tracks, np.int64)])

    def keep(self, rows: Mask | Integer) -> None:
        """Forget all tracks but those in ``rows``."""
        self._slots = self._slots[rows]
        self._counts = self._counts[rows]

    def add(self, rows: Integer, embeddings: Embeddings) -> None:
        """Remember one more embedding of each of some tracks, float32 [K, D]."""
        if not len(rows):
            return
        if not self._samples.shape[2]:
            shape = (len(self._samples), self.budget, embeddings.shape[1])
            self._samples = np.zeros(shape, np.float32)
        self._samples[self._slots[rows], self._counts[rows] % self.budget] = embeddings
        self._counts[rows] += 1

    def distances(self, embeddings: Embeddings, rows: Integer, columns: Integer) -> Float:
        """Least cosine distance of a track's samples to a detection, for some pairs, float64 [P].

        ``rows`` are tracks, ``columns`` rows of ``embeddings`` float32 [M, D]. The distance to a
        track of which nothing is remembered is 2, the largest there is.
        """
        filled = np.minimum(self._counts, self.budget)
        nearest = np.full(len(rows), 2.0)
        for row in np.unique(rows[filled[rows] > 0]):
            pairs = np.flatnonzero(rows == row)
            samples = self._samples[self._slots[row], : filled[row]]
            nearest[pairs] = 1.0 - (samples @ embeddings[columns[pairs]].T).max(axis=0)
        return nearest
