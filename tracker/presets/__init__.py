"""Trackers by name: Trackline's own, and published ones built from the same parts to compare."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from models.errors import UnknownName
from tracker.base import OnlineTracker
from tracker.deepsort import DeepSort
from tracker.presets.botsort import BoTSort, BoTSortSettings
from tracker.presets.bytetrack import ByteTrack, ByteTrackSettings
from tracker.presets.paper import PaperSettings, PaperTracker
from tracker.presets.sort import Sort, SortSettings
from tracker.settings import Settings
from tracker.types import Tracker

__all__ = [
    "PRESETS",
    "BoTSort",
    "BoTSortSettings",
    "ByteTrack",
    "ByteTrackSettings",
    "PaperSettings",
    "PaperTracker",
    "Preset",
    "Sort",
    "SortSettings",
    "make_tracker",
]


@dataclass(frozen=True, slots=True)
class Preset:
    """A tracker that can be asked for by name.

    Attributes
    ----------
    settings : type
        The dataclass of its settings; the defaults are the published ones.
    engine : type or None
        The tracker that takes them; None stands for :class:`tracker.DeepSort`.
    source : str
        Where it was published.
    """

    settings: type[Any]
    engine: type[Any] | None
    source: str


PRESETS: dict[str, Preset] = {
    "deepsort": Preset(Settings, None, "Trackline, docs/tracker.md"),
    "deepsort-paper": Preset(PaperSettings, PaperTracker, "Wojke et al., ICIP 2017"),
    "sort": Preset(SortSettings, Sort, "Bewley et al., ICIP 2016"),
    "bytetrack": Preset(ByteTrackSettings, ByteTrack, "Zhang et al., ECCV 2022"),
    "botsort": Preset(BoTSortSettings, BoTSort, "Aharon et al., arXiv 2206.14651"),
}


def make_tracker(name: str, *, delay: int = 0, **settings: Any) -> Tracker:
    """Build a tracker by name.

    Parameters
    ----------
    name : str
        One of ``PRESETS``.
    delay : int
        Frames by which each answer is held back for smoothing and filling, as in
        :class:`tracker.DeepSort`.
    **settings
        Fields of the preset's settings that shall differ from their defaults.

    Raises
    ------
    UnknownName
        There is no such tracker, or it has no such setting.
    """
    if name not in PRESETS:
        raise UnknownName(f"tracker: expected one of {', '.join(PRESETS)}, got {name!r}")
    preset = PRESETS[name]
    known = [field.name for field in fields(preset.settings) if field.init]
    unknown = [setting for setting in settings if setting not in known]
    if unknown:
        raise UnknownName(
            f"tracker {name}: expected settings among {', '.join(known)}, got {unknown[0]!r}"
        )
    chosen = preset.settings(**settings)
    if preset.engine is None:
        return DeepSort(chosen, delay=delay)
    engine: OnlineTracker = preset.engine(chosen)
    return DeepSort(engine=engine, delay=delay) if delay else engine
