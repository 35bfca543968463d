"""HTTP/1.1 that reads the answer while the request is still being sent.

httpx by itself sends the whole body before it reads the first byte of the answer. A track stream
answers frames while the video is still on its way, so it needs both directions at once.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from threading import Lock, Thread
from typing import cast

import h11
import httpx

CHUNK = 1 << 16


class DuplexTransport(httpx.BaseTransport):
    """An httpx transport with one connection a request and a thread that sends the body."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request and return as soon as the answer's head is there.

        Raises
        ------
        httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError
            No connection, no answer in time, or an answer that is not HTTP.
        """
        exchange = _Exchange(_connect(request), request)
        try:
            head = exchange.read_head()
        except BaseException:
            exchange.close()
            raise
        return httpx.Response(
            head.status_code,
            headers=[(name, value) for name, value in head.headers],
            stream=exchange,
            extensions={"http_version": b"HTTP/1.1"},
        )


class _Exchange(httpx.SyncByteStream):
    """One request and its answer on one connection."""

    def __init__(self, sock: socket.socket, request: httpx.Request) -> None:
        self._sock = sock
        self._http = h11.Connection(h11.CLIENT)
        self._lock = Lock()  # h11 keeps both directions in one object
        self._request = request
        self._failed: Exception | None = None
        head = h11.Request(
            method=request.method, target=request.url.raw_path, headers=request.headers.raw
        )
        self._send(head)
        self._sender = Thread(target=self._send_body, name="trackline-upload", daemon=True)
        self._sender.start()

    def read_head(self) -> h11.Response:
        event = self._next_event()
        while isinstance(event, h11.InformationalResponse):
            event = self._next_event()
        if not isinstance(event, h11.Response):
            raise self._broken()
        return event

    def __iter__(self) -> Iterator[bytes]:
        while True:
            event = self._next_event()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return
            else:
                raise self._broken()

    def close(self) -> None:
        # Shutting down wakes the sender from a send that the server no longer reads.
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sender.join()
        self._sock.close()

    def _broken(self) -> httpx.RemoteProtocolError:
        reason = f" ({self._failed})" if self._failed else ""
        return httpx.RemoteProtocolError(
            f"the server closed the connection before its answer was complete{reason}",
            request=self._request,
        )

    def _next_event(self) -> h11.Event | type[h11.PAUSED]:
        while True:
            try:
                with self._lock:
                    event = self._http.next_event()
                if event is not h11.NEED_DATA:
                    return cast("h11.Event | type[h11.PAUSED]", event)
                received = self._sock.recv(CHUNK)
                with self._lock:
                    self._http.receive_data(received)
            except TimeoutError as error:
                raise httpx.ReadTimeout(
                    f"no answer within {self._sock.gettimeout():g} s", request=self._request
                ) from error
            except (OSError, h11.RemoteProtocolError) as error:
                raise httpx.RemoteProtocolError(str(error), request=self._request) from error

    def _send(self, event: h11.Event) -> None:
        with self._lock:
            data = self._http.send(event)
        if data:
            self._sock.sendall(data)

    def _send_body(self) -> None:
        try:
            for chunk in cast(httpx.SyncByteStream, self._request.stream):
                self._send(h11.Data(data=chunk))
            self._send(h11.EndOfMessage())
        except (OSError, h11.LocalProtocolError) as error:
            # A server that refuses stops reading; its answer says why, and is read all the same.
            self._failed = error


def _connect(request: httpx.Request) -> socket.socket:
    url = request.url
    timeouts = request.extensions.get("timeout", {})
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        sock = socket.create_connection((url.host, port), timeout=timeouts.get("connect"))
        if url.scheme == "https":
            sock = ssl.create_default_context().wrap_socket(sock, server_hostname=url.host)
    except OSError as error:
        raise httpx.ConnectError(str(error), request=request) from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.settimeout(timeouts.get("read"))
    return sock
