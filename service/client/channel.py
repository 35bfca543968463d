"""A connection that one thread reads from while another one writes to it.

TLS keeps both directions in one state, which only one thread may touch at a time. So the socket
never blocks: what waits, waits outside of the lock.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import TypeVar

READ_BYTES = 1 << 16

T = TypeVar("T")


class Channel:
    """Both directions of a connected socket.

    Parameters
    ----------
    sock : socket
        Connected; with TLS, after its handshake.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._lock = Lock()

    def receive(self, seconds: float | None) -> bytes:
        """The next bytes; none at the end.

        Raises
        ------
        TimeoutError
            Nothing came in time.
        """
        return self._do(partial(self._sock.recv, READ_BYTES), selectors.EVENT_READ, seconds)

    def send(self, data: bytes) -> None:
        """Send all of the data, as fast as it is taken; `hang_up` ends the waiting."""
        left = memoryview(data)
        while left:
            left = left[self._do(partial(self._sock.send, left), selectors.EVENT_WRITE, None) :]

    def hang_up(self) -> None:
        """Wake both threads from whatever they wait for: the connection is over."""
        with self._lock, contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Free the socket; no thread may use it any more."""
        self._sock.close()

    def _do(self, operation: Callable[[], T], event: int, seconds: float | None) -> T:
        while True:
            try:
                with self._lock:
                    return operation()
            except ssl.SSLWantReadError:
                wanted = selectors.EVENT_READ
            except ssl.SSLWantWriteError:
                wanted = selectors.EVENT_WRITE
            except BlockingIOError:
                wanted = event
            with selectors.DefaultSelector() as ready:
                ready.register(self._sock, wanted)
                if not ready.select(seconds):
                    raise TimeoutError
