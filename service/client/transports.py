"""Which connections requests go over: videos over one of their own, all else over a pool."""

from __future__ import annotations

import httpx

from service.client.calls import DUPLEX
from service.client.duplex import DuplexTransport
from service.client.duplex_async import AsyncDuplexTransport
from service.client.options import Options


class Transport(httpx.BaseTransport):
    """What an `httpx.Client` sends its requests with."""

    def __init__(self, options: Options) -> None:
        self._pool = httpx.HTTPTransport(**options.for_pool)
        self._duplex = DuplexTransport(options.context)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        chosen = self._duplex if DUPLEX in request.extensions else self._pool
        return chosen.handle_request(request)

    def close(self) -> None:
        """Close the connections of the pool."""
        self._pool.close()


class AsyncTransport(httpx.AsyncBaseTransport):
    """What an `httpx.AsyncClient` sends its requests with."""

    def __init__(self, options: Options) -> None:
        self._pool = httpx.AsyncHTTPTransport(**options.for_pool)
        self._duplex = AsyncDuplexTransport(options.context)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        chosen = self._duplex if DUPLEX in request.extensions else self._pool
        return await chosen.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connections of the pool."""
        await self._pool.aclose()
