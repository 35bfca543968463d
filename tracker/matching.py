"""Which detection continues which track: what is obvious, what looks alike, what overlaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracker.assignment import assign
from tracker.gating import CHI_SQUARE_95, POSITION_AND_SIZE
from tracker.kalman import gating_distance
from tracker.looks import Looks
from tracker.observation import Observation
from tracker.overlap import overlap
from tracker.settings import Settings
from tracker.table import Table
from tracker.types import Float, Integer, Mask


@dataclass(frozen=True, slots=True)
class Scene:
    """One frame before the association: where tracks are expected and what was detected.

    Attributes
    ----------
    tracks : Table [N]
        As they were in the frame before.
    mean, covariance : float64 [N, 2, 4], [N, 3, 4]
        Their predicted state.
    missed : float64 [N]
        Frames since their last detection.
    expected : float64 [N, 4]
        Their boxes x1, y1, x2, y2.
    looks : Looks
        Their embeddings.
    observation : Observation
        The detections [M].
    measured : float64 [M, 4]
        The detections in the filter's form.
    fps : float or None
        Frames a second, where timestamps tell.
    """

    tracks: Table
    mean: Float
    covariance: Float
    missed: Float
    expected: Float
    looks: Looks
    observation: Observation
    measured: Float
    fps: float | None


@dataclass(slots=True)
class Pairs:
    """Tracks and detections that found each other so far."""

    tracks: Integer
    detections: Integer

    @classmethod
    def none(cls) -> Pairs:
        """No pair."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64))

    def add(self, tracks: Integer, detections: Integer) -> None:
        """Note more pairs."""
        if not len(self.tracks):
            self.tracks, self.detections = tracks, detections
            return
        self.tracks = np.concatenate([self.tracks, tracks])
        self.detections = np.concatenate([self.detections, detections])

    def open(self, tracks: Mask, detections: Mask) -> tuple[Integer, Integer]:
        """Rows of the tracks and detections in the masks that are not paired yet."""
        tracks[self.tracks] = False
        detections[self.detections] = False
        return tracks.nonzero()[0], detections.nonzero()[0]


def match(scene: Scene, settings: Settings) -> Pairs:
    """Pair tracks with detections, each at most once.

    1. Pairs that overlap well, without a rival on either side, need no comparison.
    2. Confident detections meet all tracks, active and lost, inside the motion gate; the cosine
       distance decides alone, since a sum with motion is led astray by it in occlusions.
    3. What is left, low confidences too (Zhang et al. 2022, ByteTrack, arXiv 2110.06864), meets
       tracks seen lately by overlap, unless appearance speaks against it.
    """
    pairs = Pairs.none()
    if len(scene.tracks) and len(scene.observation):
        sure = scene.observation.scores >= settings.confident
        _obvious(scene, settings, sure, pairs)
        _by_appearance(scene, settings, sure, pairs)
        _by_overlap(scene, settings, pairs)
    return pairs


def _obvious(scene: Scene, settings: Settings, sure: Mask, pairs: Pairs) -> None:
    columns = sure.nonzero()[0]
    if not len(columns):
        return
    shared = overlap(scene.expected, scene.observation.boxes[columns])
    if settings.per_class:
        shared *= _same_class(scene, np.arange(len(scene.tracks)), columns)
    rivals = shared >= settings.rival
    best = shared.argmax(axis=1)
    rows = np.flatnonzero(
        (shared[np.arange(len(best)), best] >= settings.obvious)
        & (rivals.sum(axis=1) == 1)
        & (rivals.sum(axis=0)[best] == 1)
        & (scene.tracks["missed"] == 0)
    )
    detections = columns[best[rows]]
    appearance = scene.observation.appearance
    if appearance is not None and len(rows):
        # Embeddings that are there anyway are looked at; others only when it is time again.
        due = scene.looks.age[rows] >= settings.stale.at(scene.fps)
        due |= appearance.known[detections]
        distance = np.zeros(len(rows))
        distance[due] = scene.looks.distances(appearance, rows[due], detections[due])
        alike = distance <= settings.look_alike
        rows, detections = rows[alike], detections[alike]
    pairs.add(rows, detections)


def _by_appearance(scene: Scene, settings: Settings, sure: Mask, pairs: Pairs) -> None:
    rows, columns = pairs.open(np.ones(len(scene.tracks), np.bool_), sure.copy())
    if not len(rows) or not len(columns):
        return
    mean, covariance = scene.mean[rows], scene.covariance[rows]
    box_filter = settings.filter
    state = box_filter.project(mean, covariance, box_filter.noise(mean))
    distance = gating_distance(*state, scene.measured[columns])
    if settings.per_class:
        distance[~_same_class(scene, rows, columns)] = np.inf
    appearance = scene.observation.appearance
    if appearance is None:
        cost, limit = _overlap_cost(scene, settings, rows, columns, distance)
    else:
        r, c = np.nonzero(distance <= settings.gate)
        cost = np.full(distance.shape, np.inf)
        cost[r, c] = scene.looks.distances(appearance, rows[r], columns[c])
        limit = settings.look_alike
    r, c = assign(cost, limit)
    pairs.add(rows[r], columns[c])


def _overlap_cost(
    scene: Scene, settings: Settings, rows: Integer, columns: Integer, distance: Float
) -> tuple[Float, float]:
    """Cost and limit without appearance: overlap, in the narrow gate, for a shorter memory."""
    cost = 1.0 - overlap(scene.expected[rows], scene.observation.boxes[columns])
    cost[distance > CHI_SQUARE_95[POSITION_AND_SIZE]] = np.inf
    cost[scene.missed[rows] > settings.faceless.at(scene.fps)] = np.inf
    return cost, 1.0 - settings.touch


def _by_overlap(scene: Scene, settings: Settings, pairs: Pairs) -> None:
    recent = scene.missed < settings.recent.at(scene.fps)
    rows, columns = pairs.open(recent, scene.observation.scores >= settings.low)
    if not len(rows) or not len(columns):
        return
    shared = overlap(scene.expected[rows], scene.observation.boxes[columns])
    if settings.per_class:
        shared *= _same_class(scene, rows, columns)
    r, c = np.nonzero(shared >= settings.overlap)
    appearance = scene.observation.appearance
    if appearance is not None and len(r):
        alike = scene.looks.distances(appearance, rows[r], columns[c]) <= settings.veto
        r, c = r[alike], c[alike]
    cost = np.full(shared.shape, np.inf)
    cost[r, c] = 1.0 - shared[r, c]
    r, c = assign(cost, 1.0 - settings.overlap)
    pairs.add(rows[r], columns[c])


def _same_class(scene: Scene, rows: Integer, columns: Integer) -> Mask:
    same: Mask = scene.tracks["class"][rows, None] == scene.observation.classes[columns]
    return same
