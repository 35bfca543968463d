"""A real server on a free port of 127.0.0.1, in a thread, for as long as a block runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI

from models.detector import Detector
from models.fake import FakeDetector
from service.app import create_app
from service.http.server import Server, address_of, listen
from service.settings import Settings
from tests.service.gate import WAIT, until


@contextmanager
def serving(
    load: Callable[[str], Detector] | None = None,
    on_listening: Callable[[str], None] | None = None,
    **settings: Any,
) -> Iterator[tuple[str, FastAPI]]:
    """The address and the application of a server with the fake detector, once it is ready."""
    given = {"port": 0, "models": "fake", "embedder": "colour", "shutdown_seconds": 5}
    chosen = Settings.model_validate(given | settings)
    app = create_app(chosen, load or (lambda name: FakeDetector()))
    server = Server(app, chosen)
    with listen(chosen) as sock:
        address = address_of(sock)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
        thread.start()
        try:
            until(lambda: server.started)
            if on_listening is not None:
                on_listening(address)
            for batcher in app.state.models.loaded().values():
                batcher.loaded.exception(WAIT)
            yield address, app
        finally:
            server.should_exit = True
            thread.join(WAIT)
    assert not thread.is_alive(), "the server did not stop"
