"""How many decoded pixels may be in memory at once: a picture of few bytes can have very many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.errors import DeadlineExceeded
from service.pictures.image_header import read_header
from service.settings import Settings


class PixelRoom:
    """A number of pixels that pictures share; for the event loop's thread alone.

    Parameters
    ----------
    settings : Settings
        The number, and how long a picture may wait for its share.

    Attributes
    ----------
    held : int
        Pixels of the pictures that have their share.
    """

    def __init__(self, settings: Settings) -> None:
        self._most = settings.max_pixels_at_once
        self._seconds = settings.deadline_seconds
        self.held = 0
        self._turn = asyncio.Lock()
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def hold(self, data: bytes) -> AsyncIterator[None]:
        """Keep room for a picture while the block runs; waits for it. Nothing is decoded here.

        Room is given in the order it is asked for in. A picture that is larger than the whole room
        gets it for itself alone.

        Raises
        ------
        UnreadableMedia, UnsupportedMedia
            As for `read_header`.
        DeadlineExceeded
            There was no room in time.
        """
        header = read_header(data)
        pixels = min(header.width * header.height, self._most)
        try:
            async with asyncio.timeout(self._seconds), self._turn, self._changed:
                await self._changed.wait_for(lambda: self.held + pixels <= self._most)
                self.held += pixels
        except TimeoutError:
            raise DeadlineExceeded(
                f"no room for {pixels} more pixels within {self._seconds:g} s; try again later"
            ) from None
        try:
            yield
        finally:
            self.held -= pixels
            async with self._changed:
                self._changed.notify_all()
