"""Observations and who they belong to: the material that refinement works on.

Observations never change; each step of refinement takes their owners and gives new ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from tracker.background import Background
from tracker.smoothing import Smoothing, Trajectories, hidden_shares, smooth, weigh
from tracker.types import Embeddings, Float, Integer, Mask

NOBODY = -1
"""Owner of an observation that belongs to no track."""

CUT_OFF = 0.2
"""Share of an observation that is hidden from which its lower edge is not trusted."""

CUT_HEIGHTS = (0.5, 0.92)
"""Share of the height of its track at which such an observation is one that is cut off."""

CUT_WEIGHT = 0.1
"""What an observation that may be cut off still counts for the height of its track."""


@dataclass(frozen=True)
class Observations:
    """Detected boxes of a whole video, ordered by frame.

    Attributes
    ----------
    frames : int64 [M]
        Frame of each.
    boxes : float64 [M, 4]
        x1, y1, x2, y2 in pixels.
    scores : float64 [M]
        Confidence, 0 to 1.
    classes : int64 [M]
        Class ids, -1 where not known.
    embeddings : float32 [M, D] or None
        Unit rows; zeros where not known.
    background : Background or None
        How the camera moved, by frame; None where it stood still.
    """

    frames: Integer
    boxes: Float
    scores: Float
    classes: Integer
    embeddings: Embeddings | None
    background: Background | None = None

    def __len__(self) -> int:
        return len(self.frames)

    @cached_property
    def hidden(self) -> Float:
        """Share of each that a nearer one hides, float64 [M]."""
        return hidden_shares(self.frames, self.boxes)

    @cached_property
    def weights(self) -> Float:
        """What each is worth to its trajectory; see :func:`tracker.smoothing.weigh`."""
        return weigh(self.scores, self.hidden)

    @cached_property
    def steady(self) -> Float:
        """The boxes where the background does not move, float64 [M, 4]."""
        if self.background is None:
            return self.boxes
        return self.background.steady(self.frames, self.boxes)

    def seen(self, tracks: Trajectories) -> Trajectories:
        """Trajectories of :func:`paths` in pixels of their frames."""
        if self.background is None:
            return tracks
        return replace(tracks, boxes=self.background.seen(tracks.frames, tracks.boxes))


def paths(
    observations: Observations, owner: Integer, max_gap: int, smoothing: Smoothing
) -> Trajectories:
    """Smoothed trajectories of all tracks where the background does not move.

    ``source`` names rows of the observations.
    """
    rows = np.flatnonzero(owner != NOBODY)
    boxes, weights = observations.steady[rows], observations.weights[rows]
    return _paths(observations, owner, rows, boxes, weights, max_gap, smoothing)


def uncut_paths(
    observations: Observations, owner: Integer, max_gap: int, smoothing: Smoothing
) -> Trajectories:
    """:func:`paths` where what a nearer box cuts off from below has the height of its track.

    A detector sees of someone behind another one the upper part, while he is as tall as ever. What
    he measures in full view says which boxes are cut; of them the upper edge is true.
    """
    rows = np.flatnonzero(owner != NOBODY)
    boxes, weights = observations.steady[rows], observations.weights[rows]
    covered = observations.hidden[rows] > CUT_OFF
    doubted = np.where(covered, CUT_WEIGHT * weights, weights)
    path = _paths(observations, owner, rows, boxes, doubted, max_gap, smoothing)
    seen = path.source >= 0
    expected = np.empty_like(boxes)
    expected[np.searchsorted(rows, path.source[seen])] = path.boxes[seen]
    size = expected[:, 2:] - expected[:, :2]
    share = (boxes[:, 3] - boxes[:, 1]) / size[:, 1]
    cut = covered & (share > CUT_HEIGHTS[0]) & (share < CUT_HEIGHTS[1])
    centre = (boxes[cut, 0] + boxes[cut, 2]) / 2.0
    boxes[cut, 0] = centre - size[cut, 0] / 2.0
    boxes[cut, 2] = centre + size[cut, 0] / 2.0
    boxes[cut, 3] = boxes[cut, 1] + size[cut, 1]
    return _paths(observations, owner, rows, boxes, weights, max_gap, smoothing)


def _paths(
    observations: Observations,
    owner: Integer,
    rows: Integer,
    boxes: Float,
    weights: Float,
    max_gap: int,
    smoothing: Smoothing,
) -> Trajectories:
    """Smoothed trajectories of some observations with these boxes and weights."""
    found = smooth(
        observations.frames[rows],
        owner[rows],
        boxes,
        weights,
        max_gap=max_gap,
        smoothing=smoothing,
    )
    source = np.where(found.source < 0, -1, rows[found.source])
    return Trajectories(found.frames, found.ids, found.boxes, source)


def renumber(owner: Integer) -> Integer:
    """Owners from 0 without holes, in the same order."""
    compact = np.full(len(owner), NOBODY)
    held = owner != NOBODY
    compact[held] = np.unique(owner[held], return_inverse=True)[1]
    return compact


def cut_at_gaps(observations: Observations, owner: Integer, gap: int) -> Integer:
    """Split tracks where they were not seen for more than ``gap`` frames."""
    rows = np.flatnonzero(owner != NOBODY)
    rows = rows[np.lexsort((observations.frames[rows], owner[rows]))]
    starts = np.diff(owner[rows], prepend=NOBODY) != 0
    starts |= np.diff(observations.frames[rows], prepend=0) > gap + 1
    pieces = np.full(len(owner), NOBODY)
    pieces[rows] = np.cumsum(starts) - 1
    return pieces


def without(owner: Integer, tracks: Mask) -> Integer:
    """The observations of some tracks given free; ``tracks`` bool [K], by owner."""
    if not len(tracks):
        return owner
    return np.where((owner != NOBODY) & tracks[owner], NOBODY, owner)


@dataclass(frozen=True)
class Evidence:
    """What speaks for each track, by owner; all arrays of length K.

    Attributes
    ----------
    seen : int64 [K]
        Number of observations.
    density : float64 [K]
        Their share of the frames from the first to the last.
    confidence : float64 [K]
        Their mean confidence.
    """

    seen: Integer
    density: Float
    confidence: Float


def evidence(observations: Observations, owner: Integer) -> Evidence:
    """What speaks for each track; owners are numbered without holes."""
    rows = np.flatnonzero(owner != NOBODY)
    who = owner[rows]
    seen = np.bincount(who)
    # Observations are ordered by frame: the last assignment wins, so each order gives one end.
    first, last = np.zeros(len(seen)), np.zeros(len(seen))
    first[who[::-1]] = observations.frames[rows[::-1]]
    last[who] = observations.frames[rows]
    return Evidence(
        seen, seen / (last - first + 1), np.bincount(who, observations.scores[rows]) / seen
    )


def appearance(observations: Observations, owner: Integer) -> Embeddings | None:
    """Mean embedding of each track, by what its observations are worth, float32 [K, D].

    Unit rows, zeros for a track without any; None where there are no embeddings at all.
    """
    if observations.embeddings is None:
        return None
    rows = np.flatnonzero(owner != NOBODY)
    mean = np.zeros((int(owner.max(initial=-1)) + 1, observations.embeddings.shape[1]), np.float32)
    worth = observations.weights[rows].astype(np.float32) ** 2
    np.add.at(mean, owner[rows], observations.embeddings[rows] * worth[:, None])
    length = np.linalg.norm(mean, axis=1, keepdims=True)
    return np.asarray(np.divide(mean, length, out=mean, where=length > 0))


def classes(observations: Observations, owner: Integer) -> Integer:
    """Class of each track by vote of its observations, weighted by confidence, int64 [K]."""
    rows = np.flatnonzero(owner != NOBODY)
    count = int(owner.max(initial=NOBODY)) + 1
    known, kind = np.unique(observations.classes[rows], return_inverse=True)
    votes = np.bincount(
        owner[rows] * max(len(known), 1) + kind,
        observations.scores[rows] + 1e-6,
        count * max(len(known), 1),
    )
    return known[votes.reshape(count, -1).argmax(axis=1)] if count else np.zeros(0, np.int64)
