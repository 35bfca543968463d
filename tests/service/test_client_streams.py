"""Track streams of both clients, from the first frame to the last, or until somebody leaves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from models.errors import InvalidInput
from models.fake import FakeDetector
from service.client import (
    AsyncClient,
    AsyncTrackStream,
    Client,
    Progress,
    RequestRefused,
    ServerBusy,
)
from tests.service.clients import KINDS, NOW, calling
from tests.service.clips import clip, pieces
from tests.service.gate import WAIT
from tests.service.jobs_client import Steps
from tests.service.serving import serving
from tests.service.wire import in_time, wait_until

FRAMES = 60
CLIP = clip("mp4", FRAMES)
AT_ONCE = 20


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, FastAPI]]:
    with serving(max_sessions=AT_ONCE) as (address, app):
        yield address, app


@pytest.fixture
def address(served: tuple[str, FastAPI]) -> str:
    return served[0]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@contextmanager
def held() -> Iterator[tuple[str, FastAPI]]:
    """A server with one place, whose detector gets no further than some frames."""
    steps = Steps()
    with serving(lambda name: FakeDetector(steps), max_sessions=1) as (address, app):
        steps.let(2)
        try:
            yield address, app
        finally:
            steps.let(FRAMES)


async def read(stream: AsyncTrackStream) -> int:
    return len([frame async for frame in stream])


async def lines_of(stream: AsyncTrackStream) -> list[bytes]:
    return [line async for line in stream.lines()]


@pytest.fixture(scope="module")
def undisturbed(served: tuple[str, FastAPI]) -> list[bytes]:
    """The lines of the clip's frames."""
    with Client(served[0]) as client:
        return list(client.track(CLIP).lines())[1:-1]


def test_the_frames_of_a_video_by_path(address: str, kind: type[Client], tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(CLIP)
    said: list[Progress] = []
    with calling(kind, address) as client:
        stream = client.track(path, progress=said.append, classes="red,green")
        frames = list(stream)
    assert (stream.header.model, stream.header.frames) == ("fake", FRAMES)
    assert [frame.frame for frame in frames] == list(range(FRAMES))
    assert {item.track_id for item in frames[20].objects} == {1, 2}
    assert frames[5]["objects"][0]["box"]["x1"] == frames[5].objects[0].box.x1
    assert stream.end is not None
    assert stream.end.frames == FRAMES
    assert said[-1] == Progress(len(CLIP), len(CLIP), FRAMES, FRAMES)


def test_a_video_in_pieces_of_unknown_length(address: str, kind: type[Client]) -> None:
    with calling(kind, address) as client:
        frames = list(client.track(pieces(CLIP, 1000)))
    assert len(frames) == FRAMES


def test_pieces_that_are_awaited(address: str) -> None:
    async def video() -> AsyncIterator[bytes]:
        for piece in pieces(CLIP, 1000):
            await asyncio.sleep(0)
            yield piece

    async def run() -> int:
        async with AsyncClient(address) as client:
            return await read(client.track(video()))

    assert asyncio.run(run()) == FRAMES
    with Client(address) as client, pytest.raises(InvalidInput, match="AsyncClient alone"):
        client.track(video())  # type: ignore[arg-type]


def test_frames_come_while_the_video_is_still_being_made(address: str, kind: type[Client]) -> None:
    """The last piece is given only once the first frames have come."""
    answered = threading.Event()

    def video() -> Iterator[bytes]:
        yield CLIP[:-2000]
        assert answered.wait(WAIT)
        yield CLIP[-2000:]

    with calling(kind, address) as client:
        frames = iter(client.track(video()))
        next(frames)
        answered.set()
        assert len(list(frames)) == FRAMES - 1


@in_time
def test_a_video_that_cannot_be_made_to_its_end_fails_with_its_reason(
    served: tuple[str, FastAPI], kind: type[Client]
) -> None:
    def video() -> Iterator[bytes]:
        yield CLIP[:-2000]
        raise LookupError("the camera is gone")

    with calling(kind, served[0]) as client, pytest.raises(LookupError, match="camera"):
        list(client.track(video()))
    wait_until(lambda: served[1].state.sessions.count == 0, 1.0)


def test_what_the_server_refuses_is_raised(address: str, kind: type[Client]) -> None:
    with calling(kind, address) as client:
        with pytest.raises(RequestRefused, match="pigeon"):
            client.track(CLIP, classes=["pigeon"])
        with pytest.raises(RequestRefused) as caught:
            client.track(b"no video at all")
    assert caught.value.status == 400


@pytest.mark.parametrize("way", ["break", "close", "with"])
@in_time
def test_leaving_the_loop_stops_the_server_within_a_second(kind: type[Client], way: str) -> None:
    with held() as (address, app), calling(kind, address) as client:
        stream = client.track(CLIP)
        assert app.state.sessions.count == 1
        if way == "with":
            with stream:
                pass
        elif way == "close":
            stream.close()
        else:
            for _ in stream:
                break
        wait_until(lambda: app.state.sessions.count == 0, 1.0)


@in_time
def test_a_task_that_is_cancelled_in_its_loop_stops_the_server_within_a_second() -> None:
    async def follow(stream: AsyncTrackStream, begun: asyncio.Event) -> None:
        async for _ in stream:
            begun.set()

    async def run(address: str, app: FastAPI) -> None:
        async with AsyncClient(address) as client:
            begun = asyncio.Event()
            following = asyncio.create_task(follow(client.track(CLIP), begun))
            async with asyncio.timeout(WAIT):
                await begun.wait()
            following.cancel()
            with pytest.raises(asyncio.CancelledError):
                await following
            await asyncio.to_thread(wait_until, lambda: app.state.sessions.count == 0, 1.0)

    with held() as (address, app):
        asyncio.run(run(address, app))


def test_twenty_streams_at_once_are_what_one_is_alone(
    address: str, undisturbed: list[bytes]
) -> None:
    async def run() -> list[list[bytes]]:
        async with AsyncClient(address) as client:
            streams = [client.track(CLIP) for _ in range(AT_ONCE)]
            return await asyncio.gather(*[lines_of(stream) for stream in streams])

    for lines in asyncio.run(run()):
        assert lines[1:-1] == undisturbed


def test_a_reader_slower_than_the_server_gets_every_frame(
    served: tuple[str, FastAPI], kind: type[Client]
) -> None:
    """It takes the second frame only when the server has long sent the last one."""
    with calling(kind, served[0]) as client:
        frames = iter(client.track(CLIP))
        next(frames)
        wait_until(lambda: served[1].state.sessions.count == 0)
        assert [one.frame for one in frames] == list(range(1, FRAMES))


def test_a_server_without_a_free_place_is_busy(kind: type[Client]) -> None:
    with held() as (address, _), calling(kind, address, **NOW) as client:
        with client.track(CLIP), pytest.raises(ServerBusy) as caught:
            client.track(CLIP)
        assert (caught.value.status, caught.value.retry_after) == (429, 1)
