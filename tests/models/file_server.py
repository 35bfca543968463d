"""A file server on the loopback interface that can be told to misbehave."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast
from urllib.parse import unquote


@dataclass
class FileServer:
    """What is served, how badly, and what was asked for.

    Attributes
    ----------
    files : dict
        Content by path; a path that is not here answers 404.
    cuts : list of int
        For each coming answer, after how many bytes of its body the connection is cut.
    ranges : bool
        Whether range requests are honoured.
    shift : int
        Added to the first byte of a range that is honoured, as a broken server would.
    stated_size : bool
        Whether an answer says how long it is.
    gate : threading.Event
        An answer waits for it.
    asked : list of (path, range header)
        The requests, in order.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    shift: int = 0
    stated_size: bool = True
    gate: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Event = field(default_factory=threading.Event)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def add(self, path: str, content: bytes) -> str:
        """Serve some content, and say at which address."""
        self.files[path] = content
        return self.url + path


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    state: FileServer

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up early is what several tests are about."""
        if not isinstance(sys.exception(), ConnectionError):
            raise AssertionError("the test's file server failed")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        state = cast(_Server, self.server).state
        path = unquote(self.path)
        wanted = self.headers.get("Range")
        state.asked.append((path, wanted))
        state.arrived.set()
        state.gate.wait(20)
        self.close_connection = True
        if path not in state.files:
            self.send_error(404)
            return
        content = state.files[path]
        start = int(re.findall(r"\d+", wanted)[0]) if wanted and state.ranges else 0
        if start and start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", "text/html" if path.endswith("/") else "application/x")
        if start:
            start += state.shift
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if state.stated_size:
            self.send_header("Content-Length", str(len(content) - start))
        self.send_header("Connection", "close")
        self.end_headers()
        body = content[start:]
        self.wfile.write(body[: state.cuts.pop(0)] if state.cuts else body)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are in `FileServer.asked`; stderr stays quiet."""


@contextmanager
def serve_files() -> Iterator[FileServer]:
    """Run a server for as long as the block lasts; its gate is open."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.state = FileServer(url=f"http://127.0.0.1:{server.server_port}")
        server.state.gate.set()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.state
        finally:
            server.state.gate.set()
            server.shutdown()
            thread.join(10)
