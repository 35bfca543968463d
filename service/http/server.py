"""The server process: one uvicorn worker around one application, and its orderly end."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Sequence
from types import FrameType

import uvicorn
from fastapi import FastAPI

from models.errors import InvalidInput
from service.http.protocol import BoundedHttp
from service.http.websocket import BoundedWebSocket
from service.settings import Settings

BACKLOG = 512
KEEP_ALIVE_SECONDS = 30
WEBSOCKET_BYTES = 16 * 1024 * 1024


class Server(uvicorn.Server):
    """Uvicorn's server that says where it listens, and tells the application of its end at once.

    Parameters
    ----------
    app : FastAPI
        Made by `service.app.create_app`.
    settings : Settings
        Of the same application.
    """

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        self._app = app
        self._loop: asyncio.AbstractEventLoop | None = None
        super().__init__(
            uvicorn.Config(
                app,
                http=BoundedHttp,
                ws=BoundedWebSocket,
                loop="uvloop",
                lifespan="on",
                access_log=False,
                log_config=None,
                server_header=False,
                limit_concurrency=settings.max_connections,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=settings.shutdown_seconds,
                # Larger messages are cut off without a word; the limit itself is told.
                ws_max_size=max(WEBSOCKET_BYTES, 2 * settings.max_image_bytes),
                ws_per_message_deflate=False,  # pictures are compressed already
            )
        )

    @property
    def failure(self) -> Exception | None:
        """What kept it from starting."""
        failure: Exception | None = self._app.state.shutdown.failure
        return failure

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say where."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        for listening in sockets or ():
            sys.stderr.write(f"trackline: listening on {address_of(listening)}\n")
            sys.stderr.flush()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Become unready at once; then uvicorn waits for what runs."""
        if self._loop is not None:
            # Not here: a signal may come while this very thread holds one of the locks.
            self._loop.call_soon_threadsafe(self._app.state.shutdown.begin)
        if sig == signal.SIGTERM:
            # Uvicorn would raise the signal again afterwards; an orderly end has status 0.
            self.should_exit = True
        else:
            super().handle_exit(sig, frame)


def listen(settings: Settings) -> socket.socket:
    """A socket that listens at the settings' address.

    Raises
    ------
    InvalidInput
        The address cannot be listened at.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        sock = socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise InvalidInput(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; choose another "
            "--port, or 0 for a free one"
        ) from error
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # A client that takes nothing for so long loses its connection, and what is held for it.
        milliseconds = int(settings.stall_seconds * 1000)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
    return sock


def address_of(sock: socket.socket) -> str:
    """The URL of a listening socket."""
    address: Sequence[str | int] = sock.getsockname()
    host = f"[{address[0]}]" if sock.family == socket.AF_INET6 else address[0]
    return f"http://{host}:{address[1]}"
