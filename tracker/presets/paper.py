"""DeepSORT as published: Wojke, Bewley and Paulus, ICIP 2017, arXiv 1703.07402."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracker.assignment import assign
from tracker.gallery import Gallery
from tracker.gating import CHI_SQUARE_95, POSITION_AND_SIZE
from tracker.kalman import VALUE, VARIANCE, BoxFilter, gating_distance
from tracker.observation import Observation
from tracker.overlap import overlap
from tracker.presets.classic import ClassicTracker
from tracker.table import HITS, ID, MISSED, states
from tracker.types import Embeddings, Float, Integer, Mask, Tracks


@dataclass(frozen=True, slots=True)
class PaperSettings:
    """The parameters of the paper, with the values of its experiments.

    Attributes
    ----------
    min_confidence : float
        Detections below are not looked at, 0 to 1.
    max_cosine_distance : float
        Highest appearance distance of a pair, 0 to 2; t(2) in equation 4.
    budget : int
        Embeddings remembered of one track; L_k in section 2.2.
    max_iou_distance : float
        Highest ``1 - IoU`` of a pair in the last stage.
    max_age : int
        Frames without a detection that a confirmed track outlives; A_max in section 2.1.
    n_init : int
        Detections in a row that confirm a track.
    """

    min_confidence: float = 0.3
    max_cosine_distance: float = 0.2
    budget: int = 100
    max_iou_distance: float = 0.7
    max_age: int = 30
    n_init: int = 3


class PaperTracker(ClassicTracker):
    """A matching cascade by age, then IoU for the young (sections 2.2 and 2.3).

    Confirmed tracks meet the detections in the order of the time since their last one, so that a
    track just seen goes before one whose vague position fits everything. A pair beyond the 0.95
    quantile of the Mahalanobis distance is impossible; the others cost the least cosine distance
    to the track's gallery or, without embeddings, the Mahalanobis distance itself (lambda = 0 and
    1 in equation 5). Tracks that are not confirmed, and those just seen that found nothing, are
    then matched with the rest by IoU.

    Parameters
    ----------
    settings : PaperSettings, optional
    """

    def __init__(self, settings: PaperSettings | None = None) -> None:
        self.settings = settings or PaperSettings()
        super().__init__(BoxFilter(), self.settings.min_confidence)

    def _clear(self) -> None:
        super()._clear()
        self._gallery = Gallery(self.settings.budget)

    def _step(self, observation: Observation, dt: float) -> Tracks:
        self._fetch(observation, self.settings.min_confidence)
        return super()._step(observation, dt)

    def _associate(self, observation: Observation, measured: Float) -> tuple[Integer, Integer]:
        seen = np.flatnonzero(observation.scores >= self.settings.min_confidence)
        confirmed = self._tracks[ID] > 0
        appearance = observation.appearance
        embeddings = None if appearance is None else appearance.rows(seen)
        r, c = self._cascade(np.flatnonzero(confirmed), measured.take(seen, 1), embeddings)
        rows, found = r, seen[c]
        young = ~confirmed | (self._tracks[MISSED] == 1)
        young[rows] = False
        candidates, rest = np.flatnonzero(young), np.delete(seen, c)
        cost = 1.0 - overlap(self._expected(candidates), observation.boxes[rest])
        r, c = assign(cost, self.settings.max_iou_distance)
        return np.concatenate([rows, candidates[r]]), np.concatenate([found, rest[c]])

    def _ready(self) -> Mask:
        ready: Mask = self._tracks[HITS] >= self.settings.n_init
        return ready

    def _alive(self) -> Mask:
        patience = np.where(self._tracks[ID] > 0, self.settings.max_age, 0)
        alive: Mask = self._tracks[MISSED] <= patience
        return alive

    def _correct(
        self, rows: Integer, found: Integer, observation: Observation, measured: Float
    ) -> None:
        super()._correct(rows, found, observation, measured)
        if observation.appearance is not None:
            self._gallery.add(rows, observation.appearance.rows(found))

    def _keep(self, alive: Mask) -> None:
        super()._keep(alive)
        self._gallery.keep(alive)

    def _begin(self, born: Integer, observation: Observation, measured: Float) -> None:
        super()._begin(born, observation, measured)
        self._gallery.append(len(born))
        if observation.appearance is not None:
            newest = np.arange(self._tracks.shape[1] - len(born), self._tracks.shape[1])
            self._gallery.add(newest, observation.appearance.rows(born))

    def _cascade(
        self, candidates: Integer, measured: Float, embeddings: Embeddings | None
    ) -> tuple[Integer, Integer]:
        """Listing 1 of the paper: those seen last come first, each age by itself."""
        cost, limit = self._cost(candidates, measured, embeddings)
        ages = self._tracks[MISSED][candidates]
        free = np.arange(measured.shape[1])
        rows, found = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for age in np.unique(ages):
            if not len(free):
                break
            of_age = np.flatnonzero(ages == age)
            r, c = assign(cost[np.ix_(of_age, free)], limit)
            rows.append(candidates[of_age[r]])
            found.append(free[c])
            free = np.delete(free, c)
        return np.concatenate(rows), np.concatenate(found)

    def _cost(
        self, candidates: Integer, measured: Float, embeddings: Embeddings | None
    ) -> tuple[Float, float]:
        """Cost of every pair, infinite where motion says that it is impossible, and its limit."""
        state = states(self._tracks).take(candidates, 2)
        variance = state[VARIANCE] + self._filter.noise(state[VALUE])
        distance = gating_distance(state[VALUE], variance, measured)
        gate = CHI_SQUARE_95[POSITION_AND_SIZE]
        if embeddings is None:
            return distance, gate
        rows, columns = np.nonzero(distance <= gate)
        cost = np.full(distance.shape, np.inf)
        cost[rows, columns] = self._gallery.distances(embeddings, candidates[rows], columns)
        return cost, self.settings.max_cosine_distance
