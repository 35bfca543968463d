"""The settings of the online tracker, each with its unit and what it is for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from models.errors import UnknownName
from tracker.kalman import BoxFilter
from tracker.number import number


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time: a number of frames, or some seconds where they are more frames.

    Attributes
    ----------
    frames : float
        Counts alone while timestamps do not tell the frame rate.
    seconds : float
        At high frame rates a number of frames is too short for what moves at its own pace.
    """

    frames: float
    seconds: float

    def at(self, fps: float | None) -> float:
        """Frames at a frame rate; None for one that is not known."""
        return self.frames if fps is None else max(self.frames, self.seconds * fps)


@dataclass(frozen=True, slots=True)
class Settings:
    """What ``DeepSort()`` goes by; the defaults are those that are benchmarked.

    Attributes
    ----------
    filter : BoxFilter
        Motion model. Its velocity noise is larger than the paper's across the picture, for low
        frame rates, and the aspect ratio is smoothed rather than trusted: widths flicker as people
        walk.
    gate : float
        Highest squared Mahalanobis distance of a pair, in four dimensions. Far above the 0.95
        quantile of 9.49: real motion is no constant velocity, appearance decides inside the gate.
    confident : float
        Detections from this confidence on take part in the first pass, 0 to 1.
    low : float
        Detections from this confidence on can continue a track in the second pass, 0 to 1.
    look_alike : float
        Highest cosine distance of a pair in the first pass, 0 to 2.
    veto : float
        Highest cosine distance of a pair that overlap alone suggests, 0 to 2; not asked where the
        detection is mostly hidden and the overlap is that of an obvious pair.
    overlap : float
        Least IoU of a pair in the second pass.
    obvious : float
        A pair that overlaps by this IoU is taken without comparing appearance, if neither side
        has another one that overlaps by ``rival``.
    rival : float
        IoU from which another track or detection makes a pair ambiguous.
    stale : Span
        After so long an obvious pair is compared all the same, and its embedding learnt.
    ema : float
        Share of a track's mean embedding that one new embedding leaves, 0 to 1.
    recent : Span
        The second pass is for tracks whose last detection is at most so long ago.
    touch : float
        Least IoU of a pair in the first pass where there are no embeddings.
    faceless : Span
        A lost track is found again for so long where there are no embeddings.
    memory : Span
        A lost track is remembered for so long.
    left : Span
        A lost track that is expected outside of the image is remembered for so long.
    coast : Span
        A track without a detection is shown at its predicted place for so long.
    coast_hidden : Span
        The same where a nearer track covers that place.
    coast_hits : int
        Detections that a track needs to be shown without one.
    birth : float
        Least confidence of a detection that starts a track, 0 to 1.
    birth_open : float
        The same for one that no nearer detection covers: where people stand close together, what
        is faint is a part of somebody who has a track already.
    duplicate : float
        A detection that overlaps a visible track by this IoU starts none.
    evidence : float
        Sum of (confidence - ``doubt``) over its detections that confirms a tentative track: one of
        0.8 or two of 0.55.
    doubt : float
        Confidence that speaks neither for an object nor against it, 0 to 1.
    faint : float
        Tracks whose confidence, averaged over some ten detections, is lower are not shown.
    posterior : tuple of three floats
        Weights of the filter's x, y and height against the detection's in the box that is shown, 0
        to 1. The aspect ratio is the filter's.
    unsure_noise : float
        Measurement variance grows by this factor, times how much of the detection is hidden and
        how far its confidence is below 0.6.
    truncated : float
        Share of a detection that a nearer one hides from which a height below the expected one is
        taken for a cut: the upper edge counts, the size is the filter's.
    clear : float
        Embeddings of detections that are hidden by more than this share are not learnt.
    reenter : bool
        Who left the image may come back as the same; MOT's convention is that they do not.
    per_class : bool
        Pair tracks and detections within a class only; else a track's class is its detections'
        vote.
    """

    filter: BoxFilter = field(
        default_factory=lambda: BoxFilter(velocity=1 / 120, depth=0.5, aspect=(0.05, 0.02, 1e-5))
    )
    gate: float = 50.0
    confident: float = 0.4
    low: float = 0.1
    look_alike: float = 0.35
    veto: float = 0.35
    overlap: float = 0.5
    obvious: float = 0.6
    rival: float = 0.2
    stale: Span = Span(5, 0.2)
    ema: float = 0.9
    recent: Span = Span(5, 0.2)
    touch: float = 0.2
    faceless: Span = Span(30, 1.2)
    memory: Span = Span(120, 4.8)
    left: Span = Span(3, 0.12)
    coast: Span = Span(4, 0.16)
    coast_hidden: Span = Span(10, 0.4)
    coast_hits: int = 5
    birth: float = 0.55
    birth_open: float = 0.5
    duplicate: float = 0.4
    evidence: float = 0.5
    doubt: float = 0.3
    faint: float = 0.4
    posterior: tuple[float, float, float] = (0.5, 0.8, 0.8)
    unsure_noise: float = 8.0
    truncated: float = 0.25
    clear: float = 0.4
    reenter: bool = False
    per_class: bool = False


def ready(settings: Settings) -> Settings:
    """The same settings, each number as :func:`~tracker.number.number` gives it."""
    numbers: dict[str, Any] = {}
    for setting in fields(settings):
        value = getattr(settings, setting.name)
        if isinstance(value, Span):
            numbers[setting.name] = Span(number(value.frames), number(value.seconds))
        elif isinstance(value, float):
            numbers[setting.name] = number(value)
    return replace(settings, **numbers)


def changed(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """Settings with some fields replaced.

    Raises
    ------
    UnknownName
        There is no such setting.
    """
    known = [field.name for field in fields(settings)]
    for name in changes:
        if name not in known:
            raise UnknownName(f"settings: {name!r} is none of {', '.join(known)}")
    return replace(settings, **changes)
