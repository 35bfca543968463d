"""News of one job that is not over, from the thread that runs it to the tasks that follow it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Feed:
    """How far a job's lines have come; thread-safe.

    Parameters
    ----------
    length : int
        Bytes of whole lines that are there already.

    Attributes
    ----------
    length : int
        Bytes of the file of lines that may be read.
    ended : bool
        Whether no more will come.
    reason : Exception or None
        Why they ended without a last line in the file.
    """

    def __init__(self, length: int = 0) -> None:
        self.length = length
        self.ended = False
        self.reason: Exception | None = None
        self._lock = threading.Lock()
        self._followers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def grow(self, length: int) -> None:
        """More lines can be read."""
        self.length = length
        self._tell()

    def end(self, reason: Exception | None = None) -> None:
        """No more lines will come; the first call counts."""
        with self._lock:
            if self.ended:
                return
            self.reason = reason
            self.ended = True
        self._tell()

    @contextmanager
    def following(self) -> Iterator[asyncio.Event]:
        """An event of the running loop that is set whenever there is news."""
        follower = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._followers.add(follower)
        try:
            yield follower[1]
        finally:
            with self._lock:
                self._followers.discard(follower)

    def _tell(self) -> None:
        with self._lock:
            for loop, news in self._followers:
                loop.call_soon_threadsafe(news.set)
