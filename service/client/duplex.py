"""HTTP/1.1 that reads the answer while the request is still being sent.

httpx by itself sends the whole body before it reads the first byte of the answer. A track stream
answers frames while the video is still on its way, so it needs both directions at once.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from threading import Thread
from typing import cast

import h11
import httpx

from service.client.channel import Channel
from service.client.wire import Said, Unread, Wire, port_of, response, timeout_of


class DuplexTransport(httpx.BaseTransport):
    """An httpx transport with one connection a request and a thread that sends the body.

    Parameters
    ----------
    context : SSLContext or None
        For ``https``; None trusts what the system trusts.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request and return as soon as the answer's head is there.

        Raises
        ------
        httpx.ConnectError, httpx.ReadError, httpx.ReadTimeout, httpx.RemoteProtocolError
            No connection, a broken one, no answer in time, or one that is not HTTP.
        """
        exchange = _Exchange(self._connect(request), request)
        try:
            return response(exchange.read_head(), exchange)
        except BaseException:
            exchange.close()
            raise

    def _connect(self, request: httpx.Request) -> socket.socket:
        url = request.url
        try:
            sock = socket.create_connection(
                (url.host, port_of(url)), timeout_of(request, "connect")
            )
            if url.scheme == "https":
                context = self._context or ssl.create_default_context()
                sock = context.wrap_socket(sock, server_hostname=url.host)
        except OSError as error:
            raise httpx.ConnectError(str(error), request=request) from error
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock


class _Exchange(httpx.SyncByteStream):
    """One request and its answer on one connection."""

    def __init__(self, sock: socket.socket, request: httpx.Request) -> None:
        self._channel = Channel(sock)
        self._request = request
        self._timeout = timeout_of(request, "read")
        self._wire = Wire(request)
        self._sender = Thread(target=self._send_all, name="trackline-upload", daemon=True)
        self._sender.start()

    def read_head(self) -> h11.Response:
        return cast(h11.Response, self._next())

    def __iter__(self) -> Iterator[bytes]:
        while isinstance(said := self._next(), h11.Data):
            yield bytes(said.data)

    def close(self) -> None:
        self._channel.hang_up()
        self._sender.join()
        self._channel.close()

    def _next(self) -> Said:
        sent = self._wire.sent
        while (said := self._wire.next()) is None:
            try:
                self._wire.take(self._channel.receive(self._timeout))
            except TimeoutError as error:
                if self._wire.sent == sent:
                    raise self._wire.silent(self._timeout) from error
                sent = self._wire.sent  # a long upload may be answered late
            except OSError as error:
                raise self._wire.broken(error) from error
        return said

    def _send_all(self) -> None:
        wire, channel = self._wire, self._channel
        try:
            channel.send(wire.head())
            for piece in wire.pieces(cast(httpx.SyncByteStream, self._request.stream)):
                channel.send(piece)
            channel.send(wire.last())
        except (OSError, h11.LocalProtocolError) as error:
            wire.failed = error
        except Unread:
            channel.hang_up()
