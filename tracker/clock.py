"""Time between frames, in frames: from timestamps where they are given, else one."""

from __future__ import annotations

import math
from collections import deque

from models.errors import InvalidInput

REMEMBERED = 31
"""Intervals whose median is taken for the interval of the video."""


class Clock:
    """Turns timestamps in seconds into steps in frames.

    A step is the time since the frame before, divided by the median interval: 1 for a video that
    runs evenly, with small deviations where timestamps are rounded, 2 after a dropped frame.
    """

    def __init__(self) -> None:
        self._last: float | None = None
        self._intervals: deque[float] = deque(maxlen=REMEMBERED)

    @property
    def fps(self) -> float | None:
        """Frames a second, from the median interval; None while no two timestamps came."""
        return 1.0 / self._median() if self._intervals else None

    def step(self, timestamp: float | None) -> float:
        """Frames since the call before; 1 for the first and without timestamps.

        Raises
        ------
        InvalidInput
            The timestamp is not finite or not later than the one before.
        """
        frames = self.since(timestamp)
        self.tick(timestamp)
        return frames

    def since(self, timestamp: float | None) -> float:
        """What :meth:`step` answers, without going on."""
        if timestamp is None:
            return 1.0
        if not math.isfinite(timestamp):
            raise InvalidInput(f"timestamp: expected finite seconds, got {timestamp}")
        if self._last is None:
            return 1.0
        if timestamp <= self._last:
            raise InvalidInput(
                f"timestamp: expected seconds later than {self._last}, those of the frame before, "
                f"got {timestamp}; reset() the tracker before another video"
            )
        interval = timestamp - self._last
        return interval / (self._median() if self._intervals else interval)

    def tick(self, timestamp: float | None) -> None:
        """Go on to a timestamp that :meth:`since` has taken."""
        if timestamp is None:
            return
        if self._last is not None:
            self._intervals.append(timestamp - self._last)
        self._last = timestamp

    def _median(self) -> float:
        return sorted(self._intervals)[len(self._intervals) // 2]
