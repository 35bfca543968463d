"""The two ends of a live connection: what a WebSocket brings, and how it is closed."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect

from service.errors import (
    ShuttingDown,
    TooLarge,
    UnsupportedMedia,
    UploadStalled,
    kind_of,
    public_detail,
)
from service.live.query import LiveConfig
from service.settings import Settings
from service.tracks import lines

MOST_CONFIG = 64 * 1024
"""Characters of the first message: it is read before anything is known of the caller."""
REASON_BYTES = 123
"""All that a close frame has room for (RFC 6455, section 5.5)."""
GOING_AWAY, WRONG_TYPE, BAD_DATA, REFUSED, TOO_BIG, FAILED, TRY_LATER = (
    *(1001, 1003, 1007, 1008),
    *(1009, 1011, 1013),
)
_CODES = {400: BAD_DATA, 413: TOO_BIG, 415: WRONG_TYPE, 429: TRY_LATER, 503: TRY_LATER}
_END = {"type": "end"}


class LiveSocket:
    """Reads and writes one connection.

    Parameters
    ----------
    socket : WebSocket
        Accepted already.
    settings : Settings
        Largest frame, and how long a caller may be silent.
    """

    def __init__(self, socket: WebSocket, settings: Settings) -> None:
        self._socket = socket
        self._most = settings.max_image_bytes
        self._stall_seconds = settings.stall_seconds

    async def config(self) -> LiveConfig:
        """The first message.

        Raises
        ------
        InvalidInput
            It cannot be used.
        UnsupportedMedia
            It is binary.
        TooLarge
            It is too long.
        """
        message = await self._receive()
        text = message.get("text")
        if text is None:
            raise UnsupportedMedia("the first message is a JSON object with the parameters")
        if len(text) > MOST_CONFIG:
            raise TooLarge(f"a first message of at most {MOST_CONFIG} characters is taken")
        return LiveConfig.parse(text)

    async def take(self) -> bytes | None:
        """The next frame; None where the caller says that there are no more.

        Raises
        ------
        UnsupportedMedia
            It is neither.
        TooLarge
            A frame of too many bytes.
        UploadStalled
            Nothing came.
        WebSocketDisconnect
            The caller left.
        """
        message = await self._receive()
        data: bytes | None = message.get("bytes")
        if data is None:
            if _is_end(message["text"]):
                return None
            raise UnsupportedMedia('binary frames were expected, or {"type":"end"} after the last')
        if len(data) > self._most:
            raise TooLarge(f"a frame of at most {self._most} bytes is taken, got {len(data)}")
        return data

    async def say(self, message: dict[str, Any]) -> None:
        """Send a message.

        Raises
        ------
        WebSocketDisconnect
            The caller left, or does not read.
        """
        try:
            async with asyncio.timeout(self._stall_seconds):
                await self._socket.send_text(orjson.dumps(message).decode())
        except TimeoutError:
            raise WebSocketDisconnect(REFUSED, "the caller stopped reading") from None

    async def close(self) -> None:
        """All is said."""
        await self._socket.close()

    async def fail(self, error: Exception, next_frame: int) -> None:
        """Say what went wrong in a last message, and again in the close frame."""
        await self.say(lines.error(error, next_frame))
        reason = public_detail(error).encode()[:REASON_BYTES].decode(errors="ignore")
        await self._socket.close(close_code(error), reason)

    async def _receive(self) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self._stall_seconds):
                message: dict[str, Any] = dict(await self._socket.receive())
        except TimeoutError:
            raise UploadStalled(f"no message came for {self._stall_seconds:g} s") from None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message["code"], message.get("reason"))
        return message


def close_code(error: Exception) -> int:
    """The code of RFC 6455, section 7.4.1, for what went wrong."""
    if isinstance(error, ShuttingDown):
        return GOING_AWAY
    status = kind_of(error).status
    return _CODES.get(status, REFUSED if status < 500 else FAILED)


def _is_end(text: str) -> bool:
    try:
        said: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return said == _END
