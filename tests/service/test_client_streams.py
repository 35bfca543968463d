"""Track streams of both clients: whole ones, broken ones, and what becomes of those."""

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
    ClientError,
    Progress,
    RequestRefused,
    ServerBusy,
    StreamChanged,
    StreamCut,
    StreamFailed,
)
from service.client.pauses import Pauses
from tests.service.clients import KINDS, NOW, calling
from tests.service.clips import clip, pieces
from tests.service.gate import WAIT
from tests.service.jobs_client import Steps
from tests.service.proxy import proxy
from tests.service.scripted import HEAD, HEADER, answering, frame, line
from tests.service.serving import serving
from tests.service.wire import wait_until

FRAMES = 60
CLIP = clip("mp4", FRAMES)
END = line(type="end", frames=2, tracks=1, elapsed_s=0.1, fps=20.0, damaged=0)
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


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[ClientError]:
    """Why a client would have paused; it does not, here."""
    taken: list[ClientError] = []
    real = Pauses.after

    def after(self: Pauses, error: ClientError) -> float:
        real(self, error)
        taken.append(error)
        return 0.0

    monkeypatch.setattr(Pauses, "after", after)
    return taken


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
    assert caught.value.status in (400, 415)


def test_a_broken_stream_goes_on_with_the_tracks_of_an_unbroken_one(
    address: str, kind: type[Client], undisturbed: list[bytes], pauses: list[ClientError]
) -> None:
    with proxy(address, 5000, 100, 12000) as cutting, calling(kind, cutting.address) as client:
        said: list[Progress] = []
        stream = client.track(CLIP, progress=said.append)
        lines = list(stream.lines())
    assert lines[1:-1] == undisturbed
    assert cutting.connections == 4
    assert len(pauses) == 3
    assert stream.end is not None
    assert said[-1].frames == FRAMES


def test_a_stream_that_breaks_before_its_first_line_is_begun_again(
    address: str, kind: type[Client], undisturbed: list[bytes]
) -> None:
    with proxy(address, 100) as cutting, calling(kind, cutting.address) as client:
        assert list(client.track(CLIP).lines())[1:-1] == undisturbed


def test_a_stream_that_never_gets_further_is_given_up(address: str, kind: type[Client]) -> None:
    with (
        proxy(address, *[5000] * 4) as cutting,
        calling(kind, cutting.address, resumes=2) as client,
        pytest.raises(StreamCut) as caught,
    ):
        list(client.track(CLIP))
    assert cutting.connections == 3
    assert caught.value.frame > 0


def test_a_video_that_can_be_had_only_once_is_not_sent_again(
    address: str, kind: type[Client]
) -> None:
    with proxy(address, 5000) as cutting, calling(kind, cutting.address) as client:
        frames = iter(client.track(pieces(CLIP, 1000)))
        with pytest.raises(StreamCut, match="cut"):
            list(frames)
    assert cutting.connections == 1


@pytest.mark.parametrize(
    "second",
    [
        HEADER + frame(0, 1) + frame(1, 3) + frame(2, 3) + END,
        HEADER + frame(0, 1) + END,
        HEADER.replace(b"deepsort", b"sort") + frame(0, 1) + frame(1, 2) + frame(2, 2) + END,
    ],
    ids=["another identity", "fewer frames", "another tracker"],
)
def test_other_tracks_than_before_are_never_given(kind: type[Client], second: bytes) -> None:
    first = HEADER + frame(0, 1) + frame(1, 2)
    with answering(HEAD + first, HEAD + second) as address, calling(kind, address) as client:
        frames = iter(client.track(b"bytes"))
        assert [next(frames).frame, next(frames).frame] == [0, 1]
        with pytest.raises(StreamChanged, match="other tracks"):
            next(frames)


def test_a_server_that_shuts_down_is_come_back_to(kind: type[Client]) -> None:
    leaving = line(type="error", code="shutting_down", message="it ends", frame=1)
    first = HEADER + frame(0, 1) + leaving
    second = HEADER + frame(0, 1) + frame(1, 1) + END
    with answering(HEAD + first, HEAD + second) as address, calling(kind, address) as client:
        assert [one.frame for one in client.track(b"bytes")] == [0, 1]


def test_an_error_line_fails_with_its_message(kind: type[Client]) -> None:
    last = line(type="error", code="model_failed", message="it broke", frame=1)
    with (
        answering(HEAD + HEADER + frame(0) + last) as address,
        calling(kind, address) as client,
    ):
        frames = iter(client.track(b"bytes"))
        next(frames)
        with pytest.raises(StreamFailed, match=r"it broke \(model_failed, frame 1\)") as caught:
            next(frames)
    assert (caught.value.code, caught.value.frame) == ("model_failed", 1)


@pytest.mark.parametrize("text", [b"<html>\n", b'{"type":"frame"}\n'])
def test_what_is_no_line_of_tracks_is_an_error(kind: type[Client], text: bytes) -> None:
    with (
        answering(HEAD + text) as address,
        calling(kind, address) as client,
        pytest.raises(StreamFailed, match="a line of tracks was expected"),
    ):
        client.track(b"bytes")


def test_a_stream_without_a_header_is_an_error(kind: type[Client]) -> None:
    with (
        answering(HEAD + frame(0, 1) + END) as address,
        calling(kind, address) as client,
        pytest.raises(StreamFailed, match="a header was expected"),
    ):
        client.track(b"bytes")


def test_fields_that_a_newer_server_adds_do_no_harm(kind: type[Client]) -> None:
    newer = HEADER.replace(b"{", b'{"new":1,', 1) + frame(0, 1).replace(b"{", b'{"new":[],', 1)
    with answering(HEAD + newer + END) as address, calling(kind, address) as client:
        assert [one.frame for one in client.track(b"bytes")] == [0]


@pytest.mark.parametrize("way", ["break", "close", "with"])
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
