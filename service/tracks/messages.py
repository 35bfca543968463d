"""The messages of one track stream, with counts where they are asked for."""

from __future__ import annotations

import time
from typing import Any

from service.counting.counts import Counter
from service.counting.query import Counting
from service.decoding.video import VideoEnd, VideoInfo
from service.tracks import lines
from service.tracks.session import FrameTracks


class Messages:
    """Turns what a session says into messages.

    Parameters
    ----------
    names : lines.Names
        For the header.
    counting : Counting
        What is counted.
    began : float
        ``time.monotonic`` when the request came.
    """

    def __init__(self, names: lines.Names, counting: Counting, began: float) -> None:
        self._names = names
        self._counting = counting
        self._began = began
        self._counter: Counter | None = None
        self._frames = 0
        self._ids: set[int] = set()

    def of(self, item: VideoInfo | FrameTracks | VideoEnd) -> dict[str, Any]:
        """The message of an item; they come in the order in which the session says them."""
        if isinstance(item, VideoInfo):
            self._counter = self._counting.counter(item.width, item.height)
            return lines.header(self._names, item)
        if isinstance(item, FrameTracks):
            return self._frame(item)
        elapsed = time.monotonic() - self._began
        end = lines.end(self._frames, len(self._ids), elapsed, item.damaged)
        return end | counted(self._counter)

    def _frame(self, item: FrameTracks) -> dict[str, Any]:
        self._frames += 1
        self._ids.update(item.tracks.ids.tolist())
        return counted_frame(item, self._counter)


def counted_frame(item: FrameTracks, counter: Counter | None) -> dict[str, Any]:
    """The message of one frame, which the counter takes."""
    message = lines.frame(item)
    if counter is None:
        return message
    events = counter.update(item.tracks, item.detections.names, item.time)
    return message | {"counts": counter.totals() | {"events": events}}


def counted(counter: Counter | None) -> dict[str, Any]:
    """What ``end`` says besides the rest."""
    return {} if counter is None else {"counts": counter.totals()}
