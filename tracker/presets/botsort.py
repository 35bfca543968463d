"""BoT-SORT: Aharon, Orfaig and Bobrovsky 2022, arXiv 2206.14651."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracker.camera import CameraMotion
from tracker.gallery import blend, cosine_distances
from tracker.kalman import BoxFilter
from tracker.observation import Observation
from tracker.presets.bytetrack import ByteTrack, ByteTrackSettings
from tracker.table import states
from tracker.types import Embeddings, Float, Integer, Mask, Tracks


@dataclass(frozen=True, slots=True)
class BoTSortSettings(ByteTrackSettings):
    """The parameters of ByteTrack and those of appearance, with the published values.

    Attributes
    ----------
    proximity : float
        Least IoU at which appearance counts, 0 to 1; theta_iou in equation 12 is one less it.
    appearance : float
        Highest cosine distance at which appearance counts, 0 to 2; theta_emb in equation 12.
    ema : float
        Share of the old embedding in the new one, 0 to 1; alpha in equation 11.
    """

    proximity: float = 0.5
    appearance: float = 0.25
    ema: float = 0.9


class BoTSort(ByteTrack):
    """ByteTrack with width and height in the filter and appearance where boxes are near.

    A sure pair costs the less of the two: one less IoU times confidence, or half of the cosine
    distance (equations 12 and 13). Where frames are given, the motion of the camera is taken out
    of every track before the association (section 3.2).

    Parameters
    ----------
    settings : BoTSortSettings, optional
    """

    resting = slice(2, 4)
    settings: BoTSortSettings

    def __init__(self, settings: BoTSortSettings | None = None) -> None:
        super().__init__(settings or BoTSortSettings(), BoxFilter(form="xywh", side=True))

    def _clear(self) -> None:
        super()._clear()
        self._embeddings: Embeddings = np.zeros((0, 0), np.float32)
        self._camera = CameraMotion()

    def _step(self, observation: Observation, dt: float) -> Tracks:
        self._fetch(observation, min(self.settings.high, self.settings.birth))
        return super()._step(observation, dt)

    def _predict(self, observation: Observation, dt: float) -> None:
        super()._predict(observation, dt)
        if observation.frame is not None:
            self._motion = self._camera.estimate(observation.frame, observation.boxes)
            state = states(self._tracks)
            state[:] = self._filter.warp(state, self._motion)

    def _correct(
        self, rows: Integer, found: Integer, observation: Observation, measured: Float
    ) -> None:
        super()._correct(rows, found, observation, measured)
        if observation.appearance is not None:
            sure = observation.scores[found] >= self.settings.high
            self._learn(rows[sure], observation.appearance.rows(found[sure]))

    def _keep(self, alive: Mask) -> None:
        super()._keep(alive)
        self._embeddings = self._embeddings[alive]

    def _begin(self, born: Integer, observation: Observation, measured: Float) -> None:
        super()._begin(born, observation, measured)
        unknown = np.zeros((len(born), self._embeddings.shape[1]), np.float32)
        self._embeddings = np.concatenate([self._embeddings, unknown])
        if observation.appearance is not None:
            newest = np.arange(self._tracks.shape[1] - len(born), self._tracks.shape[1])
            self._learn(newest, observation.appearance.rows(born))

    def _learn(self, rows: Integer, embeddings: Embeddings) -> None:
        """Take one embedding of each of some tracks into its moving average."""
        if not self._embeddings.shape[1]:
            self._embeddings = np.zeros((len(self._embeddings), embeddings.shape[1]), np.float32)
        keep = np.full((len(rows), 1), self.settings.ema, np.float32)
        self._embeddings[rows] = blend(self._embeddings[rows], embeddings, keep)

    def _cost(self, rows: Integer, detections: Integer, observation: Observation) -> Float:
        shared = self._overlap(rows, detections, observation)
        cost: Float = 1.0 - shared * observation.scores[detections]
        if observation.appearance is None or not self._embeddings.size:
            return cost
        near, far = np.nonzero(shared >= self.settings.proximity)
        embeddings = observation.appearance.rows(detections)
        distance = cosine_distances(self._embeddings[rows], embeddings, near, far)
        alike = distance < self.settings.appearance
        near, far = near[alike], far[alike]
        cost[near, far] = np.minimum(cost[near, far], 0.5 * distance[alike])
        return cost
