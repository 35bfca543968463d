"""``trackline serve``: the HTTP server."""

from __future__ import annotations

import logging
import os
import sys
from enum import StrEnum
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from models.errors import InvalidInput

if TYPE_CHECKING:
    from socket import socket

    from service.http.server import Server
    from service.settings import Settings


INTERRUPTED = 130
"""Status of a process that was interrupted from the keyboard."""


class Engine(StrEnum):
    """Where the networks run."""

    LOCAL = "local"
    RAY = "ray"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("serve")(serve)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. [127.0.0.1]")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port; 0 takes a free one and names it on stderr. [8000]")
    ] = None,
    models: Annotated[
        str | None, typer.Option(help="Detectors to load, comma-separated. [yolo26n]")
    ] = None,
    engine: Annotated[
        Engine, typer.Option(help="Networks in this process, or in replicas of Ray Serve.")
    ] = Engine.LOCAL,
) -> None:
    """Serve detections and tracks over HTTP; TRACKLINE_… variables set everything else."""
    from pydantic import ValidationError

    from service.app import create_app
    from service.http import logs
    from service.http.server import Server, listen
    from service.inference.registry import known
    from service.settings import Settings

    given: dict[str, Any] = {"host": host, "port": port, "models": models}
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()
        )
        raise InvalidInput(f"the settings are not valid: {wrong}") from error
    logs.configure(settings.log_level)
    if engine is Engine.RAY:
        _serve_on_ray(settings)
        return
    for name in settings.models:
        if name not in known():
            raise InvalidInput(f"no detector {name}; `trackline models list` shows them")
    sock = listen(settings)
    app = create_app(settings)
    status = _run(Server(app, settings), sock)
    if app.state.engine.loading:
        _leave(status)
    sys.exit(status)


def _run(server: Server, sock: socket) -> int:
    """Serve until the end; the status that the process ends with."""
    try:
        server.run(sockets=[sock])
    except SystemExit:  # of uvicorn's own, with a status that says nothing here
        sys.stderr.write(f"trackline: the server could not start: {server.failure}\n")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _leave(status: int) -> NoReturn:
    """End the process now, though a network is being loaded.

    All else is closed by now. The interpreter would wait for that thread, or crash in the code of
    the runtime, which can be told neither to stop nor that everything around it is going.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _serve_on_ray(settings: Settings) -> None:
    if find_spec("ray") is None:
        raise InvalidInput("--engine ray needs Ray: pip install 'trackline[ray]'")
    from service.ray_app import serve_here

    serve_here(settings)
