"""The HTTP/1.1 of one request on a connection of its own: bytes in both directions, no I/O."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TypeAlias

import h11
import httpx

Said: TypeAlias = h11.Response | h11.Data | h11.EndOfMessage
"""The head of the answer, a piece of its body, or its end."""


class Unread(Exception):
    """The body of a request could not be read."""


class Wire:
    """Both directions of one request; each may be in a thread of its own.

    Parameters
    ----------
    request : httpx.Request
        What is asked.

    Attributes
    ----------
    sent : int
        Pieces of the body that are sent.
    failed : Exception or None
        Why the body could not be sent to its end. A server that refuses stops reading; its answer
        says why, and is read all the same.
    unread : Exception or None
        Why the body could not be read to its end; the answer would be for half of it.
    """

    def __init__(self, request: httpx.Request) -> None:
        self.sent = 0
        self.failed: Exception | None = None
        self.unread: Exception | None = None
        self._request = request
        self._http = h11.Connection(h11.CLIENT)
        self._lock = Lock()  # h11 keeps both directions in one object

    def head(self) -> bytes:
        """How the request begins."""
        request = self._request
        return self._out(
            h11.Request(
                method=request.method, target=request.url.raw_path, headers=request.headers.raw
            )
        )

    def pieces(self, body: Iterable[bytes]) -> Iterator[bytes]:
        """The body as it is sent.

        Raises
        ------
        Unread
            It could not be read; ``unread`` says why.
        """
        with self._reading():
            for piece in body:
                yield self._piece(piece)

    async def apieces(self, body: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """The same, of a body that is awaited."""
        with self._reading():
            async for piece in body:
                yield self._piece(piece)

    def last(self) -> bytes:
        """How the body ends."""
        return self._out(h11.EndOfMessage())

    def take(self, data: bytes) -> None:
        """Bytes of the answer; none at its end."""
        with self._lock:
            self._http.receive_data(data)

    def next(self) -> Said | None:
        """What the bytes so far say; None where more of them are needed.

        Raises
        ------
        httpx.RemoteProtocolError
            It is no HTTP, or ends too early.
        """
        if self.unread is not None:
            raise self.unread
        try:
            event = self._event()
        except h11.RemoteProtocolError as error:
            raise httpx.RemoteProtocolError(str(error), request=self._request) from error
        if event is h11.NEED_DATA:
            return None
        if isinstance(event, h11.Response | h11.Data | h11.EndOfMessage):
            return event
        reason = f" ({self.failed})" if self.failed else ""
        raise httpx.RemoteProtocolError(
            f"the server closed the connection before its answer was complete{reason}",
            request=self._request,
        )

    def broken(self, error: Exception) -> Exception:
        """What is raised where the connection broke."""
        return self.unread or httpx.ReadError(
            str(error) or type(error).__name__, request=self._request
        )

    def silent(self, seconds: float | None) -> httpx.ReadTimeout:
        """What is raised where nothing came."""
        return httpx.ReadTimeout(f"no answer within {seconds:g} s", request=self._request)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except h11.LocalProtocolError:
            raise  # it has another size than was said
        except Exception as error:
            self.unread = error
            raise Unread from error

    def _piece(self, data: bytes) -> bytes:
        self.sent += 1
        return self._out(h11.Data(data=data))

    def _event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        with self._lock:
            event = self._http.next_event()
            while isinstance(event, h11.InformationalResponse):
                event = self._http.next_event()
        return event

    def _out(self, event: h11.Event) -> bytes:
        with self._lock:
            return self._http.send(event) or b""


def response(
    head: h11.Response, stream: httpx.SyncByteStream | httpx.AsyncByteStream
) -> httpx.Response:
    """The answer whose head has come, and whose body follows."""
    return httpx.Response(
        head.status_code,
        headers=[(name, value) for name, value in head.headers],
        stream=stream,
        extensions={"http_version": b"HTTP/1.1"},
    )


def port_of(url: httpx.URL) -> int:
    """The port that a URL means."""
    return url.port or (443 if url.scheme == "https" else 80)


def timeout_of(request: httpx.Request, what: str) -> float | None:
    """Seconds of ``connect`` or ``read`` that a request may take."""
    seconds: float | None = request.extensions.get("timeout", {}).get(what)
    return seconds
