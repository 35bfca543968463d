"""The tracks of a tracker: one structured array, one row a track."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tracker.types import Float, Integer

Table: TypeAlias = NDArray[np.void]
"""Rows of :data:`ROW`."""

ROW = np.dtype(
    [
        ("id", np.int64),  # 0 while tentative
        ("mean", np.float64, (2, 4)),
        ("covariance", np.float64, (3, 4)),
        ("hits", np.int64),  # detections so far
        ("missed", np.float64),  # frames since the last detection
        ("evidence", np.float64),  # summed confidence beyond doubt
        ("score", np.float64),  # of the last detection
        ("confidence", np.float64),  # running mean of the scores
        ("class", np.int64),  # leader of the vote
        ("lead", np.float64),  # by how much it leads
    ]
)

BYTES = np.dtype((np.void, ROW.itemsize))


def empty() -> Table:
    """No track."""
    return np.zeros(0, ROW)


def rows(mean: Float, covariance: Float, scores: Float, classes: Integer) -> Table:
    """New tracks from their first detections."""
    born: Table = np.zeros(len(mean), ROW)
    born["mean"] = mean
    born["covariance"] = covariance
    born["hits"] = 1
    born["score"] = scores
    born["confidence"] = scores
    born["class"] = classes
    born["lead"] = scores
    return born


def joined(tracks: Table, born: Table) -> Table:
    """Tracks and new ones below them."""
    # As plain bytes: numpy copies structured rows field by field.
    both: Table = np.concatenate([tracks.view(BYTES), born.view(BYTES)]).view(ROW)
    return both


def vote(leader: NDArray[Any], lead: Float, classes: Integer, weights: Float) -> None:
    """Count one weighted vote for each track's class, in place (Boyer and Moore 1981).

    A track keeps the class that leads and by how much; a vote for another takes from the lead, and
    one that exceeds it leads from there on. The class that has more than half of the weight wins.
    """
    same = leader == classes
    if same.all():
        lead += weights
        return
    lead += np.where(same, weights, -weights)
    overtaken = lead < 0
    leader[overtaken] = classes[overtaken]
    np.abs(lead, out=lead)
