"""The same for asyncio: HTTP/1.1 that reads the answer while the request is still being sent."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from typing import cast

import h11
import httpx

from service.client.wire import Said, Unread, Wire, port_of, response, timeout_of

READ_BYTES = 1 << 16


class AsyncDuplexTransport(httpx.AsyncBaseTransport):
    """An httpx transport with one connection a request and a task that sends the body.

    Parameters
    ----------
    context : SSLContext or None
        For ``https``; None trusts what the system trusts.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request and return as soon as the answer's head is there.

        Raises
        ------
        httpx.ConnectError, httpx.ReadError, httpx.ReadTimeout, httpx.RemoteProtocolError
            No connection, a broken one, no answer in time, or one that is not HTTP.
        """
        reader, writer = await self._connect(request)
        exchange = _Exchange(reader, writer, request)
        try:
            return response(await exchange.read_head(), exchange)
        except BaseException:
            await exchange.aclose()
            raise

    async def _connect(
        self, request: httpx.Request
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        url = request.url
        context = None
        if url.scheme == "https":
            context = self._context or ssl.create_default_context()
        try:
            async with asyncio.timeout(timeout_of(request, "connect")):
                return await asyncio.open_connection(url.host, port_of(url), ssl=context)
        except OSError as error:  # a TimeoutError is one
            raise httpx.ConnectError(str(error) or "no connection", request=request) from error


class _Exchange(httpx.AsyncByteStream):
    """One request and its answer on one connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: httpx.Request
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._request = request
        self._timeout = timeout_of(request, "read")
        self._wire = Wire(request)
        self._sender = asyncio.create_task(self._send_all())

    async def read_head(self) -> h11.Response:
        return cast(h11.Response, await self._next())

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while isinstance(said := await self._next(), h11.Data):
            yield bytes(said.data)

    async def aclose(self) -> None:
        # Not closed in order: what waits to be sent is for nobody any more.
        self._writer.transport.abort()
        self._sender.cancel()
        await asyncio.wait([self._sender])
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _next(self) -> Said:
        sent = self._wire.sent
        while (said := self._wire.next()) is None:
            try:
                async with asyncio.timeout(self._timeout):
                    self._wire.take(await self._reader.read(READ_BYTES))
            except TimeoutError as error:
                if self._wire.sent == sent:
                    raise self._wire.silent(self._timeout) from error
                sent = self._wire.sent  # a long upload may be answered late
            except OSError as error:
                raise self._wire.broken(error) from error
        return said

    async def _send_all(self) -> None:
        wire = self._wire
        try:
            await self._send(wire.head())
            async for piece in wire.apieces(cast(httpx.AsyncByteStream, self._request.stream)):
                await self._send(piece)
            await self._send(wire.last())
        except (OSError, h11.LocalProtocolError) as error:
            wire.failed = error
        except Unread:
            self._writer.transport.abort()

    async def _send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()
