"""Lines and zones over HTTP: a red rectangle goes right, a green one goes down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidInput
from service.counting.query import (
    LINE_EXAMPLE,
    MOST_CORNERS,
    MOST_SHAPES,
    ZONE_EXAMPLE,
    parse_lines,
    parse_zones,
)
from tests.service.clips import FPS, HEIGHT, WIDTH, clip
from tests.service.jobs_client import VIDEOS, post, stream
from tests.service.test_cli_files import trackline
from tests.service.test_track import TRACK, lines_of

# Of the first 20 frames: the red one's foot goes from (25, 60) to (63, 60), the green one's from
# (130, 40) to (130, 59).
UPRIGHT: dict[str, Any] = {"name": "upright", "points": [[45, 100], [45, 0]]}
LEVEL: dict[str, Any] = {"name": "level", "points": [[100, 50], [159, 50]]}
ROOM: dict[str, Any] = {"name": "room", "points": [[40, 50], [100, 50], [100, 80], [40, 80]]}
FRAMES = 20


def counted(client: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    """The lines of the clip, with lists in the query sent as JSON."""
    sent = {key: json.dumps(one) if isinstance(one, list) else one for key, one in query.items()}
    return lines_of(client.post(f"{TRACK}&{urlencode(sent)}", content=clip("mp4", FRAMES)))


def test_lines_are_counted_in_each_frame_and_in_the_end(client: httpx.Client) -> None:
    _, *frames, end = counted(client, lines=[UPRIGHT, LEVEL])
    events = [(frame["frame"], event) for frame in frames for event in frame["counts"]["events"]]
    assert [(event["line"], event["direction"], event["name"]) for _, event in events] == [
        ("upright", "a_to_b", "red"),
        ("level", "a_to_b", "green"),
    ]
    # The red one's foot passes x = 45 at frame 10, and is clear of it a frame later.
    assert 10 <= events[0][0] <= 13
    before, after = frames[events[0][0] - 1], frames[events[0][0]]
    assert before["counts"]["lines"]["upright"]["a_to_b"] == 0
    assert after["counts"]["lines"]["upright"]["a_to_b"] == 1
    assert end["counts"] == {"lines": frames[-1]["counts"]["lines"], "zones": {}}
    assert end["counts"]["lines"]["level"]["classes"] == {"green": {"a_to_b": 1, "b_to_a": 0}}


def test_zones_have_occupancy_and_dwell(client: httpx.Client) -> None:
    _, *frames, end = counted(client, zones=[ROOM])
    (entrance,) = [frame["frame"] for frame in frames if frame["counts"]["events"]]
    room = end["counts"]["zones"]["room"]
    stay = (FRAMES - 1 - entrance) / FPS
    assert room["dwell_s"]["max"] == pytest.approx(stay, abs=1e-3)
    assert (room["occupancy"], room["entered"], room["left"]) == (1, 1, 0)
    assert [visit["name"] for visit in room["inside"]] == ["red"]
    assert room["classes"].keys() == {"red"}


def test_shares_of_the_size_are_counted_as_pixels(client: httpx.Client) -> None:
    shares = [[x / WIDTH, y / HEIGHT] for x, y in ROOM["points"]]
    in_pixels = counted(client, zones=[ROOM])
    in_shares = counted(client, zones=[{**ROOM, "points": shares, "normalized": True}])
    assert in_shares[-1]["counts"] == in_pixels[-1]["counts"]


def test_the_anchor_is_chosen(client: httpx.Client) -> None:
    # The centres end at y = 40, above the line.
    assert counted(client, lines=[LEVEL])[-1]["counts"]["lines"]["level"]["a_to_b"] == 1
    centres = counted(client, lines=[LEVEL], anchor="centre")
    assert centres[-1]["counts"]["lines"]["level"]["a_to_b"] == 0


def test_counts_follow_the_delayed_frames(client: httpx.Client) -> None:
    at_once = counted(client, lines=[UPRIGHT])
    delayed = counted(client, lines=[UPRIGHT], delay=5)
    when = [
        [line["frame"] for line in lines[1:-1] if line["counts"]["events"]]
        for lines in (at_once, delayed)
    ]
    assert len(when[0]) == len(when[1]) == 1
    assert when[0][0] == pytest.approx(when[1][0], abs=1)


@pytest.mark.parametrize("query", [{}, {"lines": [], "zones": []}])
def test_nothing_is_counted_where_nothing_is_asked_for(
    client: httpx.Client, query: dict[str, list[Any]]
) -> None:
    assert not any("counts" in line for line in counted(client, **query))


def test_jobs_count_as_streams_do_and_count_their_refined_tracks(client: httpx.Client) -> None:
    query = {"lines": json.dumps([UPRIGHT]), "zones": json.dumps([ROOM])}
    job_id = post(client, FRAMES, f"{VIDEOS}&{urlencode(query)}")
    lines = stream(client, job_id)
    assert [line.get("counts") for line in lines] == [
        line.get("counts") for line in counted(client, **query)
    ]
    refined = client.get(f"/v1/videos/{job_id}/tracks.json", params={"refined": True}).json()
    assert refined["end"]["counts"]["lines"] == lines[-1]["counts"]["lines"]
    assert sum(len(frame["counts"]["events"]) for frame in refined["frames"]) == 2


def test_the_command_line_counts_as_the_server_does(client: httpx.Client, tmp_path: Path) -> None:
    video = tmp_path / "clip.mp4"
    video.write_bytes(clip("mp4", FRAMES))
    arguments = ("--model", "fake", "--embedder", "none", "--lines", json.dumps([UPRIGHT]))
    done = trackline("track", video, *arguments, "--zones", json.dumps([ROOM]))
    assert done.returncode == 0, done.stderr
    (*_, last) = done.stdout.splitlines()
    assert (
        json.loads(last)["counts"] == counted(client, lines=[UPRIGHT], zones=[ROOM])[-1]["counts"]
    )


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"lines": "0,0,10,10"}, "got 0,0,10,10"),
        ({"lines": '{"points":[[0,0],[1,1]]}'}, "valid array"),
        ({"lines": [{"points": [[0, 0], [9, 9]]}]}, "[0]['name']"),
        ({"lines": [{"name": "a", "points": [[0, 0]]}]}, "two different points"),
        ({"lines": [{"name": "a", "points": [[5, 5], [5, 5]]}]}, "two different points"),
        ({"lines": [{"name": "a", "points": [[0, 0], [1e9, 0]]}]}, "less than or equal to 100000"),
        ({"lines": [UPRIGHT | {"colour": "red"}]}, "Extra inputs"),
        ({"lines": [UPRIGHT, UPRIGHT]}, "a name of its own"),
        ({"lines": [UPRIGHT | {"name": str(n)} for n in range(MOST_SHAPES + 1)]}, "at most 16"),
        ({"lines": [UPRIGHT | {"normalized": True}]}, "from 0 to 1"),
        ({"zones": [{"name": "a", "points": [[0, 0], [1, 1]]}]}, "3 to 64 points"),
        ({"zones": [{"name": "a", "points": [[0, 0], [1, 1], [2, 2]]}]}, "one straight line"),
        ({"zones": [{"name": "a", "points": [[n, n * n] for n in range(65)]}]}, "got 65"),
        ({"zones": '[{"name":"a","points":[[0,0],[1,0],[NaN,1]]}]'}, "expected"),
        ({"zones": "[" * 9000}, "recursion"),
        ({"lines": " " * 20_000}, "at most 16384"),
        ({"anchor": "head"}, "'foot' or 'centre'"),
    ],
)
def test_what_cannot_be_counted_is_refused_with_the_reason(
    client: httpx.Client, query: dict[str, Any], named: str
) -> None:
    sent = {key: json.dumps(one) if isinstance(one, list) else one for key, one in query.items()}
    for route in (TRACK, "/v1/videos?embedder=none"):
        answer = client.post(f"{route}&{urlencode(sent)}", content=clip("mp4", 2))
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        detail = answer.json()["detail"]
        assert named in detail
        assert next(iter(query)) in detail
        assert len(detail) < 1000


def test_the_examples_of_messages_and_documentation_are_taken() -> None:
    assert parse_lines(LINE_EXAMPLE)[0].name == "gate"
    assert parse_zones(ZONE_EXAMPLE)[0].normalized
    text = (Path(__file__).parents[2] / "docs" / "counting.md").read_text(encoding="utf-8")
    assert f"lines={LINE_EXAMPLE}'" in text
    assert f"zones={ZONE_EXAMPLE}'" in text


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists))
def test_any_other_json_is_refused(value: Any) -> None:
    if value == []:
        return
    for parse in (parse_lines, parse_zones):
        with pytest.raises(InvalidInput, match="was expected, got"):
            parse(json.dumps(value))


def test_a_zone_may_have_as_many_corners_as_is_said() -> None:
    corners = [[n, n * n] for n in range(MOST_CORNERS)]
    (zone,) = parse_zones(json.dumps([{"name": "a", "points": corners}]))
    assert len(zone.points) == MOST_CORNERS
