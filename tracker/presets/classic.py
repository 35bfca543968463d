"""The frame of the published trackers: predict, associate, correct, confirm, delete, begin."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from tracker import table
from tracker.base import OnlineTracker
from tracker.kalman import VALUE, BoxFilter
from tracker.observation import Observation
from tracker.table import CLASS, HITS, ID, LEAD, MISSED, SCORE
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
        measured = self._filter.measure(observation.corners)
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

    def _fetch(self, observation: Observation, confidence: float) -> None:
        """Ask for the embeddings of all detections from a confidence on."""
        if observation.appearance is not None:
            observation.appearance.rows(np.flatnonzero(observation.scores >= confidence))

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
        state = table.states(self._tracks)
        state[:] = self._filter.predict(state, dt)
        self._tracks[MISSED] += 1.0

    def _expected(self, rows: Integer) -> Float:
        """Boxes that the filter has of some tracks, x1, y1, x2, y2, float64 [K, 4]."""
        return self._filter.boxes(table.states(self._tracks)[VALUE].take(rows, 1)).T

    def _correct(
        self, rows: Integer, found: Integer, observation: Observation, measured: Float
    ) -> None:
        """Take a detection of each of some tracks into the filter, the hits and the vote."""
        tracks, scores = self._tracks, observation.scores[found]
        states = table.states(tracks)
        state = states.take(rows, 2)
        noise = self._filter.noise(state[VALUE])
        states[:, :, rows] = self._filter.update(state, measured.take(found, 1), noise)
        tracks[MISSED, rows] = 0.0
        tracks[HITS, rows] += 1.0
        tracks[SCORE, rows] = scores
        leader, lead = tracks[CLASS].take(rows), tracks[LEAD].take(rows)
        table.vote(leader, lead, observation.classes[found], scores)
        tracks[CLASS, rows], tracks[LEAD, rows] = leader, lead

    def _confirm(self, ready: Mask) -> None:
        """Give the next IDs to those of the tracks in ``ready`` that have none."""
        rows = np.flatnonzero(ready & (self._tracks[ID] == 0.0))
        self._tracks[ID, rows] = np.arange(1, len(rows) + 1) + self._last_id
        self._last_id += len(rows)

    def _answer(self, rows: Integer, found: Integer) -> Tracks:
        """Some tracks, each with the row of its detection, ordered by ID."""
        order = self._tracks[ID].take(rows).argsort()
        rows = rows.take(order)
        return Tracks(
            ids=self._tracks[ID].take(rows).astype(np.int64),
            boxes=self._expected(rows).astype(np.float32),
            scores=self._tracks[SCORE].take(rows).astype(np.float32),
            classes=self._tracks[CLASS].take(rows).astype(np.int64),
            predicted=np.zeros(len(rows), np.bool_),
            detection=found.take(order),
        )

    def _keep(self, alive: Mask) -> None:
        """Forget all tracks but those in ``alive``."""
        if not alive.all():
            self._tracks = self._tracks.compress(alive, 1)

    def _begin(self, born: Integer, observation: Observation, measured: Float) -> None:
        """Begin one track a detection."""
        if len(born):
            state = self._filter.initiate(measured.take(born, 1))
            begun = table.born(state, observation.scores[born], observation.classes[born])
            self._tracks = np.concatenate((self._tracks, begun), axis=1)
