"""The lines of a job for one reader: those that are there, then those that come."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any, BinaryIO

from service.jobs.errors import JobCancelled
from service.jobs.jobs import Jobs
from service.jobs.store import JobRecord
from service.schemas import Status
from service.tracks import lines

PIECE_BYTES = 256 * 1024
LOOK_SECONDS = 5.0
"""How often a reader of a job that says nothing is looked after: it may have left."""
_START = re.compile(rb'\{"type":"(header|frame|end)"(?:,"frame":(\d+))?')


class JobLines:
    """The track stream of a job.

    Parameters
    ----------
    jobs : Jobs
        Where it is.
    record : JobRecord
        The job.
    from_frame : int
        The first frame that is wanted.
    events : bool
        Whether the lines go out as server-sent events.
    """

    def __init__(self, jobs: Jobs, record: JobRecord, from_frame: int, events: bool) -> None:
        self._jobs = jobs
        self._record = record
        self._from_frame = from_frame
        self._events = events
        self._next_frame = 0
        self._ended = False

    async def follow(self, gone: Callable[[], Awaitable[bool]]) -> AsyncGenerator[bytes, None]:
        """The lines as they come, some of them at once, until the last one.

        Parameters
        ----------
        gone : callable
            Whether the reader has left; asked while there is nothing to send.
        """
        feed = await asyncio.to_thread(self._jobs.feed, self._record)
        path = self._jobs.folder(self._record.id).lines
        offset = 0
        with feed.following() as news:
            while True:
                news.clear()
                # In this order: what came before the end was announced is still read.
                ended, length = feed.ended, feed.length
                while offset < length and (
                    data := await asyncio.to_thread(_read, path, offset, length)
                ):
                    offset += len(data)
                    if chosen := b"".join(map(self._chosen, data.splitlines())):
                        yield chosen
                if self._ended:
                    return
                if ended:
                    yield await self._why(feed.reason)
                    return
                try:
                    async with asyncio.timeout(LOOK_SECONDS):
                        await news.wait()
                except TimeoutError:
                    if await gone():
                        return

    def _chosen(self, line: bytes) -> bytes:
        """A line as it goes out; nothing for a frame that is not wanted."""
        start = _START.match(line)
        if start is None:
            raise ValueError(f"a line of tracks was expected, got {line[:60]!r}")
        kind, number = start.groups()
        self._ended = kind == b"end"
        if kind == b"frame":
            self._next_frame = int(number) + 1
            if self._next_frame <= self._from_frame:
                return b""
        if not self._events:
            return line + b"\n"
        mark = b"id: %s\n" % number if kind == b"frame" else b""
        return mark + b"data: " + line + b"\n\n"

    async def _why(self, reason: Exception | None) -> bytes:
        """The last line of a stream that did not come to its end."""
        encode = lines.event if self._events else lines.ndjson
        if reason is not None:
            return encode(lines.error(reason, self._next_frame))
        record = await asyncio.to_thread(self._jobs.store.find, self._record.id)
        if record is None or record.status is not Status.FAILED:
            return encode(lines.error(JobCancelled("the job was removed"), self._next_frame))
        message: dict[str, Any] = {
            "type": "error",
            "code": record.error_code,
            "message": record.error_message,
            "frame": self._next_frame,
        }
        return encode(message)


def _read(path: Path, offset: int, length: int) -> bytes:
    """Whole lines from ``offset`` up to ``length`` at most; nothing once the job is removed."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return _whole_lines(file, min(length - offset, PIECE_BYTES))
    except FileNotFoundError:
        return b""


def _whole_lines(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if not data.endswith(b"\n"):
        data += file.readline()
    return data
