"""The frame of the published trackers: predict, associate, correct, confirm, delete, begin."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from tracker import table
from tracker.base import OnlineTracker
from tracker.kalman import BoxFilter
from tracker.observation import Observation
from tracker.types import Float, Integer, Mask, Tracks


class ClassicTracker(OnlineTracker):
    """A tracker that answers a track in the frames in which it was detected, with the filter's box.

    A subclass says who belongs together (``_associate``), which tracks are shown (``_ready``) and
    which live on (``_alive``). Rows of tracks are those of its table, rows of detections those of
    the observation.

    Parameters
    ----------
    motion : BoxFilter
        The motion model.
    birth : float
        Least confidence of a detection that begins a track, 0 to 1.
    """

    def __init__(self, motion: BoxFilter, birth: float) -> None:
        super().__init__()
        self._filter = motion
        self._birth = birth
        self._clear()

    def _clear(self) -> None:
        self._tracks = table.empty()
        self._last_id = 0

    def _step(self, observation: Observation, dt: float) -> Tracks:
        measured = self._filter.measure(observation.boxes)
        self._predict(observation, dt)
        rows, found = self._associate(observation, measured)
        self._correct(rows, found, observation, measured)
        ready = self._ready()
        self._confirm(ready)
        shown = ready[rows]
        answer = self._answer(rows[shown], found[shown])
        self._keep(self._alive())
        sure = np.flatnonzero(observation.scores >= self._birth)
        self._begin(np.setdiff1d(sure, found), observation, measured)
        return answer

    @abstractmethod
    def _associate(self, observation: Observation, measured: Float) -> tuple[Integer, Integer]:
        """Rows of tracks and of detections that belong together, each at most once."""

    @abstractmethod
    def _ready(self) -> Mask:
        """Which tracks have been seen often enough to be shown; they get an ID."""

    @abstractmethod
    def _alive(self) -> Mask:
        """Which tracks are not given up."""

    def _predict(self, observation: Observation, dt: float) -> None:
        """Move all tracks ``dt`` frames on; each counts one frame more since its detection."""
        tracks = self._tracks
        tracks["mean"], tracks["covariance"] = self._filter.predict(
            tracks["mean"], tracks["covariance"], dt
        )
        tracks["missed"] += 1

    def _expected(self, rows: Integer) -> Float:
        """Boxes that the filter has of some tracks, x1, y1, x2, y2, float64 [K, 4]."""
        return self._filter.boxes(self._tracks["mean"][rows, 0])

    def _correct(
        self, rows: Integer, found: Integer, observation: Observation, measured: Float
    ) -> None:
        """Take a detection of each of some tracks into the filter, the hits and the vote."""
        tracks, scores = self._tracks, observation.scores[found]
        mean, covariance = tracks["mean"][rows], tracks["covariance"][rows]
        tracks["mean"][rows], tracks["covariance"][rows] = self._filter.update(
            mean, covariance, measured[found], self._filter.noise(mean)
        )
        tracks["missed"][rows] = 0
        tracks["hits"][rows] += 1
        tracks["score"][rows] = scores
        leader, lead = tracks["class"][rows], tracks["lead"][rows]
        table.vote(leader, lead, observation.classes[found], scores)
        tracks["class"][rows], tracks["lead"][rows] = leader, lead

    def _confirm(self, ready: Mask) -> None:
        """Give the next IDs to those of the tracks in ``ready`` that have none."""
        rows = np.flatnonzero(ready & (self._tracks["id"] == 0))
        self._tracks["id"][rows] = np.arange(1, len(rows) + 1) + self._last_id
        self._last_id += len(rows)

    def _answer(self, rows: Integer, found: Integer) -> Tracks:
        """Some tracks, each with the row of its detection, ordered by ID."""
        order = np.argsort(self._tracks["id"][rows])
        rows = rows[order]
        return Tracks(
            ids=self._tracks["id"][rows],
            boxes=self._expected(rows).astype(np.float32),
            scores=self._tracks["score"][rows].astype(np.float32),
            classes=self._tracks["class"][rows],
            predicted=np.zeros(len(rows), np.bool_),
            detection=found[order].astype(np.int64),
        )

    def _keep(self, alive: Mask) -> None:
        """Forget all tracks but those in ``alive``."""
        if not alive.all():
            self._tracks = self._tracks[alive]

    def _begin(self, born: Integer, observation: Observation, measured: Float) -> None:
        """Begin one track a detection."""
        if len(born):
            mean, covariance = self._filter.initiate(measured[born])
            scores, classes = observation.scores[born], observation.classes[born]
            begun = table.rows(mean, covariance, scores, classes)
            self._tracks = np.concatenate([self._tracks, begun])
