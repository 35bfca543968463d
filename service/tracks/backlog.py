"""Bytes of an upload that have come and that the decoder has not taken yet."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import deque
from pathlib import Path

from service.decoding.errors import StorageFailed

MEMORY = 1 << 20
PIECE = 1 << 18


class Backlog:
    """A queue of bytes, the first of them in memory and the rest in an unnamed file.

    For one writer and one reader, tasks of the same event loop.

    Parameters
    ----------
    directory : Path or None
        Where the file lies; None for the system's temporary folder.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._memory: deque[bytes] = deque()
        self._in_memory = 0
        self._file: int | None = None
        self._written = 0
        self._read = 0
        self._finished = False
        self._discarding = False
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    @property
    def full(self) -> bool:
        """Whether there is enough for the decoder to go on with."""
        return self._in_memory >= MEMORY or self._read < self._written

    async def room(self, seconds: float) -> None:
        """Wait until the backlog is no longer full, but no longer than ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                await self._room.wait()
        except TimeoutError:
            return

    async def put(self, data: bytes) -> None:
        """Append bytes; those that do not fit into memory are written to disk.

        Raises
        ------
        StorageFailed
            The disk has no room.
        """
        if self._discarding:
            return
        if self.full:
            await self._to_disk(data)
        else:
            self._memory.append(data)
            self._in_memory += len(data)
        if self.full:
            self._room.clear()
        self._changed.set()

    async def get(self) -> bytes:
        """The next bytes, in the order they came; none once all of a finished upload is taken.

        Raises
        ------
        StorageFailed
            The disk does not give them back.
        """
        while True:
            if self._memory:
                data = self._memory.popleft()
                self._in_memory -= len(data)
            elif self._read < self._written:
                data = await self._from_disk()
            elif self._finished:
                return b""
            else:
                self._changed.clear()
                await self._changed.wait()
                continue
            if not self.full:
                self._room.set()
            return data

    def finish(self) -> None:
        """Nothing more will come."""
        self._finished = True
        self._changed.set()

    def discard(self) -> None:
        """Nobody takes anything any more: forget what is here and what will come."""
        self._discarding = True
        self._memory.clear()
        self._in_memory = 0
        self._read = self._written
        self._room.set()

    def close(self) -> None:
        """Forget everything and give the file back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    async def _to_disk(self, data: bytes) -> None:
        if self._file is None:
            self._file = unnamed_file(self._directory)
        await asyncio.to_thread(write_all, self._file, data, self._written)
        self._written += len(data)

    async def _from_disk(self) -> bytes:
        assert self._file is not None  # noqa: S101
        size = min(PIECE, self._written - self._read)
        try:
            data = await asyncio.to_thread(os.pread, self._file, size, self._read)
        except OSError as error:
            raise StorageFailed("the disk of the server does not give the upload back") from error
        self._read += len(data)
        return data


def unnamed_file(directory: Path | None) -> int:
    """Descriptor of a file on disk that goes when it is closed, whatever happens.

    Raises
    ------
    StorageFailed
        The disk has no room for one more.
    """
    try:
        with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
            return os.dup(file.fileno())
    except OSError as error:
        raise StorageFailed("the disk of the server has no room for the upload") from error


def write_all(descriptor: int, data: bytes, offset: int) -> None:
    """Write all of ``data`` at ``offset``.

    Raises
    ------
    StorageFailed
        The disk has no room for it.
    """
    view = memoryview(data)
    try:
        while view:
            count = os.pwrite(descriptor, view, offset)
            view, offset = view[count:], offset + count
    except OSError as error:
        raise StorageFailed("the disk of the server has no room for the upload") from error
