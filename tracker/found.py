"""What a frame has for each track: the detection that is its own, in the order of the tracks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tracker.matching import FREE, NOBODY, Pairs, Scene
from tracker.number import ONE, ZERO, number
from tracker.settings import Settings
from tracker.table import CONFIDENCE, EVIDENCE, HITS, MISSED, SCORE
from tracker.types import Float, Mask

SURE = number(0.6)
"""Confidence below which a detection's place is measured with more noise."""

SCORE_MEMORY = 0.9
"""Share of a track's mean confidence that one more score leaves: some ten detections."""

NEW_SCORE = number(1.0 - SCORE_MEMORY)
"""Share of it that is the one more score's."""

KEEP = (0.0, 0.0, SCORE_MEMORY, 1.0, 1.0)
"""Share of the rows ``table.RECORD`` of its track that a detection leaves."""

DOUBT, HIDDEN, CLASS, RECORD, KEPT = 4, 5, 6, slice(7, 12), slice(12, 17)
"""Rows of the table that is looked up below; the four before them are the measurement's."""

ADDED = RECORD.start - MISSED
"""From a row of the tracks to the row of what a detection adds to it."""

DETECTED = np.zeros((17, 1))
"""A column of it, as far as it is the same for every detection: each counts one hit."""
DETECTED[HITS + ADDED], DETECTED[KEPT, 0] = 1.0, KEEP

UNDETECTED = np.zeros(17)
"""The column of nobody's."""
UNDETECTED[DOUBT], UNDETECTED[KEPT] = np.inf, 1.0


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
    kept : float64 [5, N]
        Share of these rows that it leaves.
    """

    paired: Mask
    measured: Float
    doubt: Float
    hidden: Float
    classes: Float
    record: Float
    kept: Float


def detected(scene: Scene, pairs: Pairs, settings: Settings) -> Found:
    """What was detected of each track."""
    scores = scene.observation.scores
    table = DETECTED.repeat(len(scores) + 1, 1)
    table[:, NOBODY] = UNDETECTED
    filled = table[:, :NOBODY]
    filled[:4] = scene.measured
    doubt = np.maximum(SURE - scores, ZERO, out=filled[DOUBT])
    doubt += scene.covered
    doubt *= settings.unsure_noise
    doubt += ONE
    filled[HIDDEN] = scene.covered
    filled[CLASS] = scene.observation.classes
    filled[SCORE + ADDED] = scores
    np.multiply(scores, NEW_SCORE, out=filled[CONFIDENCE + ADDED])
    np.subtract(scores, settings.doubt, out=filled[EVIDENCE + ADDED])
    found = table.take(pairs.partner, 1)
    return Found(
        pairs.partner != FREE,
        found[:4],
        found[DOUBT],
        found[HIDDEN],
        found[CLASS],
        found[RECORD],
        found[KEPT],
    )
