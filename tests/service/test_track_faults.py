"""What track streams do when something goes wrong: clients, decoders and models that fail alone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Message

from models.fake import FakeDetector
from service.tracks import backlog
from tests.service.clips import AS_LONG_AS, clip, pieces
from tests.service.gate import WAIT, Gate
from tests.service.serving import serving
from tests.service.test_track import TRACK, lines_of
from tests.service.wire import Wire, in_time, wait_until

WITHIN_A_SECOND = 1.0


@contextmanager
def gated(**settings: Any) -> Iterator[tuple[str, FastAPI, Gate]]:
    """A server whose detector can be held."""
    gate = Gate()
    with serving(lambda name: FakeDetector(gate), **settings) as (address, app):
        try:
            yield address, app, gate
        finally:
            gate.open()


def decoder_of(app: FastAPI) -> int:
    """Pid of the one decoder that runs."""
    (session,) = app.state.sessions._running
    pid: int = session._video.pid
    return pid


def is_idle(app: FastAPI) -> bool:
    """Whether no session runs and nothing waits for the model."""
    batcher = app.state.models.batcher("fake")
    return app.state.sessions.count == 0 and not any(batcher._waiting.values())


def test_a_decoder_that_is_killed_ends_its_own_stream_alone() -> None:
    data = clip("mp4", AS_LONG_AS)
    with serving() as (address, app):
        with Wire(address, TRACK) as wire:
            wire.send(data[: len(data) // 2])
            wire.line()
            os.kill(decoder_of(app), signal.SIGKILL)
            *frames, error = wire.lines()
        assert error["code"] == "decoder_failed"
        assert error["frame"] == len(frames)
        assert (
            lines_of(httpx.post(address + TRACK, content=data, timeout=WAIT))[-1]["type"] == "end"
        )


def test_a_model_that_fails_ends_the_stream_with_an_error() -> None:
    with gated() as (address, _, gate):
        gate.broken = RuntimeError("secret text of the inside")
        with Wire(address, TRACK) as wire:
            wire.send(clip("mp4", 10))
            wire.finish()
            assert wire.line()["type"] == "header"
            error = wire.line()
    assert error["type"] == "error"
    assert "secret" not in error["message"]
    assert error["frame"] == 0


@pytest.mark.parametrize("share", [0.5, 1.0])
@in_time
def test_a_client_that_leaves_stops_its_work_within_a_second(share: float) -> None:
    data = clip("mp4", AS_LONG_AS)
    with serving() as (address, app):
        wire = Wire(address, TRACK)
        wire.send(data[: int(len(data) * share)])
        assert wire.line()["type"] == "header"
        pid = decoder_of(app)
        wire.vanish()
        wait_until(lambda: is_idle(app), WITHIN_A_SECOND)
        assert not Path(f"/proc/{pid}").exists()


@in_time
def test_a_client_that_leaves_while_the_decoder_is_behind_is_noticed() -> None:
    # The upload is held up because nothing is decoded any more: its end can still be heard.
    data = clip("mpegts", 100, size=(640, 480))
    with gated() as (address, app, gate):
        gate.shut()
        wire = Wire(address, TRACK)
        sender = threading.Thread(target=_send_until_closed, args=(wire, data * 40))
        sender.start()
        wire.line()
        pid = decoder_of(app)
        wire.vanish()
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), WITHIN_A_SECOND)
        gate.open()
        wait_until(lambda: is_idle(app))
        sender.join(WAIT)
        assert not sender.is_alive()
        assert app.state.sessions.count == 0


def _send_until_closed(wire: Wire, data: bytes) -> None:
    try:
        for piece in pieces(data, 1 << 16):
            wire.send(piece)
    except OSError:
        return


class Reader:
    """A client of the application itself, in charge of when what is sent counts as taken."""

    def __init__(self, body: bytes, reads: asyncio.Event) -> None:
        self._pieces = list(pieces(body, 1 << 14))
        self._reads = reads
        self.uploaded = asyncio.Event()
        self.answer = b""
        self.status = 0

    async def receive(self) -> Message:
        """The next piece; after the last one, nothing for ever."""
        if not self._pieces:
            self.uploaded.set()
            await asyncio.Event().wait()
        body = self._pieces.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(self._pieces)}

    async def send(self, message: Message) -> None:
        """Take a part of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        await self._reads.wait()
        self.answer += message["body"]

    async def ask(self, app: FastAPI) -> None:
        """Make the request."""
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "path": "/v1/track",
            "raw_path": b"/v1/track",
            "query_string": b"embedder=none",
            "root_path": "",
            "headers": [],
            "client": None,
            "server": None,
            "scheme": "http",
        }
        await app(scope, self.receive, self.send)


def test_a_client_that_reads_only_after_its_upload_gets_every_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Most HTTP libraries do so. The body is longer than what waits in memory and in sockets.
    monkeypatch.setattr(backlog, "MEMORY", 1 << 14)
    frames, loops = 60, 13
    body = clip("mjpeg", frames) * loops
    assert len(body) > 450_000

    async def talk(app: FastAPI) -> bytes:
        reads = asyncio.Event()
        reader = Reader(body, reads)
        asking = asyncio.create_task(reader.ask(app))
        async with asyncio.timeout(WAIT * 3):
            await reader.uploaded.wait()
            reads.set()
            await asking
        return reader.answer

    with serving(stall_seconds=2.0) as (_, app):
        lines = [json.loads(line) for line in asyncio.run(talk(app)).splitlines()]
    assert lines[-1]["type"] == "end"
    assert [line["frame"] for line in lines[1:-1]] == list(range(frames * loops))


def test_a_client_that_never_reads_is_given_up() -> None:
    async def talk(app: FastAPI) -> Reader:
        reader = Reader(clip("mp4", AS_LONG_AS), asyncio.Event())
        async with asyncio.timeout(WAIT):
            await reader.ask(app)
        return reader

    with serving(stall_seconds=0.3) as (_, app):
        reader = asyncio.run(talk(app))
        assert app.state.sessions.count == 0
    assert reader.status == 200
    assert reader.answer == b""


class Excessive(Reader):
    """Never reads, and sends the byte that is too much once the answer has begun."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body, asyncio.Event())
        self._begun = asyncio.Event()

    async def receive(self) -> Message:
        """The next piece."""
        if len(self._pieces) == 1:
            await self._begun.wait()
        return await super().receive()

    async def send(self, message: Message) -> None:
        """Begin to take a part of the answer."""
        self._begun.set()
        await super().send(message)


def test_a_client_that_does_not_read_why_its_upload_was_refused_is_given_up() -> None:
    body = clip("mp4", AS_LONG_AS)

    async def talk(app: FastAPI) -> Reader:
        reader = Excessive(body)
        async with asyncio.timeout(WAIT):
            await reader.ask(app)
        return reader

    with serving(stall_seconds=2.0, max_video_bytes=len(body) - 1) as (_, app):
        reader = asyncio.run(talk(app))
        assert app.state.sessions.count == 0
    assert (reader.status, reader.answer) == (200, b"")


def test_an_upload_that_stops_coming_ends_with_an_error() -> None:
    data = clip("mp4", AS_LONG_AS)
    with serving(stall_seconds=3.0) as (address, _), Wire(address, TRACK) as wire:
        wire.send(data[: len(data) // 2])
        *frames, error = wire.lines()
    assert len(frames) > 10
    assert error["code"] == "upload_stalled"


def test_sessions_are_limited_and_say_when_to_come_back() -> None:
    data = clip("mp4", 10)
    with serving(max_sessions=1) as (address, app):
        with Wire(address, TRACK) as wire:
            wire.send(data[:500])
            wait_until(lambda: app.state.sessions.count == 1)
            measured = httpx.get(address + "/metrics", timeout=WAIT).text
            assert "trackline_sessions 1.0" in measured
            refused = httpx.post(address + TRACK, content=data, timeout=WAIT)
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) >= 1
        wait_until(lambda: app.state.sessions.count == 0)
        assert httpx.post(address + TRACK, content=data, timeout=WAIT).status_code == 200


def test_streams_say_that_the_server_ends() -> None:
    data = clip("mp4", AS_LONG_AS)
    with serving() as (address, app), Wire(address, TRACK) as wire:
        wire.send(data[: len(data) // 2])
        wire.line()
        app.state.sessions.shut_down()
        *_, error = wire.lines()
        assert error["code"] == "shutting_down"
        assert httpx.post(address + TRACK, content=data, timeout=WAIT).status_code == 503
