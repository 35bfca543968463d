"""Track streams as they are iterated over: connected, read, and taken up again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, aclosing
from types import TracebackType
from typing import Any, Self

import httpx

from service.client.calls import Call
from service.client.errors import ClientError
from service.client.following import Following, Given
from service.schemas import End, Frame, Header

Open = Callable[[Call[Any]], AbstractContextManager[httpx.Response]]
OpenAsync = Callable[[Call[Any]], AbstractAsyncContextManager[httpx.Response]]


class TrackStream:
    """The frames of a track stream, in order: ``for frame in stream``.

    Leaving the loop leaves the stream, and the server stops working on it.

    Attributes
    ----------
    header : Header
        The first line: model, tracker, size, frame rate, number of frames where it is known.
    end : End or None
        The last line, once all frames were read: frames, tracks, time, frames a second.

    Raises
    ------
    StreamFailed
        While it is iterated over: it ended with an error, or was cut for good.
    """

    def __init__(self, following: Following, open_call: Open) -> None:
        self._following = following
        self._open = open_call
        self._given = self._run()
        self._first = next(self._given)

    @property
    def header(self) -> Header:
        """The first line."""
        assert isinstance(self._first[1], Header)  # noqa: S101
        return self._first[1]

    @property
    def end(self) -> End | None:
        """The last line."""
        return self._following.end

    def __iter__(self) -> Iterator[Frame]:
        for _, line in self._all():
            if isinstance(line, Frame):
                yield line

    def lines(self) -> Iterator[bytes]:
        """Every line as it came, without its newline, instead of the frames."""
        for text, _ in self._all():
            yield text

    def close(self) -> None:
        """Leave the stream."""
        self._given.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _all(self) -> Generator[Given, None, None]:
        try:
            yield self._first
            yield from self._given
        finally:
            self.close()

    def _run(self) -> Generator[Given, None, None]:
        following = self._following
        while following.end is None:
            try:
                with self._open(following.call()) as response:
                    following.opened()
                    for data in response.iter_raw():
                        yield from following.take(data)
                    following.closed()
            except ClientError as error:
                time.sleep(following.pause(error))


class AsyncTrackStream:
    """The same for asyncio: ``async for frame in stream``, or ``async with`` to have its header.

    Leaving the loop, or being cancelled in it, leaves the stream, and the server stops working on
    it.

    Attributes
    ----------
    header : Header or None
        The first line, once the stream is open.
    end : End or None
        The last line, once all frames were read.
    """

    def __init__(self, following: Following, open_call: OpenAsync) -> None:
        self._following = following
        self._open = open_call
        self._given = self._run()
        self._first: Given | None = None

    @property
    def header(self) -> Header | None:
        """The first line."""
        return self._following.header

    @property
    def end(self) -> End | None:
        """The last line."""
        return self._following.end

    async def __aiter__(self) -> AsyncIterator[Frame]:
        async with aclosing(self._all()) as given:
            async for _, line in given:
                if isinstance(line, Frame):
                    yield line

    async def lines(self) -> AsyncIterator[bytes]:
        """Every line as it came, without its newline, instead of the frames."""
        async with aclosing(self._all()) as given:
            async for text, _ in given:
                yield text

    async def aclose(self) -> None:
        """Leave the stream."""
        await self._given.aclose()

    async def __aenter__(self) -> Self:
        self._first = await anext(self._given)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _all(self) -> AsyncGenerator[Given, None]:
        try:
            if self._first is not None:
                yield self._first
            async for given in self._given:
                yield given
        finally:
            await self.aclose()

    async def _run(self) -> AsyncGenerator[Given, None]:
        following = self._following
        while following.end is None:
            try:
                async with self._open(following.call()) as response:
                    following.opened()
                    async for data in response.aiter_raw():
                        for given in following.take(data):
                            yield given
                    following.closed()
            except ClientError as error:
                await asyncio.sleep(following.pause(error))
