"""The online tracker: motion says what is possible, appearance says who it is."""

from __future__ import annotations

import numpy as np

from tracker import life
from tracker import table as track_table
from tracker.base import OnlineTracker
from tracker.camera import IDENTITY, CameraMotion
from tracker.looks import Looks
from tracker.matching import Pairs, Scene, match
from tracker.observation import Observation
from tracker.overlap import overlap, surroundings
from tracker.settings import Settings
from tracker.table import Table
from tracker.types import Embeddings, Float, Integer, Tracks

SURE = 0.6
"""Confidence below which a detection's place is measured with more noise."""

LEARNT = 0.5
"""Confidence from which a detection's embedding is learnt."""

SCORE_MEMORY = 0.9
"""Share of a track's mean confidence that one more score leaves: some ten detections."""

SETTLED = 5
"""Detections after which a track's height is known better than a half hidden box tells it."""

LEAST_CUT = 0.7
"""A box less high than this share is no cut of the expected one: the expectation is wrong."""

UNCUT = 0.9
"""A box less high than this share of the expected one, behind another box, is cut off."""


class Online(OnlineTracker):
    """The engine behind :class:`tracker.DeepSort`.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        centre, height = settings.posterior
        # How much of the box that is shown is the detection's: centre, aspect ratio, height.
        self._trust = 1.0 - np.array([centre, centre, 1.0, height])
        self._clear()

    def _clear(self) -> None:
        self._tracks: Table = track_table.empty()
        self._looks = Looks()
        self._next_id = 1
        self._camera = CameraMotion()
        # Width and height of the image; without frames, of what was seen of it.
        self._size: Float = np.zeros(2)

    def _step(self, observation: Observation, dt: float) -> Tracks:
        box_filter = self.settings.filter
        mean, covariance = self._predicted(observation, dt)
        near, covered = surroundings(box_filter.boxes(mean[:, 0]), observation.boxes)
        measured = box_filter.measure(observation.boxes)
        tracks = self._tracks
        missed = tracks["missed"] + dt
        scene = Scene(
            tracks,
            mean,
            covariance,
            missed,
            covered,
            near,
            self._looks,
            observation,
            measured,
            self.fps,
        )
        pairs = match(scene, self.settings)
        founders = self._founders(observation, pairs)
        students, lesson = self._lesson(observation, covered, pairs, founders)
        # From here on nothing can fail: an embedder that raises leaves the state as it was.
        self._see(observation)
        tracks["missed"] = missed
        self._correct(mean, covariance, observation, measured, covered, pairs)
        self._looks.grow_older(dt)
        if len(founders):
            pairs.join(np.arange(len(tracks), len(tracks) + len(founders)), founders)
            self._tracks = track_table.joined(tracks, self._born(observation, measured, founders))
            self._looks.append(len(founders))
        self._looks.learn(students, lesson, self.settings.ema)
        self._confirm()
        return self._answer(measured, pairs)

    def _predicted(self, observation: Observation, dt: float) -> tuple[Float, Float]:
        """Mean and covariance of the tracks in this frame; sizes of lost tracks stay."""
        mean, covariance = self._tracks["mean"].copy(), self._tracks["covariance"]
        mean[self._tracks["missed"] > 0, 1, 2:] = 0.0
        if observation.frame is not None:
            self._motion = self._camera.estimate(observation.frame, observation.boxes)
            if not np.array_equal(self._motion, IDENTITY):
                mean, covariance = self.settings.filter.warp(mean, covariance, self._motion)
        return self.settings.filter.predict(mean, covariance, dt)

    def _see(self, observation: Observation) -> None:
        if observation.frame is not None:
            self._size = np.array(observation.frame.shape[1::-1], np.float64)
        elif len(observation):
            self._size = np.maximum(self._size, observation.boxes[:, 2:].max(axis=0))

    def _founders(self, observation: Observation, pairs: Pairs) -> Integer:
        """Rows of the detections that start a track: confident, left over, no second box."""
        settings = self.settings
        rows = (pairs.free_detections & (observation.scores >= settings.birth)).nonzero()[0]
        if not len(rows) or not len(pairs.detections):
            return rows
        taken = observation.boxes[pairs.detections]
        double = overlap(observation.boxes[rows], taken).max(axis=1) >= settings.duplicate
        founders: Integer = rows[~double]
        return founders

    def _lesson(
        self, observation: Observation, covered: Float, pairs: Pairs, founders: Integer
    ) -> tuple[Integer, Embeddings]:
        """Rows of the tracks that learn, new ones included, and the embeddings that they learn.

        New tracks learn what started them; others what had to be compared, where it is clear.
        """
        appearance = observation.appearance
        if appearance is None or not (len(pairs.tracks) or len(founders)):
            return np.zeros(0, np.int64), np.zeros((0, self._looks.width), np.float32)
        rows = pairs.detections
        fit = (observation.scores >= LEARNT) & (covered < self.settings.clear)
        clear = fit.take(rows) | (self._tracks["hits"].take(pairs.tracks) == 1)
        clear &= appearance.known.take(rows)
        students, taught = pairs.tracks[clear], rows[clear]
        if len(founders):
            new = np.arange(len(self._tracks), len(self._tracks) + len(founders))
            students = np.concatenate([students, new])
            taught = np.concatenate([taught, founders])
        return students, appearance.rows(taught)

    def _correct(
        self,
        mean: Float,
        covariance: Float,
        observation: Observation,
        measured: Float,
        covered: Float,
        pairs: Pairs,
    ) -> None:
        """Let the predicted state be the tracks' own, the paired ones after their detections."""
        tracks, settings = self._tracks, self.settings
        rows, detections = pairs.tracks, pairs.detections
        scores = observation.scores.take(detections)
        before, spread = mean.take(rows, 0), covariance.take(rows, 0)
        # Whole rows are taken out, changed and put back: that costs no more than it does a field.
        found = tracks.take(rows)
        hidden = covered.take(detections)
        seen = self._uncut(found["hits"], before, measured, hidden, detections)
        noise = settings.filter.noise(before)
        doubt = hidden + np.maximum(SURE - scores, 0.0)
        noise *= (1.0 + settings.unsure_noise * doubt)[:, None]
        tracks["mean"], tracks["covariance"] = mean, covariance
        found["mean"], found["covariance"] = settings.filter.update(before, spread, seen, noise)
        found["missed"] = 0.0
        found["hits"] += 1
        found["evidence"] += scores - settings.doubt
        found["score"] = scores
        found["confidence"] += (1.0 - SCORE_MEMORY) * (scores - found["confidence"])
        classes = observation.classes.take(detections)
        track_table.vote(found["class"], found["lead"], classes, scores)
        tracks.put(rows, found)

    def _uncut(
        self, hits: Integer, mean: Float, measured: Float, hidden: Float, rows: Integer
    ) -> Float:
        """Measurements of paired detections, those cut off from below in their expected height.

        Written back to ``measured`` too, since the box that is shown follows it.
        """
        seen = measured.take(rows, 0)
        cut = hidden > self.settings.truncated
        if not cut.any():
            return seen
        height = mean[:, 0, 3]
        cut &= (seen[:, 3] < UNCUT * height) & (seen[:, 3] > LEAST_CUT * height)
        cut &= hits >= SETTLED
        if cut.any():
            top = seen[cut, 1] - 0.5 * seen[cut, 3]
            seen[cut, 1] = top + 0.5 * height[cut]
            seen[cut, 2:] = mean[cut, 0, 2:]
            measured[rows[cut]] = seen[cut]
        return seen

    def _born(self, observation: Observation, measured: Float, founders: Integer) -> Table:
        scores = observation.scores[founders]
        state = self.settings.filter.initiate(measured[founders])
        born = track_table.rows(*state, scores, observation.classes[founders])
        born["evidence"] = scores - self.settings.doubt
        return born

    def _confirm(self) -> None:
        """Give the next IDs to the tentative tracks that have earned one."""
        earned = life.confirmed_now(self._tracks, self.settings)
        count = int(np.count_nonzero(earned))
        if count:
            self._tracks["id"][earned] = np.arange(self._next_id, self._next_id + count)
            self._next_id += count

    def _answer(self, measured: Float, pairs: Pairs) -> Tracks:
        """The tracks that are shown; those that are over are deleted."""
        settings, tracks, fps = self.settings, self._tracks, self.fps
        state = tracks["mean"][:, 0].copy()
        found = state.take(pairs.tracks, 0)
        found += self._trust * (measured.take(pairs.detections, 0) - found)
        state[pairs.tracks] = found
        boxes = settings.filter.boxes(state)
        predicted = tracks["missed"] > 0
        confirmed = tracks["id"] > 0
        visible = confirmed & (tracks["confidence"] >= settings.faint)
        lost = predicted.nonzero()[0]
        if len(lost):
            seen = boxes[confirmed & ~predicted]
            known, alive = life.fate(
                tracks.take(lost), boxes.take(lost, 0), seen, self._size, settings, fps
            )
            visible[lost] &= known
            if not alive.all():
                kept = np.ones(len(tracks), np.bool_)
                kept[lost] = alive
                self._tracks = tracks.compress(kept)
                self._looks.keep(kept)
        detection = np.full(len(tracks), -1)
        detection[pairs.tracks] = pairs.detections
        shown = visible.nonzero()[0]
        return Tracks(
            tracks["id"].take(shown),
            boxes.take(shown, 0).astype(np.float32),
            tracks["score"].take(shown).astype(np.float32),
            tracks["class"].take(shown),
            predicted.take(shown),
            detection.take(shown),
        )
