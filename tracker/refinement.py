"""Tracks of a whole video taken apart at their doubtful places and put together again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from tracker.claiming import Claiming, claim
from tracker.linking import Linking, leaving, link
from tracker.smoothing import Smoothing, Trajectories
from tracker.tracklets import (
    NOBODY,
    Observations,
    appearance,
    classes,
    cut_at_gaps,
    evidence,
    paths,
    renumber,
    without,
)
from tracker.types import Float, Integer, Mask

FRAME_RATE = 25.0
"""Frames a second up to which spans in frames count as they are; above, they grow with it."""


@dataclass(frozen=True, slots=True)
class Refinement:
    """What ``refine`` goes by; spans are in frames.

    Attributes
    ----------
    adopt : float
        Least intersection over union at which a box of a track stands for a detection.
    faint : float
        Detections below this confidence belong to no track at first; they may be claimed back
        when the trajectory is known.
    cut : int
        Longest time unseen within one piece; longer ones have to be linked again.
    piece : int
        Least observations of a piece.
    fill : int
        Longest gap that is filled.
    standing : float
        Longer gaps are filled too where both sides are no further apart than this, in heights:
        someone stood there, behind something.
    inside : float
        Least share of a box that lies within the image; who is further out has left it. Detectors
        see of him only what is inside, so that the rest is guessed.
    seen, density, confidence, evidence : int, float, float, float
        Least number of observations of a track, their least share of its life, their least mean
        confidence, and the least sum of ``confidence - doubt``; what has less is a ghost.
    doubt : float
        Confidence at which a detection speaks neither for nor against there being something.
    claiming, linking, smoothing
        The rules of the single steps.
    """

    adopt: float = 0.6
    faint: float = 0.2
    cut: int = 12
    piece: int = 3
    fill: int = 30
    standing: float = 0.5
    inside: float = 0.85
    seen: int = 6
    density: float = 0.35
    confidence: float = 0.5
    evidence: float = 3.0
    doubt: float = 0.3
    claiming: Claiming = field(default_factory=Claiming)
    linking: Linking = field(default_factory=Linking)
    smoothing: Smoothing = field(default_factory=Smoothing)

    def at(self, fps: float | None) -> Refinement:
        """The same with spans of time as long at a higher frame rate."""
        if fps is None or fps <= FRAME_RATE:
            return self
        factor = fps / FRAME_RATE
        linking = replace(
            self.linking,
            max_gap=round(self.linking.max_gap * factor),
            blind_gap=round(self.linking.blind_gap * factor),
            left=round(self.linking.left * factor),
            tail=round(self.linking.tail * factor),
            ahead=round(self.linking.ahead * factor),
            drift=self.linking.drift / factor,
        )
        cut, fill = round(self.cut * factor), round(self.fill * factor)
        return replace(self, cut=cut, fill=fill, linking=linking)


def assemble(
    found: Observations, owner: Integer, rule: Refinement, size: tuple[float, float] | None
) -> Integer:
    """Owners of the observations after cutting, claiming, linking and dropping.

    Parameters
    ----------
    found : Observations [M]
        All that was detected.
    owner : int64 [M]
        Whose they were for the online tracker.
    rule : Refinement
        What to go by.
    size : (float, float) or None
        Width and height of the image; None where who left it may come back.

    Returns
    -------
    int64 [M]
        Tracks from 0 without holes; -1 for what belongs to none.
    """
    owner = np.where(found.scores >= rule.faint, owner, NOBODY)
    owner = cut_at_gaps(found, owner, rule.cut)
    owner = _drop(owner, np.bincount(owner[owner != NOBODY]) < rule.piece)
    owner = claim(found, owner, rule.claiming, rule.smoothing)
    owner = _link_all(found, owner, rule, size)
    owner = renumber(claim(found, owner, rule.claiming, rule.smoothing))
    if owner.max(initial=NOBODY) == NOBODY:
        return owner
    known = evidence(found, owner)
    ghost = (known.seen < rule.seen) | (known.density < rule.density)
    ghost |= known.confidence < rule.confidence
    ghost |= known.seen * (known.confidence - rule.doubt) < rule.evidence
    return _drop(owner, ghost)


def _link_all(
    found: Observations, owner: Integer, rule: Refinement, size: tuple[float, float] | None
) -> Integer:
    for _ in range(rule.linking.rounds):
        owner = renumber(owner)
        if owner.max(initial=NOBODY) == NOBODY:
            break
        path = paths(found, owner, rule.linking.max_gap, rule.smoothing)
        looks = appearance(found, owner)
        out = size and leaving(found.seen(path), rule.linking, size)
        chain = link(path, looks, classes(found, owner), rule.linking, out)
        if np.array_equal(chain, np.arange(len(chain))):
            break
        owner = np.where(owner == NOBODY, NOBODY, chain[owner])
    return owner


def _drop(owner: Integer, tracks: Mask) -> Integer:
    return renumber(without(owner, tracks))


def shown(path: Trajectories, rule: Refinement) -> Mask:
    """Boxes of trajectories that were seen, or in a gap that is short or was stood through."""
    seen = path.source >= 0
    place = np.arange(len(seen))
    before = np.maximum.accumulate(np.where(seen, place, 0))
    after = np.minimum.accumulate(np.where(seen, place, len(seen) - 1)[::-1])[::-1]
    gap = path.frames[after] - path.frames[before] - 1
    centre = (path.boxes[:, :2] + path.boxes[:, 2:]) / 2.0
    moved = np.linalg.norm(centre[after] - centre[before], axis=1)
    height = path.boxes[:, 3] - path.boxes[:, 1]
    stood = moved <= rule.standing * np.minimum(height[before], height[after])
    answer: Mask = seen | (gap <= rule.fill) | stood
    return answer


def share_inside(boxes: Float, size: tuple[float, float]) -> Float:
    """Share of the area of each box that lies within the image, [M]."""
    within = np.clip(boxes, 0.0, (*size, *size))
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    share: Float = np.prod(within[:, 2:] - within[:, :2], axis=1) / area
    return share
