"""The room for decoded pixels that pictures and live frames share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI

from service.pictures.room import PixelRoom
from service.settings import Settings
from tests.service.clips import HEIGHT, WIDTH
from tests.service.gate import WAIT, Gate
from tests.service.live_client import LOSSLESS, finish, hear, live, photo
from tests.service.pictures import png_claiming
from tests.service.test_track_faults import gated, is_idle
from tests.service.wire import wait_until

ONE_FRAME = WIDTH * HEIGHT


@pytest.fixture
def cramped() -> Iterator[tuple[str, FastAPI, Gate]]:
    """A server that has room for the pixels of one frame, and gives up waiting for it soon."""
    with gated(max_pixels_at_once=ONE_FRAME, deadline_seconds=1.0) as (address, app, gate):
        gate.wait_entered()  # the trial
        yield address, app, gate


def test_live_frames_take_turns_where_they_would_not_fit_at_once() -> None:
    with gated(max_pixels_at_once=ONE_FRAME) as (address, app, _):
        with live(address, LOSSLESS) as one, live(address, LOSSLESS) as other:
            for number in range(12):
                one.send(photo(number))
                other.send(photo(number))
            for socket in (one, other):
                _, *frames, end = finish(socket)
                assert [frame["frame"] for frame in frames] == list(range(12))
                assert end["type"] == "end"
        assert app.state.codec.room.held == 0


@pytest.mark.parametrize("mode", ["drop-oldest", "lossless"])
def test_a_live_frame_that_finds_no_room_in_time_is_refused(
    cramped: tuple[str, FastAPI, Gate], mode: str
) -> None:
    address, _, gate = cramped
    config = {"embedder": "none", "mode": mode}
    gate.shut()
    with live(address, config) as first, live(address, config) as second:
        first.send(photo(0))
        gate.wait_entered()
        second.send(photo(0))
        error = hear(second)
        assert (error["type"], error["code"]) == ("error", "deadline_exceeded")
        assert error["message"].startswith(f"no room for {ONE_FRAME} more pixels")
        picture = httpx.post(f"{address}/v1/detect", content=photo(0), timeout=WAIT)
        assert picture.json()["detail"] == error["message"]
        gate.open()
        assert hear(first)["type"] == "header"


def test_a_live_caller_that_leaves_gives_its_room_back(
    cramped: tuple[str, FastAPI, Gate],
) -> None:
    address, app, gate = cramped
    with live(address, LOSSLESS) as socket:
        gate.shut()
        for number in range(4):
            socket.send(photo(number))
        gate.wait_entered()
        assert app.state.codec.room.held == ONE_FRAME
    gate.open()
    wait_until(lambda: is_idle(app) and app.state.codec.room.held == 0, WAIT)


def test_a_damaged_live_frame_gives_its_room_back() -> None:
    with gated(max_pixels_at_once=ONE_FRAME) as (address, app, _):
        with live(address, LOSSLESS) as socket:
            for number in range(3):
                socket.send(photo(number))
                socket.send(photo(number)[:-200])
            _, *frames, _ = finish(socket)
        assert ["error" in frame for frame in frames] == [False, True] * 3
        assert app.state.codec.room.held == 0


def test_a_large_picture_is_not_passed_by_small_ones_for_ever() -> None:
    room = PixelRoom(Settings(max_pixels_at_once=100, deadline_seconds=WAIT))
    order: list[str] = []

    async def hold(name: str, side: int) -> None:
        async with room.hold(png_claiming(side, side)):
            order.append(name)
            await asyncio.sleep(0)

    async def hold_all() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(hold("small", 6))
            group.create_task(hold("large", 10))
            for number in range(3):
                group.create_task(hold(f"later {number}", 2))

    asyncio.run(hold_all())
    assert order == ["small", "large", "later 0", "later 1", "later 2"]
    assert room.held == 0
