"""``POST /v1/track`` as its callers see it: the lines of the contract, however the video comes."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.service.clips import AS_LONG_AS, CODECS, HEIGHT, INDEX_LAST, WIDTH, clip, pieces, sound
from tests.service.gate import WAIT
from tests.service.serving import serving
from tests.service.wire import Wire

TRACK = "/v1/track?embedder=none"


def lines_of(answer: httpx.Response) -> list[dict[str, Any]]:
    """The lines of an answer."""
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def comparable(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines without what differs from one request to the next."""
    own = {"session", "elapsed_s"}
    last = {"fps"} if lines[-1]["type"] == "end" else set()
    kept = [{k: v for k, v in line.items() if k not in own} for line in lines]
    kept[-1] = {k: v for k, v in kept[-1].items() if k not in last}
    return kept


def test_header_then_each_frame_in_order_then_end(client: httpx.Client) -> None:
    answer = client.post(TRACK, content=clip("mp4", 20))
    assert answer.headers["content-type"] == "application/x-ndjson"
    header, *frames, end = lines_of(answer)
    session = header.pop("session")
    assert session
    assert header == {
        "type": "header",
        "model": "fake",
        "tracker": "deepsort",
        "embedder": "none",
        "width": WIDTH,
        "height": HEIGHT,
        "fps": 10.0,
        "frames": 20,
    }
    assert [frame["frame"] for frame in frames] == list(range(20))
    assert [frame["time"] for frame in frames] == pytest.approx([n / 10 for n in range(20)])
    assert {frame["type"] for frame in frames} == {"frame"}
    assert end["type"] == "end"
    assert (end["frames"], end["tracks"]) == (20, 2)
    assert end["elapsed_s"] > 0
    assert end["fps"] > 0


def test_objects_keep_their_ids_and_have_the_contracts_fields(client: httpx.Client) -> None:
    _, *frames, _ = lines_of(client.post(TRACK, content=clip("mp4", 20)))
    for frame in frames[3:]:
        named = {item["name"]: item for item in frame["objects"]}
        assert named.keys() == {"red", "green"}
        red = named["red"]
        assert red.keys() == {"name", "class", "confidence", "box", "track_id", "predicted"}
        assert red["box"].keys() == {"x1", "y1", "x2", "y2"}
        assert red["box"]["x1"] == pytest.approx(10 + 2 * frame["frame"], abs=3)
        assert red["predicted"] is False
        assert {item["track_id"] for item in frame["objects"]} == {1, 2}


def test_the_model_finds_tracks_from_a_tenth_on(client: httpx.Client) -> None:
    schema = client.get("/openapi.json").json()["paths"]["/v1/track"]["post"]["parameters"]
    assert {one["name"]: one["schema"].get("default") for one in schema}["conf"] == 0.1


@pytest.mark.parametrize("kind", CODECS)
def test_the_first_line_comes_before_the_last_byte(client: httpx.Client, kind: str) -> None:
    data = clip(kind, AS_LONG_AS)
    cut = len(data) * 3 // 4
    with Wire(str(client.base_url), TRACK) as wire:
        for piece in pieces(data[:cut], 1500):
            wire.send(piece)
        assert wire.line()["type"] == "header"
        first = wire.line()
        assert first["frame"] == 0
        wire.send(data[cut:])
        wire.finish()
        *frames, end = wire.lines()
    assert [frame["frame"] for frame in frames] == list(range(1, AS_LONG_AS))
    assert end["type"] == "end"


def test_fragments_are_answered_as_they_come(client: httpx.Client) -> None:
    data = clip("mp4", AS_LONG_AS, options={"movflags": "frag_keyframe+empty_moov"})
    with Wire(str(client.base_url), TRACK) as wire:
        wire.send(data[: len(data) // 2])
        assert wire.line()["frames"] is None
        assert wire.line()["frame"] == 0
        wire.send(data[len(data) // 2 :])
        wire.finish()
        assert len([line for line in wire.lines() if line["type"] == "frame"]) == AS_LONG_AS - 1


def test_the_pieces_of_the_body_do_not_matter(client: httpx.Client) -> None:
    data = clip("mpegts", 12)
    expected = comparable(lines_of(client.post(TRACK, content=data)))
    for size in (61, 188, 5000):
        answer = client.post(TRACK, content=pieces(data, size))
        assert comparable(lines_of(answer)) == expected


def test_a_form_is_answered_as_the_raw_body(client: httpx.Client) -> None:
    data = clip("matroska", 10)
    raw = client.post(TRACK, content=data)
    form = client.post(TRACK, files={"video": ("clip.mkv", data, "video/x-matroska")})
    assert comparable(lines_of(form)) == comparable(lines_of(raw))


def test_an_index_at_the_end_makes_no_difference(client: httpx.Client) -> None:
    first = client.post(TRACK, content=clip("mp4", 10))
    last = client.post(TRACK, content=pieces(clip("mp4", 10, options=INDEX_LAST), 700))
    assert comparable(lines_of(last)) == comparable(lines_of(first))


def test_events_carry_the_frame_number_as_id(client: httpx.Client) -> None:
    answer = client.post(TRACK, content=clip("mp4", 3), headers={"Accept": "text/event-stream"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [event.split("\n") for event in answer.text.strip().split("\n\n")]
    assert [event[0] for event in events[1:-1]] == ["id: 0", "id: 1", "id: 2"]
    kinds = [json.loads(event[-1].removeprefix("data: "))["type"] for event in events]
    assert kinds == ["header", "frame", "frame", "frame", "end"]


def test_only_the_frames_asked_for_are_answered(client: httpx.Client) -> None:
    answer = client.post(f"{TRACK}&start=4&end=15&stride=5", content=clip("mp4", 20))
    _, *frames, end = lines_of(answer)
    assert [frame["frame"] for frame in frames] == [4, 9, 14]
    assert end["frames"] == 3


def test_only_the_classes_asked_for_are_followed(client: httpx.Client) -> None:
    _, *frames, end = lines_of(client.post(f"{TRACK}&classes=green", content=clip("mp4", 8)))
    assert {item["name"] for frame in frames for item in frame["objects"]} == {"green"}
    assert end["tracks"] == 1


def test_a_delay_holds_back_and_loses_nothing(client: httpx.Client) -> None:
    _, *frames, end = lines_of(client.post(f"{TRACK}&delay=5", content=clip("mp4", 12)))
    assert [frame["frame"] for frame in frames] == list(range(12))
    assert end["frames"] == 12


@pytest.mark.parametrize("tracker", ["sort", "bytetrack", "botsort", "deepsort-paper"])
def test_other_trackers_are_had_by_name(client: httpx.Client, tracker: str) -> None:
    header, *frames, _ = lines_of(client.post(f"{TRACK}&tracker={tracker}", content=clip("mp4", 8)))
    assert header["tracker"] == tracker
    assert len(frames) == 8


def test_an_embedder_is_had_by_name(client: httpx.Client) -> None:
    answer = client.post("/v1/track?embedder=colour", content=clip("mp4", 8))
    assert lines_of(answer)[0]["embedder"] == "colour"


@pytest.mark.parametrize("kind", ["mp4", "matroska", "avi"])
def test_a_video_that_is_cut_is_followed_as_far_as_it_goes(client: httpx.Client, kind: str) -> None:
    data = clip(kind, AS_LONG_AS)
    _, *frames, error = lines_of(client.post(TRACK, content=data[: len(data) * 2 // 3]))
    assert len(frames) > AS_LONG_AS // 3
    assert [frame["frame"] for frame in frames] == list(range(len(frames)))
    assert error["type"] == "error"
    assert error["code"] == "truncated_video"
    assert error["frame"] == len(frames)


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        (b"just some text", 400, "expected a video file"),
        (b"#EXTM3U\nfile:///etc/passwd\n", 415, "HLS playlist"),
        (b"", 400, "empty"),
        (clip("mp4", 5)[:300], 400, "bytes more than have come"),
        (clip("mp4", 5, options=INDEX_LAST)[:900], 400, "no index"),
        (sound(), 400, "no video stream"),
    ],
)
def test_what_is_no_video_is_refused_with_the_reason(
    client: httpx.Client, body: bytes, status: int, named: str
) -> None:
    answer = client.post(TRACK, content=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert named in answer.json()["detail"]
    assert lines_of(client.post(TRACK, content=clip("mp4", 2)))[-1]["type"] == "end"


@pytest.mark.parametrize("target", ["/v1/track", "/v1/videos"])
@pytest.mark.parametrize("declared", ["text/plain", "application/json", "image/jpeg", "audio/mp4"])
def test_what_is_declared_as_something_else_than_a_video_is_refused(
    client: httpx.Client, target: str, declared: str
) -> None:
    answer = client.post(target, content=clip("mp4", 2), headers={"Content-Type": declared})
    assert answer.status_code == 415
    assert f"got '{declared}'" in answer.json()["detail"]


@pytest.mark.parametrize(
    "declared", ["video/mp4", "Video/QuickTime; codecs=avc1", "application/octet-stream"]
)
def test_what_is_declared_as_a_video_is_followed(client: httpx.Client, declared: str) -> None:
    headers = {"Content-Type": declared}
    answer = client.post(TRACK, content=clip("mp4", 2), headers=headers)
    assert lines_of(answer)[-1]["type"] == "end"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("tracker=nobody", 422),
        ("embedder=nobody", 422),
        ("classes=purple", 422),
        ("stride=0", 422),
        ("start=5&end=5", 422),
        ("conf=2", 422),
        ("tracker=sort&reenter=true", 422),
        ("model=nobody", 404),
    ],
)
def test_wrong_parameters_are_refused(client: httpx.Client, query: str, status: int) -> None:
    answer = client.post(f"/v1/track?{query}", content=clip("mp4", 2))
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_limits_are_kept_before_and_after_the_first_line() -> None:
    data = clip("mpegts", AS_LONG_AS)
    with serving(max_video_bytes=len(data) - 1000, max_video_pixels=WIDTH * HEIGHT) as (address, _):
        declared = httpx.post(address + TRACK, content=data, timeout=WAIT)
        assert declared.status_code == 413
        with Wire(address, TRACK) as wire:
            wire.send(data[:-5000])
            assert wire.line()["type"] == "header"
            assert wire.line()["frame"] == 0
            wire.send(data[-5000:])
            *_, last = wire.lines()
        assert (last["type"], last["code"]) == ("error", "too_large")
        wide = clip("mp4", 2, size=(WIDTH * 2, HEIGHT))
        large = httpx.post(address + TRACK, content=wide, timeout=WAIT)
        assert large.status_code == 413
        assert f"got {WIDTH * 2}x{HEIGHT}" in large.json()["detail"]


def test_a_client_that_waits_to_be_asked_for_the_body_is_asked(client: httpx.Client) -> None:
    with Wire(str(client.base_url), TRACK, Expect="100-continue") as wire:
        # The informational answer is read by the first call that waits for a line.
        wire.send(clip("mp4", 3))
        wire.finish()
        assert [line["type"] for line in wire.lines()][-1] == "end"
