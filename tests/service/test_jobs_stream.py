"""``/v1/videos/{id}/tracks``: replay from any frame, and the live tail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service.gate import Gate
from tests.service.jobs_client import Steps, job_server, post, status, stream

EVENTS = {"Accept": "text/event-stream"}


@pytest.fixture(scope="module")
def done(client: httpx.Client) -> str:
    """The id of a job that is done."""
    job_id = post(client, 30)
    assert stream(client, job_id)[-1]["type"] == "end"
    return job_id


def events(client: httpx.Client, job_id: str, **headers: str) -> list[tuple[int | None, Any]]:
    """Id and data of each server-sent event."""
    answer = client.get(f"/v1/videos/{job_id}/tracks", headers=EVENTS | headers)
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = []
    for block in answer.text.removesuffix("\n\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        number = int(fields["id"]) if "id" in fields else None
        found.append((number, json.loads(fields["data"])))
    return found


@pytest.mark.parametrize("first", [0, 1, 17, 29, 30, 1000])
def test_replays_from_a_frame_on_with_the_header_before_it(
    client: httpx.Client, done: str, first: int
) -> None:
    everything = stream(client, done)
    header, *frames, end = stream(client, done, from_frame=first)
    assert (header, end) == (everything[0], everything[-1])
    assert frames == everything[1:-1][first:]


def test_a_broken_event_stream_goes_on_after_the_last_id(client: httpx.Client, done: str) -> None:
    whole = events(client, done)
    assert [data for _, data in whole] == stream(client, done)
    assert [number for number, _ in whole] == [None, *range(30), None]
    rest = events(client, done, **{"Last-Event-ID": "11"})
    assert rest == [whole[0], *whole[13:]]


@pytest.mark.parametrize(
    ("parameters", "headers"), [({"from_frame": -1}, {}), ({}, {"Last-Event-ID": "eleven"})]
)
def test_a_frame_that_is_none_is_422(
    client: httpx.Client, done: str, parameters: dict[str, int], headers: dict[str, str]
) -> None:
    answer = client.get(f"/v1/videos/{done}/tracks", params=parameters, headers=headers)
    assert answer.status_code == 422


def test_a_reader_sees_frames_while_the_job_runs(tmp_path: Path) -> None:
    steps = Steps()
    with job_server(tmp_path, steps, frames_in_flight=1) as (http, _):
        job_id = post(http, 12)
        with http.stream("GET", f"/v1/videos/{job_id}/tracks") as reader:
            lines = map(json.loads, reader.iter_lines())
            assert next(lines)["type"] == "header"
            steps.let(4)
            assert [next(lines)["frame"] for _ in range(4)] == [0, 1, 2, 3]
            said = status(http, job_id)
            assert said["status"] == "running"
            assert said["frames_total"] == 12
            steps.let(8)
            *frames, end = lines
        assert [frame["frame"] for frame in frames] == list(range(4, 12))
        assert end["type"] == "end"
        assert status(http, job_id)["frames_done"] == 12


def test_several_readers_of_a_queued_job_all_get_the_same(tmp_path: Path, gate: Gate) -> None:
    with job_server(tmp_path, gate) as (http, _):
        gate.shut()
        post(http)
        queued = post(http)
        path = f"/v1/videos/{queued}/tracks"
        with http.stream("GET", path) as one, http.stream("GET", path) as other:
            gate.open()
            assert list(one.iter_lines()) == list(other.iter_lines())
        assert stream(http, queued)[-1]["type"] == "end"
