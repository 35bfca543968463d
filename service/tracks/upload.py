"""The body of a request as it comes, and read on while it is already answered."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator
from pathlib import Path

from starlette.types import Receive

from service.decoding.containers import HEAD_BYTES, Outline, recognise
from service.decoding.errors import TruncatedVideo
from service.errors import UnreadableMedia, UnsupportedMedia
from service.http.multipart import boundary_of, part
from service.tracks.backlog import PIECE, unnamed_file, write_all

RAW_TYPES = frozenset(
    {
        "",  # none given: the first bytes decide, as they do in the end for all
        "application/mp4",
        "application/octet-stream",
        "application/x-matroska",
        "application/x-www-form-urlencoded",  # what curl says of --data-binary
        "image/gif",
    }
)
"""Types of a body that is the video itself, beside all of ``video/``."""

MOST_BEFORE_INDEX = 1 << 20
"""Bytes of an MP4 that are looked through for its index before it is put on disk."""


def form_boundary(content_type: str) -> bytes | None:
    """The boundary of a form that has the video as a part; None where the body is the video.

    Raises
    ------
    UnsupportedMedia
        No video is of this type.
    UnreadableMedia
        A form that names no boundary.
    """
    declared = content_type.partition(";")[0].strip().lower()
    boundary = boundary_of(content_type)
    if boundary is None and declared not in RAW_TYPES and not declared.startswith("video/"):
        raise UnsupportedMedia(
            "Content-Type: video/mp4 or another of video, application/octet-stream or "
            f"multipart/form-data was expected, got {declared!r}"
        )
    return boundary


class ClientGone(Exception):
    """The client closed the connection: there is nobody to answer any more."""


class Upload:
    """One request's body. `service.http.limits.BodyLimit` bounds its bytes and its pauses.

    Parameters
    ----------
    receive : callable
        The request's ASGI ``receive``.

    Attributes
    ----------
    complete : bool
        Whether all of the body has come.
    last_byte : float
        ``time.monotonic`` when bytes came last.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.complete = False
        self.last_byte = time.monotonic()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body in pieces, none of them empty.

        Raises
        ------
        ClientGone
            The client left.
        TooLarge, UploadStalled
            It has too many bytes, or they stopped coming.
        """
        while not self.complete:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            self.complete = not message.get("more_body", False)
            self.last_byte = time.monotonic()
            if message.get("body"):
                yield message["body"]

    async def gone(self) -> None:
        """Wait until the client has left; once the upload is complete."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


class VideoUpload:
    """The video in an upload: what it is, and its bytes.

    Use `begin` to make one.

    Attributes
    ----------
    outline : Outline
        The file's structure as far as it has come.
    """

    def __init__(self, chunks: AsyncGenerator[bytes, None]) -> None:
        self._chunks = chunks
        self._head = b""
        self.outline: Outline

    @classmethod
    async def begin(cls, upload: Upload, boundary: bytes | None) -> VideoUpload:
        """Read as much as tells what the video is and whether it can be decoded as it comes.

        Raises
        ------
        UnreadableMedia, UnsupportedMedia
            There is no video, or none of a kind that is taken.
        """
        chunks = upload.chunks()
        self = cls(chunks if boundary is None else part(chunks, boundary, "video"))
        await self._read_until(HEAD_BYTES)
        if not self._head:
            raise UnreadableMedia("a video was expected as the body, it is empty")
        self.outline = Outline(recognise(self._head))
        self.outline.feed(self._head)
        while self.outline.streamable is None and len(self._head) < MOST_BEFORE_INDEX:
            known = len(self._head)
            await self._read_until(known + 1)
            self.outline.feed(self._head[known:])
            if len(self._head) == known:
                break
        return self

    async def _read_until(self, size: int) -> None:
        while len(self._head) < size:
            data = await anext(self._chunks, b"")
            if not data:
                return
            self._head += data

    async def bytes(self) -> AsyncGenerator[bytes, None]:
        """The whole video in pieces, followed by the outline."""
        head, self._head = self._head, b""
        yield head
        async for data in self._chunks:
            self.outline.feed(data)
            yield data

    async def to_disk(self, directory: Path | None) -> int:
        """Put the whole video into an unnamed file; answers its descriptor.

        Raises
        ------
        TruncatedVideo
            All has come and the index of the MP4 was not in it.
        StorageFailed
            The disk has no room.
        """
        file = unnamed_file(directory)
        try:
            await self.save(file)
        except BaseException:
            os.close(file)
            raise
        return file

    async def save(self, file: int) -> None:
        """Put the whole video into an open file; raises as `to_disk` does."""
        offset, pending = 0, bytearray()
        async for data in self.bytes():
            pending += data
            if len(pending) >= PIECE:
                await asyncio.to_thread(write_all, file, bytes(pending), offset)
                offset += len(pending)
                pending.clear()
        await asyncio.to_thread(write_all, file, bytes(pending), offset)
        if not self.outline.has_index:
            raise TruncatedVideo("the MP4 has no index (moov box): its end is missing")
