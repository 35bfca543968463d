"""Servers that answer what they are told to, right or wrong."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

from tests.service.gate import WAIT

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n"
NAMES = {"session": "s", "model": "fake", "tracker": "deepsort", "embedder": "none"}
SIZE = {"width": 160, "height": 120, "fps": 10.0, "frames": None}


def line(**message: Any) -> bytes:
    """A line of a stream."""
    return json.dumps(message).encode() + b"\n"


HEADER = line(type="header", **NAMES, **SIZE)


def frame(number: int, *ids: int) -> bytes:
    """The line of a frame with tracks."""
    box = dict.fromkeys(("x1", "y1", "x2", "y2"), 1.5)
    one = {"name": "red", "class": 0, "confidence": 0.5, "box": box, "predicted": False}
    return line(
        type="frame", frame=number, time=0.0, objects=[one | {"track_id": track} for track in ids]
    )


def problem(status: int, retry_after: str | None = None, **members: Any) -> bytes:
    """A whole answer that refuses."""
    body = json.dumps({"title": "No", "status": status, **members}).encode()
    fields = [f"HTTP/1.1 {status} No", f"Content-Length: {len(body)}", "Connection: close"]
    fields += [f"Retry-After: {retry_after}"] if retry_after is not None else []
    return "\r\n".join([*fields, "", ""]).encode() + body


@contextmanager
def answering(*answers: bytes) -> Iterator[str]:
    """A server that reads a request's head, answers these bytes and hangs up: one a connection."""

    def serve() -> None:
        for answer in answers:
            connection, _ = listener.accept()
            connection.settimeout(WAIT)
            # A client that has what it wants may reset the connection.
            with connection, suppress(ConnectionError):
                head = b""
                while b"\r\n\r\n" not in head:
                    piece = connection.recv(65536)
                    assert piece, "the client left before the end of its request's head"
                    head += piece
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
                # Until the client has hung up too: closing earlier would reset what it reads.
                while connection.recv(65536):
                    pass

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.settimeout(WAIT)
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(WAIT)
        assert not thread.is_alive(), "the client did not come as often as expected"
