"""Ends a wait for descriptors from another thread."""

from __future__ import annotations

import os
import threading


class Wake:
    """Ends a wait in ``poll`` from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reader, self._writer = os.pipe()
        self._pending = False
        self._closed = False

    def fileno(self) -> int:
        """Readable once `set` was called."""
        return self._reader

    def set(self) -> None:
        """Wake whoever waits, now or the next time; nothing once it is closed."""
        with self._lock:
            if not self._pending and not self._closed:
                self._pending = True
                os.write(self._writer, b"\0")

    def clear(self) -> None:
        """Forget what was set."""
        with self._lock:
            if self._pending:
                os.read(self._reader, 1)
                self._pending = False

    def close(self) -> None:
        """Give the descriptors back."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._reader)
                os.close(self._writer)
