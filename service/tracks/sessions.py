"""How many videos are followed at once, and how all of them are told to end."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from service.errors import QueueFull, ShuttingDown
from service.tracks.session import Session


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
        """Let `shut_down` reach the session while the block runs."""
        with self._lock:
            self._running.add(session)
        try:
            yield
        finally:
            with self._lock:
                self._running.discard(session)

    def shut_down(self, grace_seconds: float = 0.0) -> None:
        """Take no new session; those that still run after the grace are told to end.

        Each of them says so in its last line. Does not wait.
        """
        with self._lock:
            self._ending = True
        timer = threading.Timer(grace_seconds, self._end_all)
        timer.daemon = True
        timer.start()

    def _end_all(self) -> None:
        with self._lock:
            running = list(self._running)
        for session in running:
            session.cancel(ShuttingDown("the server is shutting down"))
