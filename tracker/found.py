"""What a frame has for each track: the detection that is its own, in the order of the tracks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tracker.matching import NOBODY, Pairs, Scene
from tracker.settings import Settings
from tracker.types import Float, Mask

SURE = 0.6
"""Confidence below which a detection's place is measured with more noise."""

SCORE_MEMORY = 0.9
"""Share of a track's mean confidence that one more score leaves: some ten detections."""

KEEP = np.array([[0.0], [0.0], [SCORE_MEMORY], [1.0], [1.0]])
"""What a detection leaves of the rows ``table.RECORD`` of its track."""


class Found(NamedTuple):
    """What was detected of each track; zeros where nothing was.

    Attributes
    ----------
    paired : bool [N]
        Whether anything was.
    measured : float64 [4, N]
        In the filter's form.
    doubt : float64 [N]
        Factor of the measurement's variance, infinite where nothing was measured.
    hidden : float64 [N]
        Share of the detection that a nearer one hides.
    classes : float64 [N]
        Of the detection.
    record : float64 [5, N]
        What it adds to the rows ``table.RECORD``.
    """

    paired: Mask
    measured: Float
    doubt: Float
    hidden: Float
    classes: Float
    record: Float


def detected(scene: Scene, pairs: Pairs, settings: Settings) -> Found:
    """What was detected of each track."""
    scores = scene.observation.scores
    # The column after the last detection is nobody's.
    table = np.zeros((12, len(scores) + 1))
    table[4, NOBODY] = np.inf
    filled = table[:, :NOBODY]
    filled[:4] = scene.measured
    doubt = np.maximum(SURE - scores, 0.0, out=filled[4])
    doubt += scene.covered
    doubt *= settings.unsure_noise
    doubt += 1.0
    filled[5] = scene.covered
    filled[6] = scene.observation.classes
    filled[8] = scores
    np.multiply(scores, 1.0 - SCORE_MEMORY, out=filled[9])
    filled[10] = 1.0
    np.subtract(scores, settings.doubt, out=filled[11])
    found = table.take(pairs.partner, 1)
    return Found(pairs.partner != NOBODY, found[:4], found[4], found[5], found[6], found[7:])
