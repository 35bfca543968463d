"""What is measured, and that the documentation names all of it."""

from __future__ import annotations

import re
from pathlib import Path

import httpx

from tests.service.clips import clip
from tests.service.live_client import LOSSLESS, finish, live, photo
from tests.service.test_track import TRACK

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "observability.md"


def measured(client: httpx.Client) -> str:
    """All metrics."""
    return client.get("/metrics").text


def count(client: httpx.Client, name: str) -> float:
    """One of them; 0 where nothing was measured yet."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", measured(client), re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_the_documentation_names_every_metric(client: httpx.Client) -> None:
    named = set(re.findall(r"^\| `(trackline_\w+)`", DOCUMENT.read_text("utf-8"), re.MULTILINE))
    types = re.findall(r"^# TYPE (trackline_\w+) (\w+)", measured(client), re.MULTILINE)
    there = {name for name, _ in types if not name.endswith("_created")}
    assert named == there


def test_the_stages_of_videos_are_measured_by_model(client: httpx.Client) -> None:
    stages = ("decode", "preprocess", "queue", "inference", "postprocess", "track")
    names = [f'trackline_stage_seconds_count{{model="fake",stage="{one}"}}' for one in stages]
    before = [count(client, name) for name in names]
    client.post(TRACK, content=clip("mp4", 7))
    assert [count(client, name) - then for name, then in zip(names, before, strict=True)] == [7] * 6


def test_live_frames_are_measured_by_model(client: httpx.Client) -> None:
    name = 'trackline_live_seconds_count{model="fake"}'
    before = count(client, name)
    with live(str(client.base_url), LOSSLESS) as socket:
        for number in range(3):
            socket.send(photo(number))
        finish(socket)
    assert count(client, name) - before == 3
