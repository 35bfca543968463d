"""Uvicorn's HTTP/1.1 protocol with limits on the head of a request, which it has none of."""

from __future__ import annotations

import asyncio
import uuid

import orjson
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from service.errors import problem

HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 15.0
LINGER_SECONDS = 1.0


class BoundedHttp(HttpToolsProtocol):
    """Closes a connection whose request line and header are too long or too slow to come."""

    _refused = False
    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None  # runs while a head is expected

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Expect a first request soon."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer with the connection."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes, as long as they do not add up to an endless head."""
        if self._refused:
            return
        super().data_received(data)
        if self._head_timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refuse(431, "head-too-large", f"at most {HEAD_BYTES} bytes of header")

    def on_message_begin(self) -> None:
        """Start to count at each request of the connection."""
        super().on_message_begin()
        self._expect_head()

    def on_headers_complete(self) -> None:
        """Stop to count: bodies have limits of their own."""
        self._stop_timer()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, in the form of every other refusal."""
        self._refuse(400, "bad-request", "this is not a valid HTTP request")

    def _expect_head(self) -> None:
        self._stop_timer()
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self._refuse(408, "head-stalled", f"no complete header within {HEAD_SECONDS:g} s")

    def _refuse(self, status: int, code: str, detail: str) -> None:
        self._stop_timer()
        self._refused = True
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            # The application hears that its client has left, and what it still says is dropped.
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self.transport.close()
                return
        current = uuid.uuid4().hex
        body = orjson.dumps(problem(status, code, detail, request_id=current))
        head = (
            f"content-type: application/problem+json\r\ncontent-length: {len(body)}\r\n"
            f"x-request-id: {current}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(STATUS_LINE[status] + head.encode() + body)
        # Closed with bytes unread, the connection would be reset, and the reset might overtake
        # the answer; so what still comes is thrown away for a moment.
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)
