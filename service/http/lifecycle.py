"""The end of the server: unready at once, while what runs is given time to end."""

from __future__ import annotations

import threading
from collections.abc import Callable

from service.errors import ShuttingDown


class Shutdown:
    """Whether the server is about to end, and who wants to know at once.

    Attributes
    ----------
    begun : threading.Event
        Set when the signal came, before anything is closed.
    failure : Exception or None
        What kept the server from starting.
    """

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.failure: Exception | None = None
        self._callbacks: list[Callable[[], None]] = []

    def on_begin(self, callback: Callable[[], None]) -> None:
        """Have a callback called once when the end begins; it must not block."""
        self._callbacks.append(callback)

    def begin(self) -> None:
        """Refuse new work from now on; not to be called inside a signal handler."""
        if self.begun.is_set():
            return
        self.begun.set()
        for callback in self._callbacks:
            callback()

    def check(self) -> None:
        """Refuse new work once the end has begun.

        Raises
        ------
        ShuttingDown
            It has begun.
        """
        if self.begun.is_set():
            raise ShuttingDown("the server is shutting down and takes no new work")
