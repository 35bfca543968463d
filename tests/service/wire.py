"""A client that is in charge of every byte: sends in pieces, reads lines, leaves in the middle."""

from __future__ import annotations

import functools
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, ParamSpec, Self

import h11

from tests.service.gate import WAIT

P = ParamSpec("P")


class Wire:
    """One request with a chunked body on a connection of its own."""

    def __init__(self, address: str, target: str, **headers: str) -> None:
        host, port = address.removeprefix("http://").split(":")
        self._socket = socket.create_connection((host, int(port)), timeout=WAIT)
        self._http = h11.Connection(h11.CLIENT)
        self._text = b""
        named = [(name.replace("_", "-"), value) for name, value in headers.items()]
        fields = [("Host", host), ("Transfer-Encoding", "chunked"), *named]
        self._put(h11.Request(method="POST", target=target, headers=fields))

    def send(self, data: bytes) -> None:
        """Send a piece of the body."""
        self._put(h11.Data(data=data))

    def finish(self) -> None:
        """End the body."""
        self._put(h11.EndOfMessage())

    def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the answer."""
        event = self._next()
        assert isinstance(event, h11.Response)
        return event.status_code, {k.decode(): v.decode() for k, v in event.headers}

    def body(self) -> bytes:
        """All of the answer."""
        body = b""
        while isinstance(event := self._next(), h11.Data):
            body += event.data
        return body

    def line(self) -> dict[str, Any]:
        """The next line of the answer; fails where it ends before."""
        while b"\n" not in self._text:
            event = self._next()
            if isinstance(event, h11.Response):
                assert event.status_code == 200
                continue
            assert isinstance(event, h11.Data), "the answer ended"
            self._text += event.data
        text, _, self._text = self._text.partition(b"\n")
        message: dict[str, Any] = json.loads(text)
        return message

    def lines(self) -> Iterator[dict[str, Any]]:
        """The lines until the last one."""
        while True:
            line = self.line()
            yield line
            if line["type"] in ("end", "error"):
                return

    def vanish(self) -> None:
        """Leave without a word: the connection is reset."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def _put(self, event: h11.Event) -> None:
        data = self._http.send(event)
        assert data is not None
        self._socket.sendall(data)

    def _next(self) -> h11.Event | type[h11.PAUSED]:
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(self._socket.recv(1 << 16))
            elif isinstance(event, h11.InformationalResponse):
                continue
            else:
                assert not isinstance(event, type) or event is h11.PAUSED
                return event

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.close()


class TooLate(AssertionError):
    """Something did not become true in time."""


def wait_until(true: Callable[[], bool], seconds: float = WAIT) -> None:
    """Until something is true; fails with `TooLate` when it is not in time."""
    tick = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if true():
            return
        tick.wait(0.01)
    raise TooLate(f"not true within {seconds:g} s")


def in_time(test: Callable[P, None]) -> Callable[P, None]:
    """A test of a short limit, which has to hold in one of three attempts.

    A machine that is busy with something else may hold up any of them; a server that is too slow
    is so in all.
    """

    @functools.wraps(test)
    def attempts(*arguments: P.args, **named: P.kwargs) -> None:
        for _ in range(2):
            with suppress(TooLate):
                return test(*arguments, **named)
        return test(*arguments, **named)

    return attempts
