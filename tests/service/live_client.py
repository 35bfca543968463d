"""What callers of ``/v1/live`` do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.service.clips import picture
from tests.service.gate import WAIT
from tests.service.pictures import encode

LOSSLESS = {"embedder": "none", "mode": "lossless", "fps": 10}


def photo(number: int) -> bytes:
    """Frame ``number`` of the clips as a JPEG."""
    return encode(picture(number), "JPEG", quality=95)


@contextmanager
def live(
    address: str, config: dict[str, Any] | str | bytes | None = None, **options: Any
) -> Iterator[ClientConnection]:
    """A connection whose first message is sent already; none where it is None."""
    url = address.replace("http", "ws") + "/v1/live"
    with connect(url, open_timeout=WAIT, close_timeout=WAIT, **options) as socket:
        if config is not None:
            socket.send(json.dumps(config) if isinstance(config, dict) else config)
        yield socket


def hear(socket: ClientConnection) -> dict[str, Any]:
    """The next message."""
    said: dict[str, Any] = json.loads(socket.recv(WAIT))
    return said


def finish(socket: ClientConnection) -> list[dict[str, Any]]:
    """Say that there are no more frames; the messages up to the close, whatever its code."""
    socket.send('{"type":"end"}')
    said: list[dict[str, Any]] = []
    with suppress(ConnectionClosed):
        while True:
            said.append(hear(socket))
    return said
