"""The video of a request: its bytes in pieces, and whether they can be had a second time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TypeAlias

from models.errors import InvalidInput

Source: TypeAlias = str | Path | bytes | Iterable[bytes]
"""A video by its path, by its content, or in pieces as they come to be."""
AsyncSource: TypeAlias = Source | AsyncIterable[bytes]
"""The same, or pieces that are awaited."""

PIECE_BYTES = 1 << 17


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a request is.

    Attributes
    ----------
    sent : int
        Bytes that are sent.
    size : int or None
        Bytes that there are to send; None where nobody knows.
    frames : int
        Frames that were answered.
    total : int or None
        Frames that there will be; None where the file does not say it.
    """

    sent: int
    size: int | None
    frames: int
    total: int | None


OnProgress: TypeAlias = Callable[[Progress], object]
"""Told of every piece that is sent and of every frame that comes; never twice at once."""


@dataclass(slots=True)
class Meter:
    """Counts what goes out and what comes in, which may be in two threads."""

    on_progress: OnProgress | None = None
    size: int | None = None
    total: int | None = None
    _sent: int = 0
    _frames: int = 0
    _lock: Lock = field(default_factory=Lock)

    def sending(self) -> None:
        """The video is sent from its beginning."""
        self._sent = 0

    def sent(self, count: int) -> None:
        """So many more bytes are sent."""
        with self._lock:
            self._sent += count
            self._tell()

    def frame(self) -> None:
        """One more frame is answered."""
        with self._lock:
            self._frames += 1
            self._tell()

    def _tell(self) -> None:
        if self.on_progress is not None:
            self.on_progress(Progress(self._sent, self.size, self._frames, self.total))


class Body:
    """A video as the body of a request.

    Parameters
    ----------
    source : AsyncSource
        The video.
    meter : Meter
        Counts what is sent.

    Attributes
    ----------
    size : int or None
        In bytes, where it is known.
    again : bool
        Whether it can be sent (again) from its beginning.

    Raises
    ------
    InvalidInput
        There is no file at the path.
    """

    def __init__(self, source: AsyncSource, meter: Meter) -> None:
        self._source = existing(source) if isinstance(source, str | Path) else source
        self._meter = meter
        self.again = True
        if isinstance(self._source, Path):
            self.size: int | None = self._source.stat().st_size
        else:
            self.size = len(self._source) if isinstance(self._source, bytes) else None
        meter.size = self.size

    def pieces(self) -> Iterator[bytes]:
        """The video from its beginning."""
        self._meter.sending()
        for piece in self._read():
            yield piece
            self._meter.sent(len(piece))

    async def apieces(self) -> AsyncIterator[bytes]:
        """The same; files are read, and pieces are made, in a thread."""
        self._meter.sending()
        async for piece in self._aread():
            yield piece
            self._meter.sent(len(piece))

    def _read(self) -> Iterator[bytes]:
        source = self._source
        if isinstance(source, bytes):
            yield from (source[i : i + PIECE_BYTES] for i in range(0, len(source), PIECE_BYTES))
        elif isinstance(source, Path):
            with source.open("rb") as file:
                while piece := file.read(PIECE_BYTES):
                    yield piece
        elif isinstance(source, Iterable):
            self.again = False
            yield from source
        else:
            raise InvalidInput("pieces that are awaited are taken by AsyncClient alone")

    async def _aread(self) -> AsyncIterator[bytes]:
        if isinstance(self._source, AsyncIterable):
            self.again = False
            async for piece in self._source:
                yield piece
            return
        pieces = self._read()
        while piece := await asyncio.to_thread(_next, pieces):
            yield piece


def _next(pieces: Iterator[bytes]) -> bytes:
    """The next piece that is not empty; an empty one at the end."""
    return next(filter(None, pieces), b"")


def existing(path: str | Path) -> Path:
    """The path of a file.

    Raises
    ------
    InvalidInput
        There is none.
    """
    path = Path(path)
    if not path.is_file():
        raise InvalidInput(f"a file is expected, but there is none at {path}")
    return path
