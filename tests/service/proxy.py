"""A proxy between client and server that cuts connections in the middle of an answer."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.service.gate import WAIT


class Proxy:
    """Passes bytes on; the answer of each connection is cut after as many as ``cuts`` says.

    Connections for which ``cuts`` says nothing are left alone.
    """

    def __init__(self, address: str, cuts: Iterable[int]) -> None:
        host, _, port = address.removeprefix("http://").partition(":")
        self._server = (host, int(port))
        self._cuts = deque(cuts)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self._start(self._accept)

    def close(self) -> None:
        """Stop, and wait until every thread has."""
        for sock in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(WAIT)
            assert not thread.is_alive()
        for sock in (self._listener, *self._open):
            sock.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                server = socket.create_connection(self._server)
                self._open += (client, server)
                cut = self._cuts.popleft() if self._cuts else None
                self._start(self._pump, client, server, None)
                self._start(self._pump, server, client, cut)

    def _pump(self, source: socket.socket, target: socket.socket, left: int | None) -> None:
        with contextlib.suppress(OSError):
            while (left is None or left > 0) and (data := source.recv(4096)):
                target.sendall(data[:left])
                left = None if left is None else left - len(data)
        cut = left is not None and left <= 0
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR if cut else socket.SHUT_WR)
            if cut:
                source.shutdown(socket.SHUT_RDWR)

    def _start(self, what: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=what, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()


@contextmanager
def proxy(address: str, *cuts: int) -> Iterator[Proxy]:
    """A proxy for as long as the block runs."""
    made = Proxy(address, cuts)
    try:
        yield made
    finally:
        made.close()
