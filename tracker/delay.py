"""Fixed-lag smoothing: every answer some frames late, with what came after it taken in.

A tracker that answers at once sees only what was before. Held back for k frames, its boxes are
smoothed by :mod:`tracker.smoothing` over a window that reaches k frames ahead, and a track that
was lost and found again within the window has boxes in between. Identities are the tracker's own.
Where the camera moves, and how is given, paths are smoothed as they are over the ground.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.background import Background
from tracker.camera import IDENTITY
from tracker.clock import Clock
from tracker.overlap import hidden
from tracker.smoothing import Smoothing, smooth, weigh
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
    motion: Float | None


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
        self,
        tracks: Tracks,
        time: float | None = None,
        measured: Float | None = None,
        motion: Float | None = None,
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
        motion : float64 [2, 3], optional
            Affine transform of pixels of the frame before to pixels of this one, as the camera
            moved; None where it stood still.

        Returns
        -------
        Tracks or None
            None for the first ``frames`` calls.
        """
        self._tick += max(1, round(self._clock.step(time)))
        if motion is not None and np.array_equal(motion, IDENTITY):
            motion = None
        self._window.append(_hold(self._tick, tracks, measured, motion))
        self._pending += 1
        if self._pending <= self._frames:
            return None
        return self._answer()

    def flush(self) -> list[Tracks]:
        """What is held back, oldest frame first; nothing is held after it."""
        return [self._answer() for _ in range(self._pending)]

    def _answer(self) -> Tracks:
        """The oldest frame that was not answered, smoothed with all that is in the window."""
        place = len(self._window) - self._pending
        target = self._window[place]
        self._pending -= 1
        held = [frame for frame in self._window if len(frame.ids)]
        if not held:
            return target.tracks
        counts = [len(frame.ids) for frame in held]
        boxes = np.concatenate([frame.boxes for frame in held])
        background = self._background()
        if background is not None:
            places = [i for i, frame in enumerate(self._window) if len(frame.ids)]
            boxes = background.steady(np.repeat(places, counts), boxes)
        path = smooth(
            np.repeat([frame.tick for frame in held], counts),
            np.concatenate([frame.ids for frame in held]),
            boxes,
            np.concatenate([frame.weights for frame in held]),
            max_gap=MAX_GAP,
            smoothing=self._smoothing,
        )
        here = path.frames == target.tick
        boxes = path.boxes[here]
        if background is not None:
            boxes = background.seen(np.full(len(boxes), place), boxes)
        return _merge(target, path.ids[here], boxes.astype(np.float32), held)

    def _background(self) -> Background | None:
        """How the camera moved, by place in the window; None where it stood still."""
        motions = [frame.motion for frame in self._window]
        if all(motion is None for motion in motions):
            return None
        return Background(np.array([IDENTITY if motion is None else motion for motion in motions]))


def _hold(tick: int, tracks: Tracks, measured: Float | None, motion: Float | None) -> _Held:
    seen = ~tracks.predicted
    boxes = tracks.boxes[seen].astype(np.float64)
    if measured is not None:
        boxes = np.asarray(measured, np.float64)[tracks.detection[seen]]
    weights = weigh(tracks.scores[seen].astype(np.float64), hidden(boxes, boxes))
    return _Held(tick, tracks, tracks.ids[seen], boxes, weights, motion)


def _merge(target: _Held, ids: Integer, boxes: NDArray[np.float32], held: list[_Held]) -> Tracks:
    """The tracks of one frame with their smoothed boxes (ids ascend), and those in a gap there."""
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


def _last_known(ids: Integer, tick: int, held: list[_Held]) -> tuple[NDArray[np.float32], Integer]:
    """Score and class of tracks when they were last shown before a frame."""
    scores, classes = np.zeros(len(ids), np.float32), np.zeros(len(ids), np.int64)
    for frame in held if len(ids) else ():
        if frame.tick >= tick:
            break
        at = frame.tracks
        row, column = np.nonzero(ids[:, None] == at.ids[None, :])
        scores[row], classes[row] = at.scores[column], at.classes[column]
    return scores, classes
