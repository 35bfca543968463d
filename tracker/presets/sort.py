"""SORT: Bewley, Ge, Ott, Ramos and Upcroft, ICIP 2016, arXiv 1602.00763."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracker.assignment import assign
from tracker.kalman import VELOCITY, BoxFilter
from tracker.observation import Observation
from tracker.overlap import overlap
from tracker.presets.classic import ClassicTracker
from tracker.table import HITS, MISSED, states
from tracker.types import Float, Integer, Mask


@dataclass(frozen=True, slots=True)
class SortSettings:
    """The parameters of SORT, with the published values.

    Attributes
    ----------
    min_confidence : float
        Detections below are not looked at, 0 to 1 (section 3.1).
    min_iou : float
        Least IoU of a pair (IoU_min in section 3.3).
    max_age : int
        Frames without a detection that a track outlives (T_Lost in section 3.4).
    min_hits : int
        Detections in a row after which a track is shown.
    """

    min_confidence: float = 0.5
    min_iou: float = 0.3
    max_age: int = 1
    min_hits: int = 3


class AreaFilter(BoxFilter):
    """Constant velocity of centre and area, constant aspect ratio (section 3.2).

    The noise is the same for small and large boxes: variances in px² of the centre and px⁴ of the
    area, and of the aspect ratio, which has no unit.
    """

    MEASUREMENT = (1.0, 1.0, 10.0, 10.0)
    PROCESS = ((1.0, 1.0, 1.0, 1.0), (1e-2, 1e-2, 1e-4, 0.0))
    BIRTH = ((10.0, 10.0, 10.0, 10.0), (1e4, 1e4, 1e4, 0.0))

    def __post_init__(self) -> None:
        # Variances that do not grow with the height of the box: the offset alone.
        for name, variance in (
            ("_measure", self.MEASUREMENT),
            ("_process", self.PROCESS),
            ("_birth", self.BIRTH),
        ):
            offset = np.array(variance).ravel()
            object.__setattr__(self, name, np.column_stack((np.zeros_like(offset), offset)))

    def measure(self, corners: Float) -> Float:
        """Boxes x1, y1, x2, y2 as centre, area and aspect ratio, both float64 [4, N]."""
        width, height = size = corners[2:] - corners[:2]
        centre = corners[:2] + 0.5 * size
        return np.stack((*centre, width * height, width / np.maximum(height, 1.0)))

    def boxes(self, measured: Float) -> Float:
        """Invert :meth:`measure`: x1, y1, x2, y2, float64 [4, N]."""
        area, ratio = np.maximum(measured[2:], 0.0)
        width = np.sqrt(area * ratio)
        height = np.divide(area, width, out=np.zeros_like(area), where=width > 0)
        half = 0.5 * np.stack((width, height))
        return np.concatenate((measured[:2] - half, measured[:2] + half))


class Sort(ClassicTracker):
    """Motion and IoU alone: fast, and a new ID after every gap.

    Parameters
    ----------
    settings : SortSettings, optional
    """

    def __init__(self, settings: SortSettings | None = None) -> None:
        self.settings = settings or SortSettings()
        super().__init__(AreaFilter(), self.settings.min_confidence)

    def _predict(self, observation: Observation, dt: float) -> None:
        tracks = self._tracks
        # An area that would become negative stands still; hits count detections in a row.
        area, growth = states(tracks)[: VELOCITY + 1, 2]
        growth[area + dt * growth <= 0.0] = 0.0
        tracks[HITS, tracks[MISSED] > 0.0] = 0.0
        super()._predict(observation, dt)

    def _associate(self, observation: Observation, measured: Float) -> tuple[Integer, Integer]:
        seen = np.flatnonzero(observation.scores >= self.settings.min_confidence)
        expected = self._expected(np.arange(self._tracks.shape[1]))
        cost = 1.0 - overlap(expected, observation.boxes[seen])
        rows, found = assign(cost, 1.0 - self.settings.min_iou)
        return rows, seen[found]

    def _ready(self) -> Mask:
        ready: Mask = self._tracks[HITS] >= self.settings.min_hits
        return ready

    def _alive(self) -> Mask:
        alive: Mask = self._tracks[MISSED] <= self.settings.max_age
        return alive
