"""The service's benchmark: its rows, its long video and its client tell the truth."""

from __future__ import annotations

import asyncio
from io import BytesIO

import av
import pytest

from benchmarks import service_long
from benchmarks.service_client import Failed, follow, load
from benchmarks.service_images import form
from benchmarks.service_process import trackline
from benchmarks.service_table import Row, ratio_row
from tests.service.clips import clip

FAKE = {"TRACKLINE_MODELS": "fake", "TRACKLINE_EMBEDDER": "colour"}


def test_a_ratio_is_taken_in_each_round() -> None:
    row = ratio_row("ours", "theirs", [10.0, 2.0, 30.0], [5.0, 4.0, 10.0], unit="fps", wanted=2.0)
    assert (row.value, row.ours, row.theirs, row.rounds) == (2.0, 10.0, 5.0, 3)
    assert row.reached


@pytest.mark.parametrize(
    ("value", "at_most", "reached"),
    [(0.9, False, True), (0.89, False, False), (0.9, True, True), (0.91, True, False)],
)
def test_a_bound_is_part_of_what_it_bounds(value: float, at_most: bool, reached: bool) -> None:
    row = Row("a", "b", None, None, "", value, 0.9, at_most=at_most)
    assert row.reached is reached


def test_a_looped_video_has_every_frame_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_long, "LOOP", 5)
    looped = service_long.looped(clip("mp4", 8), 23)
    with av.open(BytesIO(looped), "r") as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert times == pytest.approx([number / service_long.FPS for number in range(23)], abs=1e-3)


def test_clients_and_meters_work_on_a_real_server() -> None:
    with trackline(FAKE) as server:
        used = server.cpu_seconds()
        seen: list[int] = []
        answer = asyncio.run(
            follow(server.port, clip("mp4", 8), {"model": "fake", "end": 6}, seen.append)
        )
        assert (answer.frames, seen[-1]) == (6, 6)
        assert 0 < answer.first <= answer.seconds
        assert server.cpu_seconds() >= used
        assert server.memory() > 10 * 2**20
        with pytest.raises(Failed, match="415"):
            asyncio.run(load(server.port, "/v1/detect", [("text/plain", b"no picture")], 1, 0.1))
        with pytest.raises(Failed, match="400"):
            asyncio.run(load(server.port, "/v1/detect", [form("image", b"none")], 2, 0.1))
