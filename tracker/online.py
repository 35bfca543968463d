"""The online tracker: motion says what is possible, appearance says who it is."""

from __future__ import annotations

from copy import copy

import numpy as np

from tracker import life
from tracker import table as track_table
from tracker.base import OnlineTracker
from tracker.camera import IDENTITY, CameraMotion
from tracker.found import Found, detected
from tracker.kalman import VALUE, VELOCITY
from tracker.looks import Looks
from tracker.matching import Pairs, Scene, match
from tracker.number import ONE, ZERO, number
from tracker.observation import Observation
from tracker.overlap import ratios, surroundings
from tracker.settings import Settings, ready
from tracker.table import (
    CLASS,
    CONFIDENCE,
    EVIDENCE,
    HITS,
    ID,
    LEAD,
    MISSED,
    RECORD,
    SCORE,
    STATE,
    Table,
)
from tracker.types import Embeddings, Float, Integer, Tracks

LEARNT = number(0.5)
"""Confidence from which a detection's embedding is learnt."""

SETTLED = 5
"""Detections after which a track's height is known better than a half hidden box tells it."""

LEAST_CUT = 0.5
"""A box less high than this share is no cut of the expected one: the expectation is wrong."""

UNCUT = 0.9
"""A box less high than this share of the expected one, behind another box, is cut off."""

OPEN = number(0.1)
"""Share of a detection that a nearer one may cover where it still stands in the open."""


class Online(OnlineTracker):
    """The engine behind :class:`tracker.DeepSort`.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        # What arrays meet on every frame.
        self._limits = ready(settings)
        self._least_birth = number(min(settings.birth, settings.birth_open))
        x, y, height = settings.posterior
        # How much of the box that is shown is the detection's: centre, aspect ratio, height.
        self._trust = 1.0 - np.array([[x], [y], [1.0], [height]])
        self._clear()

    def _clear(self) -> None:
        self._tracks: Table = track_table.empty()
        self._looks = Looks()
        self._next_id = 1
        self._camera = CameraMotion()
        # What becomes of it with this frame, unless an embedder raises.
        self._next_camera = self._camera
        # Width and height of the image; without frames, of what was seen of it.
        self._size = (0.0, 0.0)

    def _step(self, observation: Observation, dt: float) -> Tracks:
        scene = self._scene(observation, dt)
        pairs = match(scene, self._limits)
        founders = self._founders(scene, pairs)
        found = detected(scene, pairs, self._limits)
        students, lesson = self._lesson(observation, found, pairs, founders)
        # From here on nothing can fail: an embedder that raises leaves the state as it was.
        self._see(observation)
        shown = self._correct(scene, found)
        self._looks.grow_older(dt)
        partner = pairs.partner
        if len(founders):
            started = scene.measured.take(founders, 1)
            self._begin(started, observation, founders)
            shown = np.concatenate((shown, started), axis=1)
            partner = np.concatenate((partner, founders))
        self._looks.learn(students, lesson, self._limits.ema)
        self._confirm()
        return self._answer(shown, partner)

    def _scene(self, observation: Observation, dt: float) -> Scene:
        box_filter, tracks = self.settings.filter, self._tracks
        state = self._predicted(observation, dt)
        near, among, covered = surroundings(box_filter.boxes(state[VALUE]), observation.corners)
        return Scene(
            tracks=tracks,
            state=state,
            noise=box_filter.noise(state[VALUE]),
            missed=tracks[MISSED] + dt,
            covered=covered,
            near=near,
            among=among,
            looks=self._looks,
            observation=observation,
            measured=box_filter.measure(observation.corners),
            fps=self.fps,
        )

    def _predicted(self, observation: Observation, dt: float) -> Float:
        """States of the tracks in this frame."""
        state = track_table.states(self._tracks)
        if observation.frame is not None:
            self._next_camera = copy(self._camera)
            self._motion = self._next_camera.estimate(observation.frame, observation.boxes)
            if not np.array_equal(self._motion, IDENTITY):
                state = self.settings.filter.warp(state, self._motion)
        return self.settings.filter.predict(state, dt)

    def _see(self, observation: Observation) -> None:
        if observation.frame is not None:
            self._camera = self._next_camera
            height, width = observation.frame.shape[:2]
            self._size = (float(width), float(height))
        elif len(observation):
            right, bottom = observation.corners[2], observation.corners[3]
            width, height = self._size
            self._size = (
                max(width, right.item(right.argmax())),
                max(height, bottom.item(bottom.argmax())),
            )

    def _founders(self, scene: Scene, pairs: Pairs) -> Integer:
        """Rows of the detections that start a track: confident, left over, no second box."""
        limits, scores = self._limits, scene.observation.scores
        free = pairs.free
        starts = scores >= self._least_birth
        starts &= free
        # np.any and np.count_nonzero would go through Python first.
        if len(starts.nonzero()[0]):
            least = np.where(scene.covered <= OPEN, limits.birth_open, limits.birth)
            starts &= scores >= least
            doubles = starts[scene.among.rows]
            doubles &= ~free[scene.among.columns]
            if len(doubles.nonzero()[0]):
                double = ratios(scene.among.where(doubles), scene.observation.corners)
                starts[double.rows[double.share >= limits.duplicate]] = False
        founders: Integer = starts.nonzero()[0]
        return founders

    def _lesson(
        self, observation: Observation, found: Found, pairs: Pairs, founders: Integer
    ) -> tuple[Integer, Embeddings]:
        """The tracks that learn, new ones included, and the embeddings that they learn.

        New tracks learn what started them; others what had to be compared, where it is clear.
        """
        appearance = observation.appearance
        if appearance is None or not len(observation):
            return np.zeros(0, np.int64), np.zeros((0, self._looks.width), np.float32)
        clear = found.record[SCORE - MISSED] >= LEARNT
        clear &= found.hidden < self._limits.clear
        clear |= self._tracks[HITS] == ONE
        clear &= found.paired
        students = clear.nonzero()[0]
        taught = pairs.partner[students]
        if appearance.lazy:
            known = appearance.known[taught]
            students, taught = students[known], taught[known]
        if len(founders):
            count = len(pairs.partner)
            students = np.concatenate((students, np.arange(count, count + len(founders))))
            taught = np.concatenate((taught, founders))
        return students, appearance.rows(taught)

    def _correct(self, scene: Scene, found: Found) -> Float:
        """Take the detections into their tracks; what is shown of each, float64 [4, N]."""
        tracks, settings = self._tracks, self.settings
        scores, seen = found.record[SCORE - MISSED], found.record[HITS - MISSED]
        self._uncut(scene, found)
        noise = scene.noise * found.doubt
        state = settings.filter.update(scene.state, found.measured, noise)
        # The size of a lost track stays.
        growth = state[VELOCITY, 2:]
        growth *= seen
        tracks[STATE] = state.reshape(20, -1)
        tracks[MISSED] = scene.missed
        record = tracks[RECORD]
        record *= found.kept
        record += found.record
        track_table.vote(tracks[CLASS], tracks[LEAD], found.classes, scores)
        shown: Float = found.measured - state[VALUE]
        shown *= self._trust.dot(seen[None])
        shown += state[VALUE]
        return shown

    def _uncut(self, scene: Scene, found: Found) -> None:
        """Let measurements that are cut off from below have their expected height, in place."""
        hidden = found.hidden
        if not len(hidden) or hidden.item(hidden.argmax()) <= self.settings.truncated:
            return
        cut = hidden > self.settings.truncated
        expected, measured = scene.state[VALUE], found.measured
        height = expected[3]
        cut &= (measured[3] < UNCUT * height) & (measured[3] > LEAST_CUT * height)
        cut &= self._tracks[HITS] >= SETTLED
        if len(cut.nonzero()[0]):
            top = measured[1, cut] - 0.5 * measured[3, cut]
            measured[1, cut] = top + 0.5 * height[cut]
            measured[2:, cut] = expected[2:, cut]

    def _begin(self, measured: Float, observation: Observation, founders: Integer) -> None:
        """Start tracks with some detections."""
        scores = observation.scores[founders]
        state = self.settings.filter.initiate(measured)
        born = track_table.born(state, scores, observation.classes[founders])
        born[EVIDENCE] = scores - self.settings.doubt
        self._tracks = np.concatenate((self._tracks, born), axis=1)
        self._looks.append(len(founders))

    def _confirm(self) -> None:
        """Give the next IDs to the tentative tracks that have earned one."""
        earned = life.confirmed_now(self._tracks, self._limits).nonzero()[0]
        count = len(earned)
        if count:
            self._tracks[ID, earned] = np.arange(self._next_id, self._next_id + count)
            self._next_id += count

    def _answer(self, shown: Float, partner: Integer) -> Tracks:
        """The tracks that are shown; those that are over are deleted."""
        limits, tracks = self._limits, self._tracks
        boxes = limits.filter.boxes(shown)
        predicted = tracks[MISSED] > ZERO
        visible = tracks[CONFIDENCE] >= limits.faint
        visible &= tracks[ID] > ZERO
        lost = predicted.nonzero()[0]
        if len(lost):
            known, alive = life.fate(tracks, boxes, lost, self._size, self.settings, self.fps)
            visible[lost] &= known
            if len(alive.nonzero()[0]) < len(alive):
                kept = ~predicted
                kept[lost] = alive
                self._tracks = tracks.compress(kept, 1)
                self._looks.keep(kept)
        rows = visible.nonzero()[0]
        numbers = tracks[ID:LEAD].take(rows, 1).astype(np.int64)
        return Tracks(
            numbers[0],
            boxes.T.take(rows, 0).astype(np.float32),
            tracks[SCORE][rows].astype(np.float32),
            numbers[1],
            predicted[rows],
            partner[rows],
        )
