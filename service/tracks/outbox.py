"""Lines from a session's thread to the task that sends them: few, so that a slow reader is felt."""

from __future__ import annotations

import asyncio
import threading
from collections import deque

MOST_LINES = 64


class OutboxClosed(Exception):
    """Nobody reads any more."""


class Outbox:
    """A bounded queue from one thread to one task.

    Parameters
    ----------
    loop : asyncio.AbstractEventLoop
        Where `take` is awaited.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lines: deque[bytes] = deque()
        self._room = threading.Condition()
        self._arrived = asyncio.Event()
        self._closed = False
        self._ended = False
        self._failure: Exception | None = None

    def put(self, line: bytes) -> None:
        """Add a line; waits while too many are there already. The thread.

        Raises
        ------
        OutboxClosed
            The reader is gone.
        """
        with self._room:
            self._room.wait_for(lambda: self._closed or len(self._lines) < MOST_LINES)
            if self._closed:
                raise OutboxClosed
            self._lines.append(line)
        self._loop.call_soon_threadsafe(self._arrived.set)

    def end(self, failure: Exception | None = None) -> None:
        """There will be no more lines, because all is said or because of a failure. The thread."""
        with self._room:
            self._ended = True
            self._failure = failure
        self._loop.call_soon_threadsafe(self._arrived.set)

    async def take(self) -> list[bytes]:
        """All lines that are there, at least one; none at the end. The task.

        Raises
        ------
        Exception
            The failure given to `end`, once the lines before it are taken.
        """
        while True:
            self._arrived.clear()
            with self._room:
                lines = list(self._lines)
                self._lines.clear()
                self._room.notify()
                ended = self._ended
            if lines:
                return lines
            if ended:
                if self._failure is not None:
                    raise self._failure
                return []
            await self._arrived.wait()

    def close(self) -> None:
        """Nobody will take anything any more. The task."""
        with self._room:
            self._closed = True
            self._room.notify()
