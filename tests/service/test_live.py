"""``WS /v1/live`` as its callers see it: one frame in, one message out, in order."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.service.clips import HEIGHT, WIDTH, clip, picture
from tests.service.gate import WAIT
from tests.service.live_client import LOSSLESS, finish, hear, live, photo
from tests.service.pictures import encode
from tests.service.serving import serving
from tests.service.test_track import TRACK, lines_of
from tests.service.test_track_counts import FRAMES, ROOM, UPRIGHT
from tests.service.test_track_faults import gated, is_idle
from tests.service.wire import in_time, wait_until

KEY = "a-key-of-some-length"
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def address(client: httpx.Client) -> str:
    """Where the server is."""
    return str(client.base_url)


def said_by(address: str, config: dict[str, Any], frames: int = FRAMES) -> list[dict[str, Any]]:
    """All that is said of the clip's frames."""
    with live(address, config) as socket:
        for number in range(frames):
            socket.send(photo(number))
        said = finish(socket)
        assert socket.close_code == 1000
    return said


def test_each_frame_is_answered_in_order_as_a_track_stream_is(
    address: str, client: httpx.Client
) -> None:
    header, *frames, end = said_by(address, LOSSLESS)
    assert (header["type"], header["model"], header["embedder"]) == ("header", "fake", "none")
    assert (header["width"], header["height"], header["fps"]) == (WIDTH, HEIGHT, 10)
    assert [frame["frame"] for frame in frames] == list(range(FRAMES))
    assert [frame["time"] for frame in frames] == pytest.approx([n / 10 for n in range(FRAMES)])
    assert all(0 < frame["latency_ms"] < WAIT * 1000 for frame in frames)
    assert (end["type"], end["frames"], end["tracks"]) == ("end", FRAMES, 2)
    _, *streamed, _ = lines_of(client.post(TRACK, content=clip("mp4", FRAMES)))
    for one, other in zip(frames, streamed, strict=True):
        ids = [
            {item["name"]: item["track_id"] for item in line["objects"]} for line in (one, other)
        ]
        assert ids[0] == ids[1]


def test_a_frame_is_answered_before_the_next_one_is_sent(address: str) -> None:
    with live(address, {"embedder": "none"}) as socket:
        for number in range(5):
            socket.send(photo(number))
            if number == 0:
                assert hear(socket)["type"] == "header"
            assert hear(socket)["frame"] == number


def test_without_a_rate_the_time_is_that_of_arrival(address: str) -> None:
    with live(address, {"embedder": "none"}) as socket:
        socket.send(photo(0))
        assert hear(socket)["fps"] is None
        assert hear(socket)["time"] == 0
        socket.send(photo(1))
        assert 0 < hear(socket)["time"] < WAIT


def test_the_parameters_are_those_of_a_video(address: str) -> None:
    config = {**LOSSLESS, "classes": "green", "tracker": "sort", "delay": 3}
    header, *frames, end = said_by(address, config, 10)
    assert header["tracker"] == "sort"
    assert [frame["frame"] for frame in frames] == list(range(10))
    assert {item["name"] for frame in frames for item in frame["objects"]} == {"green"}
    assert end["tracks"] == 1


@pytest.mark.parametrize("as_text", [False, True])
def test_lines_and_zones_are_counted(address: str, as_text: bool) -> None:
    shapes: dict[str, Any] = {"lines": [UPRIGHT], "zones": [ROOM]}
    if as_text:
        shapes = {name: json.dumps(one) for name, one in shapes.items()}
    _, *frames, end = said_by(address, {**LOSSLESS, **shapes})
    assert end["counts"]["lines"]["upright"]["a_to_b"] == 1
    assert end["counts"]["zones"]["room"]["entered"] == 1
    assert sum(len(frame["counts"]["events"]) for frame in frames) == 2


def test_the_oldest_frame_is_dropped_and_the_newest_answered() -> None:
    with gated() as (address, _, gate), live(address, {"embedder": "none"}) as socket:
        gate.wait_entered()  # the trial
        gate.shut()
        socket.send(photo(0))
        gate.wait_entered()
        for number in range(1, 12):
            socket.send(photo(number))
        # The server reads on once all that has come was taken: the second pong says that it was.
        for _ in range(2):
            assert socket.ping().wait(WAIT)
        gate.open()
        _, *frames, end = finish(socket)
    numbers = [frame["frame"] for frame in frames]
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 0
    assert numbers[-1] == 11
    assert len(numbers) < 12
    assert frames[-1]["dropped"] == 12 - len(numbers)
    assert end["frames"] == len(numbers)


def test_lossless_takes_no_more_than_it_can_follow_and_loses_none() -> None:
    with gated() as (address, app, gate), live(address, LOSSLESS) as socket:
        gate.wait_entered()
        gate.shut()
        for number in range(12):
            socket.send(photo(number))
        gate.wait_entered()
        assert sum(app.state.models.batcher("fake")._waiting.values()) <= 4
        gate.open()
        _, *frames, _ = finish(socket)
    assert [frame["frame"] for frame in frames] == list(range(12))
    assert {frame["dropped"] for frame in frames} == {0}


@pytest.mark.parametrize("mode", ["drop-oldest", "lossless"])
@in_time
def test_a_caller_that_leaves_takes_its_work_along(mode: str) -> None:
    with gated() as (address, app, gate):
        with live(address, {"embedder": "none", "mode": mode}) as socket:
            gate.wait_entered()
            gate.shut()
            for number in range(3):
                socket.send(photo(number))
            gate.wait_entered()
        gate.open()
        wait_until(lambda: is_idle(app), 1.0)
        assert app.state.sessions.count == 0


def test_connections_do_not_see_each_other(address: str) -> None:
    alone = said_by(address, LOSSLESS)
    found: list[list[dict[str, Any]]] = []
    threads = [
        threading.Thread(target=lambda: found.append(said_by(address, LOSSLESS))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert len(found) == 3
    for one in found:
        assert [line.get("objects") for line in one] == [line.get("objects") for line in alone]


@pytest.mark.parametrize(
    ("config", "code", "close", "named"),
    [
        ("hello", "invalid_parameter", 1008, "Invalid JSON"),
        ("[1]", "invalid_parameter", 1008, "the first message"),
        (b"\xff\xd8", "unsupported_media", 1003, "JSON object"),
        ({"stride": 2}, "invalid_parameter", 1008, "stride"),
        ({"conf": 2}, "invalid_parameter", 1008, "conf"),
        ({"mode": "fast"}, "invalid_parameter", 1008, "'drop-oldest' or 'lossless'"),
        ({"fps": 0}, "invalid_parameter", 1008, "fps"),
        ({"tracker": "nobody"}, "unknown_name", 1008, "nobody"),
        ({"model": "nobody"}, "unknown_model", 1008, "nobody"),
        ({"lines": [{"name": "a"}]}, "invalid_parameter", 1008, "lines"),
    ],
)
def test_a_first_message_that_cannot_be_used_is_refused_with_the_reason(
    address: str, config: dict[str, Any] | str | bytes, code: str, close: int, named: str
) -> None:
    with live(address, config) as socket:
        error = hear(socket)
        assert (error["type"], error["code"], error["frame"]) == ("error", code, 0)
        assert named in error["message"]
        with pytest.raises(ConnectionClosed):
            socket.recv(WAIT)
        assert socket.close_code == close
        assert socket.close_reason
        assert error["message"].startswith(socket.close_reason)


@pytest.mark.parametrize(
    ("message", "code", "close"),
    [
        (b"GIF89a" + bytes(50), "unsupported_media", 1003),
        ("text", "unsupported_media", 1003),
        (b"\xff\xd8" + bytes(2_000_000), "too_large", 1009),
    ],
)
def test_a_frame_that_cannot_be_used_ends_the_connection(
    message: bytes | str, code: str, close: int
) -> None:
    with (
        serving(max_image_bytes=1_000_000) as (address, app),
        live(address, {"embedder": "none", "mode": "lossless"}) as socket,
    ):
        socket.send(photo(0))
        assert [hear(socket)["type"] for _ in range(2)] == ["header", "frame"]
        socket.send(message)
        error = hear(socket)
        assert (error["type"], error["code"], error["frame"]) == ("error", code, 1)
        with pytest.raises(ConnectionClosed):
            socket.recv(WAIT)
        assert socket.close_code == close
        wait_until(lambda: is_idle(app))


@pytest.mark.parametrize("delay", [0, 2])
def test_a_damaged_frame_is_answered_with_its_error_and_the_next_ones_go_on(
    address: str, delay: int
) -> None:
    with live(address, LOSSLESS | {"delay": delay}) as socket:
        for number in range(8):
            socket.send(photo(number)[:900] if number in (4, 5) else photo(number))
        header, *frames, end = finish(socket)
        assert socket.close_code == 1000
    assert [frame["frame"] for frame in frames] == list(range(8))
    assert [frame["frame"] for frame in frames if "error" in frame] == [4, 5]
    assert frames[4]["error"]["code"] == "unreadable_media"
    named = [{item["track_id"]: item["name"] for item in frame["objects"]} for frame in frames]
    assert named[3] == named[7]
    assert len(named[7]) == 2
    assert named[4].items() <= named[3].items()
    assert named[4] or not delay, "a delay fills gaps"
    assert all(item["predicted"] for item in frames[4]["objects"])
    assert (header["type"], end["frames"]) == ("header", 8)


@pytest.mark.parametrize("delay", [0, 2])
@pytest.mark.parametrize("damaged", [b"no picture at all", photo(1)[:900]])
def test_first_frames_that_cannot_be_read_are_answered_at_once_and_before_the_header(
    address: str, damaged: bytes, delay: int
) -> None:
    with live(address, LOSSLESS | {"delay": delay}) as socket:
        for number in range(2):
            socket.send(damaged)
            answer = hear(socket)
            assert (answer["type"], answer["frame"], answer["objects"]) == ("frame", number, [])
            assert answer["error"]["code"] == "unreadable_media"
        for number in range(2, 6):
            socket.send(photo(number))
        header, *frames, end = finish(socket)
    assert header["type"] == "header"
    assert [frame["frame"] for frame in frames] == [2, 3, 4, 5]
    assert all("error" not in frame and len(frame["objects"]) == 2 for frame in frames)
    assert end["frames"] == 6


def test_frames_of_which_none_can_be_read_end_in_an_error(address: str) -> None:
    with live(address, LOSSLESS) as socket:
        socket.send(b"no picture at all")
        answer, error = finish(socket)
        assert socket.close_code == 1007
    assert (answer["type"], answer["frame"]) == ("frame", 0)
    assert (error["type"], error["frame"]) == ("error", 1)
    assert "got none" in error["message"]


def test_frames_of_another_size_are_refused(address: str) -> None:
    with live(address, LOSSLESS) as socket:
        socket.send(photo(0))
        socket.send(encode(picture(0, WIDTH * 2, HEIGHT), "JPEG"))
        *_, error = finish(socket)
    assert error["code"] == "unreadable_media"
    assert f"{WIDTH}x{HEIGHT} were expected" in error["message"]


def test_an_end_before_the_first_frame_is_an_error(address: str) -> None:
    with live(address, LOSSLESS) as socket:
        (error,) = finish(socket)
    assert "got none" in error["message"]


def test_a_model_that_fails_says_so_and_nothing_of_its_inside() -> None:
    with gated() as (address, _, gate), live(address, LOSSLESS) as socket:
        gate.wait_entered()
        gate.broken = RuntimeError("a path of the server")
        socket.send(photo(0))
        error = hear(socket)
        assert error["type"] == "error"
        assert "a path" not in error["message"]
        with pytest.raises(ConnectionClosed):
            socket.recv(WAIT)
        assert socket.close_code in (1011, 1013)


def test_keys_are_checked_in_the_header_and_in_the_first_message() -> None:
    config = {"embedder": "none"}
    with serving(api_keys=KEY) as (address, _):
        with pytest.raises(InvalidStatus) as refused:
            live(address, config, additional_headers={"X-API-Key": "another"}).__enter__()
        assert refused.value.response.status_code == 401
        assert json.loads(refused.value.response.body)["type"].endswith("key-missing")
        for good in ({"key": KEY}, {}):
            headers = {} if good else {"Authorization": f"Bearer {KEY}"}
            with live(address, config | good, additional_headers=headers) as socket:
                socket.send(photo(0))
                assert hear(socket)["type"] == "header"
        for bad in ({}, {"key": "another"}):
            with live(address, config | bad) as socket:
                assert hear(socket)["code"] == "key_missing"


def test_pages_of_other_sites_may_not_connect() -> None:
    config = {"embedder": "none"}
    with serving(cors_origins="https://ours.test") as (address, _):
        with pytest.raises(InvalidStatus) as refused:
            live(address, config, origin="https://theirs.test").__enter__()
        assert refused.value.response.status_code == 403
        for origin in ("https://ours.test", address):
            with live(address, config, origin=origin) as socket:
                socket.send(photo(0))
                assert hear(socket)["type"] == "header"


def test_places_are_limited_and_given_back() -> None:
    with serving(max_sessions=1) as (address, app):
        with live(address, LOSSLESS):
            with pytest.raises(InvalidStatus) as refused:
                live(address, LOSSLESS).__enter__()
            assert refused.value.response.status_code == 429
            assert refused.value.response.headers["Retry-After"]
        wait_until(lambda: is_idle(app))
        assert said_by(address, LOSSLESS, 2)[-1]["type"] == "end"


def test_a_caller_that_is_silent_is_given_up() -> None:
    with serving(stall_seconds=1.0) as (address, app), live(address, LOSSLESS) as socket:
        assert hear(socket)["code"] == "upload_stalled"
        wait_until(lambda: is_idle(app))


def test_the_end_of_the_server_closes_connections() -> None:
    with serving() as (address, app), live(address, LOSSLESS) as socket:
        socket.send(photo(0))
        assert [hear(socket)["type"] for _ in range(2)] == ["header", "frame"]
        threading.Timer(0, app.state.shutdown.begin).start()
    # The server has stopped: the connection knows.
    with pytest.raises(ConnectionClosed):
        socket.recv(WAIT)


def test_the_example_of_the_documentation_works(address: str) -> None:
    text = (DOCS / "live.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102
    url = address.replace("http", "ws") + "/v1/live"
    kinds = [message["type"] for message in names["follow"](url, map(photo, range(3)))]
    assert kinds == ["header", "frame", "frame", "frame", "end"]
