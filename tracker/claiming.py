"""Free detections claimed by trajectories that pass through them, or that end just before them.

An online tracker leaves detections alone that it cannot be sure of: faint ones, those before a
track is confirmed, those after it was lost. Once the trajectory is known from both sides they are
told from clutter by where they lie.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracker.assignment import assign
from tracker.overlap import overlap
from tracker.smoothing import Smoothing, Trajectories
from tracker.tracklets import NOBODY, Observations, appearance, paths, renumber
from tracker.types import Embeddings, Float, Integer

TAIL = 5
"""Frames at an end of a trajectory over which its velocity is taken."""


@dataclass(frozen=True, slots=True)
class Claiming:
    """When a trajectory claims a detection.

    Attributes
    ----------
    overlap : float
        Least intersection over union with the box that is expected there.
    look_alike : float
        Greatest cosine distance to the mean appearance of the track.
    confidence : float
        Least confidence of the detection.
    ahead : int
        Frames before the start and after the end that a round looks at.
    gap : int
        Gaps of up to so many frames are looked into.
    rounds : int
        Most rounds; each can go further where the one before found something.
    """

    overlap: float = 0.4
    look_alike: float = 0.4
    confidence: float = 0.1
    ahead: int = 5
    gap: int = 10
    rounds: int = 3


def adopt(
    observations: Observations, frames: Integer, boxes: Float, ids: Integer, least: float
) -> Integer:
    """Owners of the observations on which boxes of tracks lie.

    Parameters
    ----------
    frames, boxes, ids : [N], [N, 4], [N]
        The tracks, as the online tracker answered them.
    least : float
        Least intersection over union.

    Returns
    -------
    int64 [M]
        Tracks as owners; an observation on which none lies has none.
    """
    owner = np.full(len(observations), NOBODY)
    order = np.argsort(frames, kind="stable")
    moments, starts = np.unique(frames[order], return_index=True)
    for moment, rows in zip(moments, np.split(order, starts[1:]), strict=True):
        here = _at(observations, moment)
        shared = overlap(boxes[rows], observations.boxes[here])
        i, j = assign(1.0 - shared, 1.0 - least)
        owner[here.start + j] = ids[rows[i]]
    return owner


def claim(
    observations: Observations, owner: Integer, rule: Claiming, smoothing: Smoothing
) -> Integer:
    """Give free detections to the tracks on whose way they lie."""
    for _ in range(rule.rounds):
        owner = renumber(owner)
        if owner.max(initial=NOBODY) == NOBODY:
            break
        found = _claim_once(observations, owner, rule, smoothing)
        settled = np.array_equal(found, owner)
        owner = found
        if settled:
            break
    return owner


def _claim_once(
    observations: Observations, owner: Integer, rule: Claiming, smoothing: Smoothing
) -> Integer:
    expected = _expected(paths(observations, owner, rule.gap, smoothing), rule.ahead)
    if not len(expected.frames):
        return owner
    looks = appearance(observations, owner)
    free = (owner == NOBODY) & (observations.scores >= rule.confidence)
    claimed = owner.copy()
    order = np.argsort(expected.frames, kind="stable")
    moments, starts = np.unique(expected.frames[order], return_index=True)
    for moment, rows in zip(moments, np.split(order, starts[1:]), strict=True):
        here = _at(observations, moment)
        open_rows = here.start + np.flatnonzero(free[here])
        if not len(open_rows):
            continue
        cost = 1.0 - overlap(expected.boxes[rows], observations.steady[open_rows])
        if looks is not None and observations.embeddings is not None:
            unlike = 1.0 - looks[expected.ids[rows]] @ observations.embeddings[open_rows].T
            cost[(unlike > rule.look_alike) & _known(observations.embeddings[open_rows])] = np.inf
        i, j = assign(cost, 1.0 - rule.overlap)
        claimed[open_rows[j]] = expected.ids[rows[i]]
    return claimed


def _expected(tracks: Trajectories, ahead: int) -> Trajectories:
    """Boxes in the gaps of tracks, and straight on before their starts and after their ends."""
    new = np.diff(tracks.ids, prepend=-1) != 0
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(new)) - 1
    inner = np.minimum(TAIL, last - first)
    gaps = np.flatnonzero(tracks.source < 0)
    frames, ids, boxes = [tracks.frames[gaps]], [tracks.ids[gaps]], [tracks.boxes[gaps]]
    for end, inside, sign in ((last, last - inner, 1), (first, first + inner, -1)):
        span = np.maximum(np.abs(tracks.frames[end] - tracks.frames[inside]), 1)
        velocity = (tracks.boxes[end] - tracks.boxes[inside]) / span[:, None]
        for step in range(1, ahead + 1):
            frames.append(tracks.frames[end] + sign * step)
            ids.append(tracks.ids[end])
            boxes.append(tracks.boxes[end] + velocity * step)
    joined = np.concatenate(frames)
    return Trajectories(
        joined, np.concatenate(ids), np.concatenate(boxes), np.full(len(joined), -1)
    )


def _known(embeddings: Embeddings) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Rows that are not zeros."""
    return np.asarray(embeddings.any(axis=1))


def _at(observations: Observations, frame: int) -> slice:
    """Rows of one frame."""
    first, last = np.searchsorted(observations.frames, (frame, frame + 1))
    return slice(int(first), int(last))
