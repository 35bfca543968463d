"""``/v1/videos``: the life of a job, from the upload to its removal."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from service.schemas import Status
from tests.service.clips import clip, pieces
from tests.service.gate import Gate
from tests.service.jobs_client import VIDEOS, job_server, left_in, post, status, store_of, stream
from tests.service.test_track import TRACK, comparable, lines_of
from tests.service.wire import Wire, wait_until


def test_a_job_ends_with_the_lines_of_the_track_route(client: httpx.Client) -> None:
    video = clip("mp4", 20)
    answer = client.post(VIDEOS, content=video)
    assert answer.status_code == 202
    sent = answer.json()
    assert sent["status"] == "queued"
    assert len(sent["id"]) == 32
    assert answer.headers["location"] == sent["links"]["self"] == f"/v1/videos/{sent['id']}"
    lines = stream(client, sent["id"])
    assert comparable(lines) == comparable(lines_of(client.post(TRACK, content=video)))
    said = status(client, sent["id"])
    assert (said["status"], said["frames_done"], said["frames_total"]) == ("done", 20, 20)
    assert said["error"] is None
    assert said["fps"] > 0
    assert (said["model"], said["embedder"]) == ("fake", "none")


def test_every_parameter_of_the_track_route_is_kept(client: httpx.Client) -> None:
    query = "&stride=3&start=4&end=15&classes=red&tracker=sort"
    lines = stream(client, post(client, target=VIDEOS + query))
    assert comparable(lines) == comparable(
        lines_of(client.post(TRACK + query, content=clip("mp4", 20)))
    )
    assert [line["frame"] for line in lines[1:-1]] == [4, 7, 10, 13]


def test_a_form_is_taken_and_jobs_are_listed_newest_first(client: httpx.Client) -> None:
    first = post(client, 5)
    answer = client.post(VIDEOS, files={"video": ("a.mp4", clip("mp4", 6), "video/mp4")})
    second = answer.json()["id"]
    assert stream(client, second)[-1]["frames"] == 6
    listed = [job["id"] for job in client.get("/v1/videos", params={"limit": 2}).json()["videos"]]
    assert listed == [second, first]


@pytest.mark.parametrize(
    ("target", "content", "code"),
    [
        (VIDEOS, b"no video at all", 400),
        (VIDEOS, b"", 400),
        (VIDEOS + "&model=nothing", clip("mp4", 2), 404),
        (VIDEOS + "&classes=unicorn", clip("mp4", 2), 422),
        (VIDEOS + "&tracker=none", clip("mp4", 2), 422),
    ],
)
def test_what_cannot_be_followed_is_refused_and_leaves_nothing(
    tmp_path: Path, target: str, content: bytes, code: int
) -> None:
    with job_server(tmp_path) as (http, _):
        answer = http.post(target, content=content)
        assert answer.status_code == code, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert http.get("/v1/videos").json() == {"videos": []}
        assert left_in(tmp_path) == []


def test_a_body_over_the_limit_is_refused_while_it_comes(tmp_path: Path) -> None:
    with job_server(tmp_path, max_video_bytes=4000) as (http, _):
        body = pieces(clip("mp4", 40), 1000)
        assert http.post(VIDEOS, content=body).status_code == 413
        wait_until(lambda: left_in(tmp_path) == [])


def test_a_caller_that_leaves_in_the_middle_of_its_upload_leaves_nothing(tmp_path: Path) -> None:
    with job_server(tmp_path) as (http, _):
        with Wire(str(http.base_url), VIDEOS) as wire:
            wire.send(clip("mp4", 20)[:3000])
            wait_until(lambda: len(left_in(tmp_path)) == 1)
            wire.vanish()
        wait_until(lambda: left_in(tmp_path) == [])
        assert http.get("/v1/videos").json() == {"videos": []}


def test_a_video_that_ends_too_early_fails_with_a_last_line(client: httpx.Client) -> None:
    video = clip("mp4", 40)
    job_id = client.post(VIDEOS, content=video[: len(video) * 3 // 4]).json()["id"]
    *frames, last = stream(client, job_id)
    assert frames[-1]["type"] == "frame"
    assert last["type"] == "error"
    assert last["code"] == "truncated_video"
    assert last["frame"] == frames[-1]["frame"] + 1
    said = status(client, job_id)
    assert said["status"] == "failed"
    assert said["error"] == {"code": last["code"], "message": last["message"]}


def test_a_full_queue_is_429_before_the_video_is_read(tmp_path: Path, gate: Gate) -> None:
    with job_server(tmp_path, gate, max_queued_jobs=1) as (http, _):
        gate.shut()
        first = post(http)
        wait_until(lambda: status(http, first)["status"] == "running")
        waiting = post(http)
        measured = http.get("/metrics").text
        assert 'trackline_jobs{status="queued"} 1.0' in measured
        assert 'trackline_jobs{status="running"} 1.0' in measured
        refused = http.post(VIDEOS, content=clip("mp4", 5))
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        gate.open()
        assert stream(http, waiting)[-1]["type"] == "end"
        assert stream(http, post(http))[-1]["type"] == "end"


def test_deleting_a_running_job_ends_its_readers_and_removes_everything(
    tmp_path: Path, gate: Gate
) -> None:
    with job_server(tmp_path, gate) as (http, app):
        gate.shut()
        job_id = post(http)
        with http.stream("GET", f"/v1/videos/{job_id}/tracks") as reader:
            lines = reader.iter_lines()
            assert json.loads(next(lines))["type"] == "header"
            assert http.delete(f"/v1/videos/{job_id}").status_code == 204
            assert json.loads(next(lines))["code"] == "cancelled"
            assert list(lines) == []
        gate.open()
        assert http.get(f"/v1/videos/{job_id}").status_code == 404
        assert http.get(f"/v1/videos/{job_id}/tracks").status_code == 404
        assert left_in(tmp_path) == []
        assert stream(http, post(http))[-1]["type"] == "end"
        wait_until(lambda: app.state.sessions.count == 0)


def test_a_queued_job_can_be_deleted(tmp_path: Path, gate: Gate) -> None:
    with job_server(tmp_path, gate) as (http, _):
        gate.shut()
        running, queued = post(http), post(http)
        assert http.delete(f"/v1/videos/{queued}").status_code == 204
        gate.open()
        assert stream(http, running)[-1]["type"] == "end"
        assert left_in(tmp_path) == [running]


def test_a_job_belongs_to_the_key_that_sent_it(tmp_path: Path) -> None:
    keys = ("1f6a0b3c5d7e9f11", "2b8c4d6e0f1a3b5c")
    with job_server(tmp_path, api_keys=",".join(keys)) as (http, _):
        mine, other = ({"X-API-Key": key} for key in keys)
        job_id = post(http, headers=mine)
        path = f"/v1/videos/{job_id}"
        assert http.get(f"{path}/tracks", headers=mine).status_code == 200
        for suffix in ("", "/tracks", "/tracks.mot", "/annotated.mp4"):
            assert http.get(path + suffix, headers=other).status_code == 404
        assert http.delete(path, headers=other).status_code == 404
        assert http.get(path).status_code == 401
        assert http.get("/v1/videos", headers=other).json() == {"videos": []}
        assert [job["id"] for job in http.get("/v1/videos", headers=mine).json()["videos"]] == [
            job_id
        ]


def test_jobs_over_the_limit_of_bytes_go_oldest_first(tmp_path: Path) -> None:
    with job_server(tmp_path) as (http, _):
        jobs = [post(http) for _ in range(3)]
        sizes = [stream(http, job) and status(http, job)["bytes"] for job in jobs]
    with job_server(tmp_path, max_jobs_bytes=sum(sizes[1:])) as (http, _):
        assert left_in(tmp_path) == sorted(jobs[1:])
        assert http.get(f"/v1/videos/{jobs[0]}").status_code == 404


def test_jobs_that_ended_long_ago_go(tmp_path: Path) -> None:
    with job_server(tmp_path) as (http, _):
        old, young = post(http), post(http)
        assert stream(http, old)[-1]["type"] == stream(http, young)[-1]["type"] == "end"
    store = store_of(tmp_path)
    store.update(old, finished=0.0)
    store.close()
    with job_server(tmp_path):
        assert left_in(tmp_path) == [young]


def test_a_second_server_on_the_same_folder_takes_no_jobs(tmp_path: Path) -> None:
    with job_server(tmp_path) as (first, _), job_server(tmp_path) as (second, _):
        refused = second.post(VIDEOS, content=clip("mp4", 5))
        assert refused.status_code == 503
        assert "TRACKLINE_JOBS_DIR" in refused.json()["detail"]
        assert second.get("/v1/videos").status_code == 503
        assert second.post(TRACK, content=clip("mp4", 5)).is_success
        assert stream(first, post(first))[-1]["type"] == "end"


def test_a_restart_removes_what_is_half_there(tmp_path: Path) -> None:
    with job_server(tmp_path) as (http, _):
        job_id = post(http)
        assert stream(http, job_id)[-1]["type"] == "end"
    orphan, half, stranger = "0" * 32, "incoming-" + "1" * 32, "a-folder-of-someone-else"
    for name in (orphan, half, stranger):
        (tmp_path / name).mkdir()
        (tmp_path / name / "video").write_bytes(b"half a video")
    (tmp_path / job_id / "draft-annotated.mp4").write_bytes(b"half a result")
    with job_server(tmp_path):
        assert left_in(tmp_path) == sorted([job_id, stranger])
        assert not (tmp_path / job_id / "draft-annotated.mp4").exists()


def test_shutting_down_leaves_a_running_job_to_the_next_start(tmp_path: Path, gate: Gate) -> None:
    with job_server(tmp_path, gate) as (http, app):
        gate.shut()
        job_id = post(http)
        with http.stream("GET", f"/v1/videos/{job_id}/tracks") as reader:
            lines = reader.iter_lines()
            assert json.loads(next(lines))["type"] == "header"
            app.state.shutdown.begin()
            assert json.loads(next(lines))["code"] == "shutting_down"
        assert http.post(VIDEOS, content=clip("mp4", 5)).status_code == 503
        gate.open()
    store = store_of(tmp_path)
    record = store.find(job_id)
    store.close()
    assert record is not None
    assert record.status is Status.RUNNING
    with job_server(tmp_path) as (http, _):
        header, *frames, end = stream(http, job_id)
        assert header["type"] == "header"
        assert [frame["frame"] for frame in frames] == list(range(20))
        assert (end["type"], end["frames"]) == ("end", 20)
