"""Uvicorn's HTTP/1.1 protocol with limits of its own on what is no body: heads, framing, queues."""

from __future__ import annotations

import asyncio
import select
import uuid

import orjson
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from service.errors import problem

HEAD_BYTES = 64 * 1024
"""Of a head, and of anything else that is no body: extensions of chunks, trailers."""
HEAD_SECONDS = 15.0
LINGER_SECONDS = 1.0
LOOK_SECONDS = 0.25
"""How often a connection is looked at of which nothing is read, since its request takes no more."""
MOST_WAITING = 16
"""Requests of one connection that wait for the answer to the one before."""
SMALL_CHUNK = 16
MOST_SMALL_CHUNKS = 10_000
"""Chunks below `SMALL_CHUNK` bytes in a body: each costs as much as a large one."""


class Smuggled(Exception):
    """A head that another server on the way may have understood otherwise."""


class BoundedHttp(HttpToolsProtocol):
    """Closes a connection whose bytes are no body for too long, or too slow to come.

    What is taken for a request here must be one for every proxy before it too: exactly one Host,
    no body behind an upgrade, HTTP/1.0 or 1.1.
    """

    _refused = False
    _moved = False
    _idle_bytes = 0  # since the last piece of a body, or the last end of a head
    _small_chunks = 0
    _running: RequestResponseCycle | None = None
    _head_timer: asyncio.TimerHandle | None = None  # runs while a head is expected
    _look_timer: asyncio.TimerHandle | None = None  # runs while nothing is read

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Expect a first request soon."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._expect_head()
        # Uvicorn's own answer would wait for a head, and keep the connection.
        most, self.limit_concurrency = self.limit_concurrency, None
        if most is not None and len(self.connections) > most:
            self.connections.discard(self)
            self._refuse(503, "too-many-connections", "too many connections; try again later")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers with the connection."""
        self._stop_timer()
        if self._look_timer is not None:
            self._look_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes, as long as those that are no body do not add up endlessly."""
        if self._refused:
            return
        self._moved = False
        super().data_received(data)
        self._idle_bytes = 0 if self._moved else self._idle_bytes + len(data)
        if self._idle_bytes > HEAD_BYTES and not self._refused:
            self._refuse(431, "head-too-large", f"at most {HEAD_BYTES} bytes of header")

    def on_message_begin(self) -> None:
        """Start to count at each request of the connection."""
        super().on_message_begin()
        self._small_chunks = 0
        self._expect_head()

    def on_headers_complete(self) -> None:
        """Look at the head as a whole."""
        self._stop_timer()
        self._moved = True
        self._refuse_smuggling()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        self._moved = True
        self._small_chunks += len(body) < SMALL_CHUNK
        if self._small_chunks > MOST_SMALL_CHUNKS:
            raise Smuggled("too many small chunks")
        super().on_body(body)
        if self.flow.read_paused and self._look_timer is None:
            self._look_timer = self.loop.call_later(LOOK_SECONDS, self._look)

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, in the form of every other refusal."""
        self._refuse(400, "bad-request", "this is not a valid HTTP request")

    def _refuse_smuggling(self) -> None:
        names = [name for name, _ in self.headers]
        version = self.parser.get_http_version()
        if version not in ("1.0", "1.1") or not (version == "1.1") <= names.count(b"host") <= 1:
            raise Smuggled("HTTP/1.1 with one Host was expected")
        if b"upgrade" in names and {b"content-length", b"transfer-encoding"} & set(names):
            raise Smuggled("no body may come with an upgrade")
        if len(self.pipeline) >= MOST_WAITING:
            raise Smuggled("too many requests wait")

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _expect_head(self) -> None:
        self._stop_timer()
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self._refuse(408, "head-stalled", f"no complete header within {HEAD_SECONDS:g} s")

    def _look(self) -> None:
        """Hear of a reset now, and not behind the megabytes that the kernel may still hold."""
        self._look_timer = None
        if self.transport.is_closing() or not self.flow.read_paused:
            return
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket"), 0)  # errors are always told
        if poll.poll(0):
            self.transport.abort()
        else:
            self._look_timer = self.loop.call_later(LOOK_SECONDS, self._look)

    def _refuse(self, status: int, code: str, detail: str) -> None:
        self._stop_timer()
        self._refused = True
        self.pipeline.clear()
        cycle = self._running
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
