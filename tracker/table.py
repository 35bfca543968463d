"""The tracks of a tracker: one array, a column a track and a row for each thing known of it."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from tracker.types import Float, Integer

Table: TypeAlias = Float
"""float64 [ROWS, N]. Numbers and classes are whole in it: exact up to 2^53."""

STATE = slice(20)
"""Of the filter, float64 [5, 4, N] when it is unfolded."""

ID, CLASS, LEAD, MISSED, SCORE, CONFIDENCE, HITS, EVIDENCE, ROWS = range(20, 29)
"""Number, 0 while tentative; leader of the vote for the class, and by how much it leads; frames
since the last detection, and its score; running mean of the scores; detections so far; summed
confidence beyond doubt; how many rows there are."""

RECORD = slice(MISSED, ROWS)
"""Rows of what a track has been through."""


def empty() -> Table:
    """No track."""
    return np.zeros((ROWS, 0))


def born(state: Float, scores: Float, classes: Integer) -> Table:
    """New tracks from their first detections."""
    tracks = np.zeros((ROWS, len(scores)))
    tracks[STATE] = state.reshape(20, -1)
    tracks[CLASS] = classes
    tracks[SCORE] = tracks[CONFIDENCE] = tracks[LEAD] = scores
    tracks[HITS] = 1.0
    return tracks


def states(tracks: Table) -> Float:
    """The states of the filter, a view float64 [5, 4, N]."""
    return tracks[STATE].reshape(5, 4, -1)


def vote(leader: Float, lead: Float, classes: Float | Integer, weights: Float) -> None:
    """Count one weighted vote for each track's class, in place (Boyer and Moore 1981).

    A track keeps the class that leads and by how much; a vote for another takes from the lead, and
    one that exceeds it leads from there on. The class that has more than half of the weight wins.
    A weight of 0 is no vote.
    """
    lead += weights
    against = (leader != classes).nonzero()[0]
    if len(against):
        left = lead[against] - 2.0 * weights[against]
        leader[against] = np.where(left < 0.0, classes[against], leader[against])
        lead[against] = np.abs(left)
