"""Follow objects through video: what a user imports.

``DeepSort`` is the tracker to use; ``Sort``, ``ByteTrack`` and ``BoTSort`` are here to compare,
``refine`` improves tracks after the last frame.
"""

from tracker.deepsort import DeepSort
from tracker.presets import PRESETS, BoTSort, ByteTrack, Sort, make_tracker
from tracker.refine import refine
from tracker.settings import Settings, Span
from tracker.types import Tracker, Tracks

__all__ = [
    "PRESETS",
    "BoTSort",
    "ByteTrack",
    "DeepSort",
    "Settings",
    "Sort",
    "Span",
    "Tracker",
    "Tracks",
    "make_tracker",
    "refine",
]
