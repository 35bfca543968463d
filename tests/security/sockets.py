"""Bytes sent to a server as they are, right or wrong, and all that it says to them."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import suppress

from tests.service.gate import WAIT

ANSWER = re.compile(rb"HTTP/1\.1 (\d{3}) ")


def connect(address: str, wait: float = WAIT) -> socket.socket:
    """A connection to a server."""
    host, _, port = address.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=wait)


def until_closed(sock: socket.socket) -> bytes:
    """All that comes until the server closes the connection, or the wait for it is over."""
    said = b""
    try:
        while piece := sock.recv(65536):
            said += piece
    except (TimeoutError, ConnectionResetError):
        pass
    return said


def say(address: str, request: bytes, wait: float = WAIT) -> bytes:
    """All that a server says to some bytes."""
    with connect(address, wait) as sock:
        # It may have refused, and hung up, before it has all of them.
        with suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(request)
        return until_closed(sock)


def statuses(said: bytes) -> list[int]:
    """The statuses of the answers in what a server said."""
    return [int(status) for status in ANSWER.findall(said)]


def pour(sock: socket.socket, piece: bytes, most: int) -> int:
    """Send one piece again and again until the server hangs up; how many bytes went out."""
    sent = 0
    try:
        while sent < most:
            sock.sendall(piece)
            sent += len(piece)
    except (BrokenPipeError, ConnectionResetError):
        pass
    return sent


def resident() -> Iterator[int]:
    """Bytes that this process holds more than at the first call."""

    def now() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    first = now()
    while True:
        yield now() - first
