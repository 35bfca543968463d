"""What keeps one caller from taking everything: bodies, stalls, and requests at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import QueueFull, TooLarge, UploadStalled
from service.http.responses import refusal_for
from service.settings import Settings

T = TypeVar("T")

VIDEO_ROUTES = ("/v1/track", "/v1/videos")
LINGER_SECONDS = 2.0
LINGER_BYTES = 4 * 1024 * 1024


class BodyLimit:
    """ASGI middleware that counts a body as it comes, and gives up on one that has stopped coming.

    Parameters
    ----------
    app : ASGIApp
        What it wraps.
    settings : Settings
        Bytes of image and of video requests, and the seconds that a body may take or stand still.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        video = scope["path"].startswith(VIDEO_ROUTES)
        settings = self._settings
        most = settings.max_video_bytes if video else settings.max_image_bytes
        seconds = settings.max_video_seconds if video else settings.max_body_seconds
        try:
            refuse_declared(Headers(scope=scope).get("content-length"), most)
        except TooLarge as error:
            await _refuse_early(scope, receive, send, error)
            return
        body = _CountedBody(receive, most, settings.stall_seconds, seconds)
        await self._app(scope, body.receive, body.closing(send))


class _CountedBody:
    """The messages of one request's body, with its limits."""

    def __init__(
        self, receive: Receive, most: int, stall_seconds: float, whole_seconds: float
    ) -> None:
        self._receive = receive
        self._most = most
        self._stall_seconds = stall_seconds
        self._whole_seconds = self._left = whole_seconds
        self._seen = 0
        self._complete = False
        self._refused = False

    async def receive(self) -> Message:
        """The next message; raises where a limit is passed."""
        if self._complete:
            return await self._receive()
        # Only waiting counts: what holds an upload back here is not the caller's doing.
        began = time.monotonic()
        try:
            async with asyncio.timeout(min(self._stall_seconds, self._left)):
                message = await self._receive()
        except TimeoutError:
            self._refused = True
            raise UploadStalled(self._why()) from None
        self._left -= time.monotonic() - began
        self._seen += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        if self._seen > self._most:
            self._refused = True
            raise TooLarge(_too_many_bytes(self._most))
        return message

    def _why(self) -> str:
        if self._stall_seconds <= self._left:
            return f"no byte of the body came for {self._stall_seconds:g} s"
        return f"the body took longer to come than {self._whole_seconds:g} s"

    def closing(self, send: Send) -> Send:
        """``send``, which after a refusal in the middle of a body asks to close the connection."""

        async def send_closing(message: Message) -> None:
            if message["type"] == "http.response.start" and self._refused:
                headers = [*message.get("headers", []), (b"connection", b"close")]
                message = {**message, "headers": headers}
            await send(message)

        return send_closing


def refuse_declared(length: str | None, most: int) -> None:
    """Refuse a body by the length that its header declares, before any of it is read."""
    if length is not None and length.isdecimal() and int(length) > most:
        raise TooLarge(_too_many_bytes(most))


def _too_many_bytes(most: int) -> str:
    return f"a body of at most {most} bytes is taken here; GET /v1/info shows the limits"


async def _refuse_early(scope: Scope, receive: Receive, send: Send, error: TooLarge) -> None:
    """Answer before the body was read, and let a client that is still sending see the answer.

    A connection that is closed with unread bytes in it is reset, and the reset may overtake the
    answer. So a little more of the body is read and thrown away before the answer ends.
    """
    response = refusal_for(scope, error)
    headers = [*response.raw_headers, (b"connection", b"close")]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    expects = Headers(scope=scope).get("expect", "").lower() == "100-continue"
    if not expects:
        await _drain(receive)
    await send({"type": "http.response.body", "body": b""})


async def _drain(receive: Receive) -> None:
    seen = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while seen < LINGER_BYTES:
                message = await receive()
                if not message.get("more_body", False):
                    return
                seen += len(message["body"])


class Admission:
    """How many requests of a kind may be under way at once; for the event loop's thread alone.

    Parameters
    ----------
    most : int
        Their number; one more is refused at once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._running = 0

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Hold a place while the block runs.

        Raises
        ------
        QueueFull
            All places are taken.
        """
        if self._running >= self._most:
            raise QueueFull(f"{self._most} requests are under way already; try again later")
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1


async def while_connected(request: Request, work: Awaitable[T]) -> T:
    """Wait for work, and cancel it as soon as the client has left.

    Parameters
    ----------
    request : Request
        Its body must have been read.
    work : awaitable
        Cancelled when the client leaves.

    Raises
    ------
    ClientDisconnect
        The client left first.
    """
    task = asyncio.ensure_future(work)
    listener = asyncio.create_task(_until_gone(request))
    try:
        await asyncio.wait({task, listener}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        task.cancel()
        listener.cancel()


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
