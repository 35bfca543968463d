"""Which detection continues which track: what is obvious, what looks alike, what overlaps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tracker.assignment import assign_pairs, unrivalled
from tracker.blocks import pairs_in
from tracker.gating import CHI_SQUARE_95, POSITION_AND_SIZE
from tracker.kalman import VALUE, VARIANCE, gating_distance
from tracker.looks import Looks
from tracker.number import ZERO, number
from tracker.observation import Appearance, Observation
from tracker.overlap import Touching
from tracker.settings import Settings
from tracker.table import CLASS, MISSED, Table
from tracker.types import Float, Integer, Mask

HIDDEN = 0.6
"""Share of a detection from which a nearer one hides what it looks like."""


NOBODY = -1
"""Partner of a track that has no detection."""

FREE = number(NOBODY)
"""The same, to compare partners with."""


@dataclass(slots=True)
class Scene:
    """One frame before the association: where tracks are expected and what was detected.

    Attributes
    ----------
    tracks : Table [ROWS, N]
        As they were in the frame before.
    state : float64 [5, 4, N]
        As the filter predicts it.
    noise : float64 [4, N]
        Variance of a measurement of each track.
    missed : float64 [N]
        Frames since their last detection.
    covered : float64 [M]
        Share of each detection that a nearer one hides.
    near : Touching
        Tracks and detections that overlap where the tracks are expected, with their IoU.
    among : Touching
        Detections that overlap each other, with the area that they share.
    looks : Looks
        Embeddings of the tracks.
    observation : Observation
        The detections [M].
    measured : float64 [4, M]
        The detections in the filter's form.
    fps : float or None
        Frames a second, where timestamps tell.
    """

    tracks: Table
    state: Float
    noise: Float
    missed: Float
    covered: Float
    near: Touching
    among: Touching
    looks: Looks
    observation: Observation
    measured: Float
    fps: float | None


class Pairs:
    """Tracks and detections that found each other so far, and those that are free.

    Attributes
    ----------
    partner : int64 [N]
        The detection of each track, :data:`NOBODY` of a free one.
    free : bool [M]
        Detections without a track.
    """

    def __init__(self, tracks: int, detections: int) -> None:
        self.partner: Integer = np.empty(tracks, np.int64)
        self.partner.fill(NOBODY)
        self.free: Mask = np.empty(detections, np.bool_)
        self.free.fill(True)

    def add(self, tracks: Integer, detections: Integer) -> None:
        """Note more pairs."""
        self.partner[tracks] = detections
        self.free[detections] = False

    def still(self, near: Touching) -> Mask:
        """Which of the pairs could still be made."""
        possible: Mask = self.partner[near.rows] == FREE
        possible &= self.free[near.columns]
        return possible


def match(scene: Scene, settings: Settings) -> Pairs:
    """Pair tracks with detections, each at most once.

    1. Pairs that overlap well, without a rival on either side, need no comparison.
    2. Confident detections meet all tracks, active and lost, inside the motion gate; the cosine
       distance decides alone, since a sum with motion is led astray by it in occlusions.
    3. What is left, low confidences too (Zhang et al. 2022, ByteTrack, arXiv 2110.06864), meets
       tracks seen lately by overlap, unless appearance speaks against it. That of a detection
       which is mostly hidden is its cover's, and says nothing where the overlap is large.
    """
    pairs = Pairs(len(scene.missed), len(scene.observation))
    if len(scene.missed) and len(scene.observation):
        if settings.per_class:
            same = _same_class(scene, scene.near.rows, scene.near.columns)
            scene = replace(scene, near=scene.near.where(same))
        sure = scene.observation.scores >= settings.confident
        _obvious(scene, settings, sure, pairs)
        if scene.observation.appearance is None:
            _by_place(scene, settings, sure, pairs)
        else:
            _by_appearance(scene, scene.observation.appearance, settings, sure, pairs)
        _by_overlap(scene, settings, pairs)
    return pairs


def _obvious(scene: Scene, settings: Settings, sure: Mask, pairs: Pairs) -> None:
    near = scene.near
    rivals = near.share >= settings.rival
    rivals &= sure[near.columns]
    strong = rivals.nonzero()[0]
    if not len(strong):
        return
    rows, columns = near.rows[strong], near.columns[strong]
    clear = near.share[strong] >= settings.obvious
    clear &= unrivalled(rows, columns)
    clear &= (scene.tracks[MISSED] == ZERO)[rows]
    obvious = clear.nonzero()[0]
    rows, columns = rows[obvious], columns[obvious]
    appearance = scene.observation.appearance
    if appearance is not None and len(rows):
        alike = _look_alike(scene, appearance, rows, columns, settings).nonzero()[0]
        rows, columns = rows[alike], columns[alike]
    pairs.add(rows, columns)


def _look_alike(
    scene: Scene, appearance: Appearance, rows: Integer, columns: Integer, settings: Settings
) -> Mask:
    """Whether appearance allows obvious pairs.

    Embeddings that are there anyway are looked at; others only when it is time again.
    """
    if not appearance.lazy:
        return scene.looks.distances(appearance, rows, columns) <= settings.look_alike
    due = scene.looks.age[rows] >= settings.stale.at(scene.fps)
    due |= appearance.known[columns]
    alike = np.ones(len(rows), np.bool_)
    distance = scene.looks.distances(appearance, rows[due], columns[due])
    alike[due] = distance <= settings.look_alike
    return alike


def _by_appearance(
    scene: Scene, appearance: Appearance, settings: Settings, sure: Mask, pairs: Pairs
) -> None:
    rows = (pairs.partner == FREE).nonzero()[0]
    columns = (pairs.free & sure).nonzero()[0]
    if not len(rows) or not len(columns):
        return
    expected, variance = _innovation(scene, rows)
    distance = gating_distance(expected, variance, scene.measured.take(columns, 1))
    r, c = pairs_in(distance <= settings.gate)
    if not len(r):
        return
    r, c = rows[r], columns[c]
    if settings.per_class:
        same = _same_class(scene, r, c)
        r, c = r[same], c[same]
    cost = scene.looks.distances(appearance, r, c)
    pairs.add(*assign_pairs(r, c, cost, settings.look_alike))


def _by_place(scene: Scene, settings: Settings, sure: Mask, pairs: Pairs) -> None:
    """The first pass without appearance: overlap, in the narrow gate, for a shorter memory."""
    near = scene.near
    possible = pairs.still(near) & sure[near.columns] & (near.share >= settings.touch)
    possible &= scene.missed[near.rows] <= settings.faceless.at(scene.fps)
    rows, columns, share = near.where(possible)
    expected, variance = _innovation(scene, rows)
    offset = scene.measured.take(columns, 1) - expected
    inside = (offset * offset / variance).sum(axis=0) <= CHI_SQUARE_95[POSITION_AND_SIZE]
    cost = 1.0 - share[inside]
    pairs.add(*assign_pairs(rows[inside], columns[inside], cost, 1.0 - settings.touch))


def _by_overlap(scene: Scene, settings: Settings, pairs: Pairs) -> None:
    near = scene.near
    possible = pairs.still(near)
    possible &= near.share >= settings.overlap
    if not len(possible.nonzero()[0]):
        return
    possible &= (scene.missed < settings.recent.at(scene.fps))[near.rows]
    possible &= (scene.observation.scores >= settings.low)[near.columns]
    rows, columns, share = near.where(possible)
    appearance = scene.observation.appearance
    if appearance is not None and len(rows):
        told = ~((scene.covered[columns] >= HIDDEN) & (share >= settings.obvious))
        alike = np.ones(len(rows), np.bool_)
        distance = scene.looks.distances(appearance, rows[told], columns[told])
        alike[told] = distance <= settings.veto
        rows, columns, share = rows[alike], columns[alike], share[alike]
    pairs.add(*assign_pairs(rows, columns, 1.0 - share, 1.0 - settings.overlap))


def _innovation(scene: Scene, rows: Integer) -> tuple[Float, Float]:
    """Expected measurement of some tracks and its variance, float64 [4, K] each."""
    variance = scene.state[VARIANCE] + scene.noise
    return scene.state[VALUE].take(rows, 1), variance.take(rows, 1)


def _same_class(scene: Scene, rows: Integer, columns: Integer) -> Mask:
    """Whether both sides of pairs are of the same class."""
    same: Mask = scene.tracks[CLASS][rows] == scene.observation.classes[columns]
    return same
