"""Both directions of a track request at once: upload to decoder, lines to client."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from typing import Any

from starlette.types import Send

from service.errors import ServiceError
from service.settings import Settings
from service.tracks.backlog import Backlog
from service.tracks.outbox import Outbox
from service.tracks.session import Session
from service.tracks.upload import ClientGone, Upload, VideoUpload

log = logging.getLogger(__name__)

READ_ON_SECONDS = 0.25
"""How long a decoder that is behind may hold up the upload before a little more of it is read:
reading is the only way to hear that the client has left."""


class Exchange:
    """One request under way.

    Parameters
    ----------
    upload : Upload
        The request's body.
    source : VideoUpload
        The video in it.
    session : Session
        What is done with it; cancelled when the client leaves, sends too much or stalls.
    outbox : Outbox
        Where the lines come from.
    settings : Settings
        Limits.
    feed : socket or None
        Where the decoder reads the video; None where it reads a file on disk.
    """

    def __init__(
        self,
        upload: Upload,
        source: VideoUpload,
        session: Session,
        outbox: Outbox,
        settings: Settings,
        feed: socket.socket | None,
    ) -> None:
        self._upload = upload
        self._source = source
        self._session = session
        self._feed = feed
        self._outbox = outbox
        self._stall_seconds = settings.stall_seconds
        self._backlog = Backlog(settings.spool_dir)
        self._sending_since: float | None = None

    async def run(
        self, send: Send, start: dict[str, Any], last: Callable[[Exception], bytes]
    ) -> None:
        """Read and answer until all is said or the client is gone.

        Parameters
        ----------
        send : callable
            The request's ASGI ``send``.
        start : dict
            The ASGI message that starts the answer; sent with the first line.
        last : callable
            Makes the last line of a failure.

        Raises
        ------
        Exception
            What failed before there was a first line.
        """
        listening = asyncio.create_task(self._listen())
        sending = asyncio.create_task(self._send(send, start, last))
        try:
            if await self._until_one_ends(listening, sending) and not sending.done():
                await self._give_up(listening, sending)
            if sending.done():
                sending.result()
        finally:
            self._session.cancel(ClientGone())
            self._outbox.close()
            listening.cancel()
            sending.cancel()
            await asyncio.gather(listening, sending, return_exceptions=True)
            self._backlog.close()

    async def _until_one_ends(self, *tasks: asyncio.Task[None]) -> bool:
        """Wait for the first of the tasks; False if the client took nothing for too long."""
        while (patience := self._patience) > 0:
            ended = asyncio.FIRST_COMPLETED
            if (await asyncio.wait(tasks, timeout=patience, return_when=ended))[0]:
                return True
        log.info("session %s: the client stopped reading", self._session.name)
        return False

    @property
    def _patience(self) -> float:
        """Seconds for which a client may still take nothing of the lines that are being sent.

        One that still uploads is not asked to read.
        """
        if self._sending_since is None:
            return self._stall_seconds
        since = self._sending_since
        if not self._upload.complete:
            since = max(since, self._upload.last_byte)
        return since + self._stall_seconds - time.monotonic()

    async def _give_up(self, listening: asyncio.Task[None], sending: asyncio.Task[None]) -> None:
        """The upload was refused half-way: say so in the last line. Or the client left: do not."""
        try:
            listening.result()
        except ServiceError:
            await self._until_one_ends(sending)

    async def _listen(self) -> None:
        """Read the upload, then listen on, until the client is gone."""
        writing = asyncio.create_task(self._write())
        try:
            if self._feed is not None:
                await self._read()
            await self._upload.gone()
        except ClientGone:
            return
        except ServiceError as refusal:
            # Before the feed is closed: the decoder takes that for the end of the file.
            self._session.cancel(refusal)
            raise
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def _read(self) -> None:
        """Read the upload as fast as the decoder takes it, and a little faster while it waits.

        A client may send all of its video before it reads a line, as most HTTP libraries do. So
        while it does not read, the upload is not held up: it goes to disk, up to its limit.
        """
        async for data in self._source.bytes():
            await self._backlog.put(data)
            if self._backlog.full and self._sending_since is None:
                await self._backlog.room(READ_ON_SECONDS)
        self._backlog.finish()

    async def _write(self) -> None:
        """Pass the upload on to the decoder, and then the end of the file."""
        if self._feed is None:
            return
        loop = asyncio.get_running_loop()
        self._feed.setblocking(False)
        with self._feed:
            while True:
                self._session.starved = True
                try:
                    data = await self._backlog.get()
                except ServiceError as error:
                    self._session.cancel(error)
                    return
                self._session.starved = False
                if not data:
                    return
                try:
                    await loop.sock_sendall(self._feed, data)
                except OSError:
                    # The decoder has all that it needs, or is dead; the session knows which.
                    self._backlog.discard()
                    return
                self._session.fed()

    async def _send(
        self, send: Send, start: dict[str, Any], last: Callable[[Exception], bytes]
    ) -> None:
        """Send lines as they come, as many at once as there are."""
        batch = await self._outbox.take()
        await send(start)
        while batch:
            if not await self._deliver(send, b"".join(batch)):
                return
            try:
                batch = await self._outbox.take()
            except Exception as failure:
                if not await self._deliver(send, last(failure)):
                    return
                break
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _deliver(self, send: Send, body: bytes) -> bool:
        """Send some lines; False if the client is gone."""
        self._sending_since = time.monotonic()
        try:
            await send({"type": "http.response.body", "body": body, "more_body": True})
        except OSError:
            # So do servers say, of the ASGI specification 2.4 and later, that the client left.
            return False
        finally:
            self._sending_since = None
        return True
