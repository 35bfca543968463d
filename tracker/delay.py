"""Fixed-lag smoothing: every answer some frames late, with what came after it taken in.

A tracker that answers at once sees only what was before. Held back for k frames, its boxes are
smoothed by :mod:`tracker.smoothing` over a window that reaches k frames ahead, and a track that
was lost and found again within the window has boxes in between. Identities are the tracker's own.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from tracker.clock import Clock
from tracker.overlap import hidden
from tracker.smoothing import Smoothing, Trajectories, smooth, weigh
from tracker.types import Float, Integer, Tracks

HISTORY = 12
"""Frames before the answered one that still bear on its boxes."""
MAX_GAP = 30
"""A longer gap than this is not bridged, however long the delay."""


@dataclass(frozen=True, slots=True)
class _Held:
    """What the tracker said of one frame, with its observed boxes and what they are worth."""

    tick: int
    tracks: Tracks
    ids: Integer
    boxes: Float
    weights: Float


class Delay:
    """Holds back the answers of a tracker, to smooth and fill them from both sides.

    Parameters
    ----------
    frames : int
        How many frames each answer is late, at least 1.
    smoothing : Smoothing, optional
        How stiff trajectories are.
    """

    def __init__(self, frames: int, smoothing: Smoothing | None = None) -> None:
        self._frames = frames
        self._smoothing = smoothing or Smoothing()
        self.reset()

    def reset(self) -> None:
        """Forget what is held back."""
        self._clock = Clock()
        self._tick = 0
        self._window: deque[_Held] = deque(maxlen=HISTORY + 1 + self._frames)
        self._pending = 0

    def push(
        self, tracks: Tracks, time: float | None = None, measured: Float | None = None
    ) -> Tracks | None:
        """Take the tracks of the next frame and answer for the one ``frames`` calls earlier.

        Parameters
        ----------
        tracks : Tracks
            What the tracker answers for the next frame.
        time : float, optional
            Seconds, as given to the tracker: dropped frames count.
        measured : float64 [N, 4], optional
            The boxes that the tracker was given, x1, y1, x2, y2; rows are those that
            ``tracks.detection`` names. They are smoothed in place of the tracker's own boxes,
            which lag behind.

        Returns
        -------
        Tracks or None
            None for the first ``frames`` calls.
        """
        self._tick += max(1, round(self._clock.step(time)))
        self._window.append(_hold(self._tick, tracks, measured))
        self._pending += 1
        if self._pending <= self._frames:
            return None
        return self._answer()

    def flush(self) -> list[Tracks]:
        """What is held back, oldest frame first; nothing is held after it."""
        return [self._answer() for _ in range(self._pending)]

    def _answer(self) -> Tracks:
        """The oldest frame that was not answered, smoothed with all that is in the window."""
        target = self._window[-self._pending]
        self._pending -= 1
        held = [frame for frame in self._window if len(frame.ids)]
        if not held:
            return target.tracks
        ids = np.concatenate([frame.ids for frame in held])
        path = smooth(
            np.repeat([frame.tick for frame in held], [len(frame.ids) for frame in held]),
            ids,
            np.concatenate([frame.boxes for frame in held]),
            np.concatenate([frame.weights for frame in held]),
            max_gap=MAX_GAP,
            smoothing=self._smoothing,
        )
        return _merge(target, path, held)


def _hold(tick: int, tracks: Tracks, measured: Float | None) -> _Held:
    seen = ~tracks.predicted
    boxes = tracks.boxes[seen].astype(np.float64)
    if measured is not None:
        boxes = np.asarray(measured, np.float64)[tracks.detection[seen]]
    weights = weigh(tracks.scores[seen].astype(np.float64), hidden(boxes, boxes))
    return _Held(tick, tracks, tracks.ids[seen], boxes, weights)


def _merge(target: _Held, path: Trajectories, held: list[_Held]) -> Tracks:
    """The tracks of one frame with the boxes of their smoothed paths, and those in a gap there."""
    here = path.frames == target.tick
    ids, boxes = path.ids[here], path.boxes[here].astype(np.float32)  # ids ascend
    own = target.tracks
    place = np.searchsorted(ids, own.ids)
    found = np.zeros(len(own), np.bool_)
    inside = place < len(ids)
    found[inside] = ids[place[inside]] == own.ids[inside]
    merged = own.boxes.copy()
    merged[found] = boxes[place[found]]
    extra = np.ones(len(ids), np.bool_)
    extra[place[found]] = False
    gap = ids[extra]
    scores, classes = _last_known(gap, target.tick, held)
    return Tracks(
        np.concatenate((own.ids, gap)),
        np.concatenate((merged, boxes[extra])),
        np.concatenate((own.scores, scores)),
        np.concatenate((own.classes, classes)),
        np.concatenate((own.predicted, np.ones(len(gap), np.bool_))),
        np.concatenate((own.detection, np.full(len(gap), -1, np.int64))),
    )


def _last_known(
    ids: Integer, tick: int, held: list[_Held]
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float32]], Integer]:
    """Score and class of tracks when they were last shown before a frame."""
    scores, classes = np.zeros(len(ids), np.float32), np.zeros(len(ids), np.int64)
    for frame in held if len(ids) else ():
        if frame.tick >= tick:
            break
        at = frame.tracks
        row, column = np.nonzero(ids[:, None] == at.ids[None, :])
        scores[row], classes[row] = at.scores[column], at.classes[column]
    return scores, classes
