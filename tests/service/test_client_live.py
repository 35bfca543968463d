"""Live connections of both clients."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from websockets.sync.server import Server, ServerConnection, serve

from models.types import Image
from service.client import (
    AnswerTimeout,
    AsyncClient,
    Client,
    KeyRefused,
    ServerBusy,
    ServerUnreachable,
    StreamCut,
    StreamFailed,
)
from service.client.parameters import LiveParameters
from tests.service.clients import KINDS, NOW, calling
from tests.service.clips import picture
from tests.service.gate import WAIT
from tests.service.live_client import photo
from tests.service.scripted import HEADER, frame
from tests.service.serving import serving
from tests.service.test_track_counts import UPRIGHT
from tests.service.wire import in_time, wait_until

KEY = "a-key-of-enough-letters"
FRAMES = 30
LOSSLESS: LiveParameters = {"embedder": "none", "mode": "lossless", "fps": 10}


@contextmanager
def running(server: Server) -> Iterator[int]:
    """The port of a server that answers in a thread of its own."""
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.socket.getsockname()[1]
    finally:
        server.shutdown()
        thread.join(WAIT)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, FastAPI]]:
    with serving(max_sessions=1) as (address, app):
        yield address, app


@pytest.fixture
def client(served: tuple[str, FastAPI], kind: type[Client]) -> Iterator[Client]:
    with calling(kind, served[0], **NOW) as made:
        yield made
    wait_until(lambda: served[1].state.sessions.count == 0)


def test_frames_are_sent_and_received_in_order(client: Client) -> None:
    with client.live(**LOSSLESS) as live:
        for number in range(3):
            live.send(photo(number))
            frame = live.receive(timeout=WAIT)
            assert frame is not None
            assert (frame.frame, frame.time, frame.dropped) == (number, number / 10, 0)
            assert {item.track_id for item in frame.objects} == {1, 2}
        live.finish()
        assert live.receive() is None
        assert live.header is not None
        assert live.header.width == 160
        assert live.end is not None
        assert live.end.frames == 3


def test_pixels_are_sent_as_a_picture(client: Client) -> None:
    with client.live(**LOSSLESS) as live:
        live.send(picture(0))
        frame = live.receive()
        assert frame is not None
        assert {item.name for item in frame.objects} == {"red", "green"}


def test_frames_are_sent_while_answers_come(client: Client) -> None:
    wanted: LiveParameters = {**LOSSLESS, "classes": ["red"], "lines": [UPRIGHT]}
    with client.live(**wanted) as live:
        frames = list(live.follow(picture(number) for number in range(FRAMES)))
        assert [frame.frame for frame in frames] == list(range(FRAMES))
        assert {item.name for frame in frames for item in frame.objects} == {"red"}
        assert live.end is not None
        assert live.end.counts is not None
        assert live.end.counts.lines["upright"].classes["red"].a_to_b == 1


def test_a_first_message_that_cannot_be_written_opens_no_connection(
    served: tuple[str, FastAPI], client: Client
) -> None:
    unknown: Any = {"fps": object()}
    with pytest.raises(TypeError), client.live(**unknown):
        pass
    assert served[1].state.sessions.count == 0


@in_time
def test_leaving_the_loop_frees_the_place(served: tuple[str, FastAPI], client: Client) -> None:
    sessions = served[1].state.sessions
    with client.live(**LOSSLESS) as live:
        for _ in live.follow(photo(0) for _ in range(1000)):
            assert sessions.count == 1
            break
        wait_until(lambda: sessions.count == 0, 1.0)


def test_a_camera_that_fails_is_told_of(client: Client) -> None:
    def camera() -> Iterator[Image]:
        yield picture(0)
        raise LookupError("the camera is gone")

    with client.live(**LOSSLESS) as live, pytest.raises(LookupError, match="camera"):
        list(live.follow(camera()))


def test_frames_that_are_awaited(served: tuple[str, FastAPI]) -> None:
    async def camera() -> Any:
        for number in range(3):
            await asyncio.sleep(0)
            yield photo(number)

    async def run() -> list[int]:
        async with AsyncClient(served[0]) as client, client.live(**LOSSLESS) as live:
            return [frame.frame async for frame in live.follow(camera())]

    assert asyncio.run(run()) == [0, 1, 2]


def test_a_parameter_that_is_wrong_is_told(client: Client) -> None:
    with (
        client.live(tracker="nope") as live,
        pytest.raises(StreamFailed, match="nope") as caught,
    ):
        live.receive()
    assert caught.value.code == "unknown_name"


def test_a_frame_of_another_size_is_told_to_whoever_receives(client: Client) -> None:
    sizes = [np.zeros((height, 64, 3), np.uint8) for height in (48, 64)]
    with client.live(**LOSSLESS) as live, pytest.raises(StreamFailed, match="64x48"):
        list(live.follow(sizes))


def test_sending_on_a_closed_connection_says_so(client: Client) -> None:
    with client.live(**LOSSLESS) as live:
        live.close()
        with pytest.raises(StreamCut):
            live.send(photo(0))


def test_a_connection_that_is_lost_is_told_with_the_frame_that_it_was_lost_at(
    kind: type[Client],
) -> None:
    def answer_once_and_die(connection: ServerConnection) -> None:
        connection.recv(WAIT)  # the parameters
        connection.recv(WAIT)
        for message in (HEADER, frame(0, 1)):
            connection.send(message.decode())
        connection.socket.shutdown(socket.SHUT_RDWR)

    with (
        serve(answer_once_and_die, "127.0.0.1", 0) as server,
        running(server) as port,
        calling(kind, f"http://127.0.0.1:{port}", **NOW) as client,
        client.live(**LOSSLESS) as live,
    ):
        live.send(photo(0))
        assert live.receive(timeout=WAIT) is not None
        with pytest.raises(StreamCut, match="connection was lost") as lost:
            live.receive(timeout=WAIT)
    assert lost.value.frame == 1


def test_no_frame_in_time_is_said(client: Client) -> None:
    with client.live(**LOSSLESS) as live, pytest.raises(AnswerTimeout):
        live.receive(timeout=0.05)


def test_a_server_without_a_place_is_busy(client: Client) -> None:
    with client.live(**LOSSLESS), pytest.raises(ServerBusy, match="videos are followed"):
        client.live(**LOSSLESS)


def test_a_key_that_is_not_known_is_refused(kind: type[Client]) -> None:
    with serving(api_keys=[KEY]) as (address, _):
        with (
            calling(kind, address, api_key="another") as client,
            pytest.raises(KeyRefused, match="key"),
        ):
            client.live()
        with calling(kind, address, api_key=KEY) as client, client.live(**LOSSLESS) as live:
            live.send(photo(0))
            assert live.receive() is not None


def test_no_server_is_unreachable(kind: type[Client]) -> None:
    with (
        calling(kind, "http://127.0.0.1:1", **NOW) as client,
        pytest.raises(ServerUnreachable, match="no connection to http://127"),
    ):
        client.live()
