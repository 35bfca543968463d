"""ByteTrack: Zhang et al., ECCV 2022, arXiv 2110.06864."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracker.assignment import assign
from tracker.kalman import VELOCITY, BoxFilter
from tracker.observation import Observation
from tracker.overlap import overlap
from tracker.presets.classic import ClassicTracker
from tracker.table import HITS, ID, MISSED, states
from tracker.types import Float, Integer, Mask


@dataclass(frozen=True, slots=True)
class ByteTrackSettings:
    """The parameters of ByteTrack, with the published values (section 4.1).

    Attributes
    ----------
    high : float
        Detections from this confidence on are matched first, 0 to 1.
    low : float
        Detections below are not looked at, 0 to 1.
    birth : float
        Least confidence of a detection that begins a track, 0 to 1.
    first, second, young : float
        Highest cost of a pair in the three stages: of tracks with sure detections, of those left
        with unsure ones, and of tracks that are not confirmed.
    buffer : int
        Frames without a detection that a track outlives.
    """

    high: float = 0.6
    low: float = 0.1
    birth: float = 0.7
    first: float = 0.8
    second: float = 0.5
    young: float = 0.7
    buffer: int = 30


class ByteTrack(ClassicTracker):
    """Every detection box is associated, the unsure ones after the sure ones (Algorithm 1).

    Sure pairs cost one less IoU times confidence, unsure pairs one less IoU. A track is confirmed
    by a second detection in the frame after its first.

    Parameters
    ----------
    settings : ByteTrackSettings, optional
    """

    resting = slice(3, 4)
    """Velocities that are zeroed while a track is lost: that of the height."""

    def __init__(
        self, settings: ByteTrackSettings | None = None, motion: BoxFilter | None = None
    ) -> None:
        self.settings = settings or ByteTrackSettings()
        super().__init__(motion or BoxFilter(), self.settings.birth)

    def _predict(self, observation: Observation, dt: float) -> None:
        lost = self._tracks[MISSED] > 0
        states(self._tracks)[VELOCITY, self.resting, lost] = 0.0
        super()._predict(observation, dt)

    def _ready(self) -> Mask:
        ready: Mask = self._tracks[HITS] > 1
        return ready

    def _alive(self) -> Mask:
        patience = np.where(self._tracks[ID] > 0, self.settings.buffer, 0)
        alive: Mask = self._tracks[MISSED] <= patience
        return alive

    def _associate(self, observation: Observation, measured: Float) -> tuple[Integer, Integer]:
        settings, scores = self.settings, observation.scores
        confirmed, just_seen = self._tracks[ID] > 0, self._tracks[MISSED] == 1
        sure = np.flatnonzero(scores >= settings.high)
        unsure = np.flatnonzero((scores >= settings.low) & (scores < settings.high))
        known = np.flatnonzero(confirmed)
        r, c = assign(self._cost(known, sure, observation), settings.first)
        first = known[r], sure[c]
        left = np.setdiff1d(np.flatnonzero(confirmed & just_seen), first[0])
        r, c = assign(1.0 - self._overlap(left, unsure, observation), settings.second)
        second = left[r], unsure[c]
        young, rest = np.flatnonzero(~confirmed), np.setdiff1d(sure, first[1])
        r, c = assign(self._cost(young, rest, observation), settings.young)
        third = young[r], rest[c]
        rows, found = zip(first, second, third, strict=True)
        return np.concatenate(rows), np.concatenate(found)

    def _overlap(self, rows: Integer, detections: Integer, observation: Observation) -> Float:
        """IoU of the expected boxes of some tracks with some detections, float64 [K, M]."""
        return overlap(self._expected(rows), observation.boxes[detections])

    def _cost(self, rows: Integer, detections: Integer, observation: Observation) -> Float:
        """Cost of pairing some tracks with some sure detections, float64 [K, M]."""
        shared = self._overlap(rows, detections, observation)
        cost: Float = 1.0 - shared * observation.scores[detections]
        return cost
