"""How many videos are followed at once, and how all of them are told to end."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from service.errors import QueueFull, ShuttingDown
from service.session import Session


class Sessions:
    """The places for sessions on one server; thread-safe.

    Parameters
    ----------
    most : int
        How many there are.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._taken = 0
        self._running: set[Session] = set()
        self._ending = False

    @property
    def count(self) -> int:
        """Places that are taken."""
        return self._taken

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place.

        Raises
        ------
        QueueFull
            All are taken.
        ShuttingDown
            The server ends.
        """
        with self._lock:
            if self._ending:
                raise ShuttingDown("the server is shutting down and takes no new video")
            if self._taken >= self._most:
                raise QueueFull(f"{self._most} videos are followed already; try again later")
            self._taken += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken -= 1

    @contextlib.contextmanager
    def running(self, session: Session) -> Iterator[None]:
        """Let the session be ended by `shut_down` while it runs."""
        with self._lock:
            self._running.add(session)
            ending = self._ending
        if ending:
            session.cancel(ShuttingDown("the server is shutting down"))
        try:
            yield
        finally:
            with self._lock:
                self._running.discard(session)

    def shut_down(self) -> None:
        """Take no new session and end those that run; each says so in its last line."""
        with self._lock:
            self._ending = True
            running = list(self._running)
        for session in running:
            session.cancel(ShuttingDown("the server is shutting down"))
