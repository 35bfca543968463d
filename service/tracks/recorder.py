"""Keeping what a tracker was given, so that its tracks can be refined after the last frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.types import Image
from tracker.mot import Rows, detection_rows, from_rows, to_rows
from tracker.refine import refine
from tracker.types import EmbedRows, Float, Tracker, Tracks


@dataclass
class Recorder:
    """A tracker that also remembers its detections, all of their embeddings, and its answers.

    Attributes
    ----------
    tracker : Tracker
        The one that does the work; without a delay.
    """

    tracker: Tracker
    _tracks: list[Tracks] = field(default_factory=list)
    _detections: list[Rows] = field(default_factory=list)
    _embeddings: list[NDArray[np.float32]] = field(default_factory=list)
    _motion: list[Float] = field(default_factory=list)

    def update(
        self,
        boxes: ArrayLike,
        scores: ArrayLike,
        classes: ArrayLike | None = None,
        embeddings: ArrayLike | EmbedRows | None = None,
        frame: Image | None = None,
        timestamp: float | None = None,
    ) -> Tracks | None:
        """Take the detections of the next frame; every box is embedded."""
        count = len(np.asarray(boxes))
        looks = embeddings(np.arange(count)) if callable(embeddings) else embeddings
        tracks = self.tracker.update(boxes, scores, classes, looks, frame, timestamp)
        if tracks is None:
            raise ValueError("a tracker without delay was expected")
        self._tracks.append(tracks)
        self._motion.append(self.tracker.motion)
        self._detections.append(detection_rows(len(self._tracks), boxes, scores, classes))
        if count and looks is not None:
            self._embeddings.append(np.asarray(looks, np.float32).reshape(count, -1))
        return tracks

    @property
    def motion(self) -> Float:
        """How the camera moved into the last frame, as the tracker says."""
        return self.tracker.motion

    def flush(self) -> Sequence[Tracks]:
        """Nothing: there is no delay."""
        return self.tracker.flush()

    def reset(self) -> None:
        """Forget everything."""
        self.tracker.reset()
        for kept in (self._tracks, self._detections, self._embeddings, self._motion):
            kept.clear()

    def refined(self, size: tuple[int, int], fps: float | None) -> list[Tracks]:
        """The refined tracks of each frame that was taken.

        Parameters
        ----------
        size : (int, int)
            Width and height of the frames in pixels.
        fps : float or None
            Frames a second that were taken.
        """
        numbered = enumerate(self._tracks, start=1)
        rows = refine(
            to_rows(numbered),
            detections=np.concatenate(self._detections) if self._detections else None,
            detection_embeddings=np.concatenate(self._embeddings) if self._embeddings else None,
            size=size,
            fps=fps,
            motion=np.reshape(self._motion, (-1, 2, 3)),
        )
        return from_rows(rows, len(self._tracks))
