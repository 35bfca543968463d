"""A server that is killed in the middle of jobs, and the one that takes them up again."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.jobs.folder import JobFolder
from service.jobs.log import LineLog, NotReproduced
from service.jobs.store import JobRecord
from service.schemas import Status
from tests.service.clips import clip
from tests.service.gate import WAIT, until
from tests.service.jobs_client import VIDEOS, job_server, left_in, post, status, store_of, stream
from tests.service.test_serve import address_of, process
from tests.service.test_track import comparable

FRAMES = (900, 700)
SEEN = 40
"""Lines of each job that its reader has had when the server is killed."""
LONG = 120.0


@contextmanager
def killable(folder: Path) -> Iterator[tuple[httpx.Client, int, Any]]:
    """A server process that keeps its jobs in ``folder``, once it is ready."""
    variables = {"TRACKLINE_JOBS_DIR": str(folder), "TRACKLINE_MAX_RUNNING_JOBS": "2"}
    with process("--port", "0", "--models", "fake", **variables) as running:
        address = address_of(running)
        assert running.stderr is not None
        # Its log is read on, so that it never waits for us.
        reading = threading.Thread(target=running.stderr.read)
        reading.start()
        try:
            with httpx.Client(base_url=address, timeout=LONG) as http:
                until(lambda: http.get("/v2/health/ready").is_success)
                yield http, running.pid, running
        finally:
            running.kill()
            reading.join(WAIT)


def records(folder: Path) -> dict[str, JobRecord]:
    """What the database says."""
    store = store_of(folder)
    found = {record.id: record for record in store.all()}
    store.close()
    return found


@pytest.fixture(scope="module")
def videos() -> list[bytes]:
    """Two videos that take a while."""
    return [clip("mp4", frames) for frames in FRAMES]


def test_jobs_of_a_killed_server_end_as_if_nothing_had_been(
    tmp_path: Path, videos: list[bytes]
) -> None:
    killed, calm = tmp_path / "killed", tmp_path / "calm"
    with killable(killed) as (http, _, running), ExitStack() as stack:
        jobs = [http.post(VIDEOS, content=video).json()["id"] for video in videos]
        paths = [f"/v1/videos/{job_id}/tracks" for job_id in jobs]
        readers = [stack.enter_context(http.stream("GET", path)).iter_lines() for path in paths]
        seen = [[next(reader) for _ in range(SEEN)] for reader in readers]
        running.send_signal(signal.SIGKILL)
        running.wait(WAIT)
    left = records(killed)
    assert [left[job_id].status for job_id in jobs] == [Status.RUNNING, Status.RUNNING]
    files = [JobFolder(killed / job_id).lines for job_id in jobs]
    committed = [file.read_bytes()[: left[i].length] for file, i in zip(files, jobs, strict=True)]
    assert all(data.endswith(b"\n") for data in committed)

    with killable(killed) as (http, _, _):
        resumed = [stream(http, job_id) for job_id in jobs]
        assert [status(http, job_id)["frames_done"] for job_id in jobs] == list(FRAMES)
    with killable(calm) as (http, _, _):
        sent = [http.post(VIDEOS, content=video).json()["id"] for video in videos]
        undisturbed = [stream(http, job_id) for job_id in sent]

    for number, frames in enumerate(FRAMES):
        assert [line["frame"] for line in resumed[number][1:-1]] == list(range(frames))
        assert comparable(resumed[number]) == comparable(undisturbed[number])
        assert [json.loads(line) for line in seen[number]] == resumed[number][:SEEN]
        assert files[number].read_bytes().startswith(committed[number])
    assert left_in(killed) == sorted(jobs)


def test_a_queued_job_survives_too_with_its_own_settings(tmp_path: Path) -> None:
    with killable(tmp_path) as (http, _, running):
        post(http, 900)
        post(http, 900)
        queued = post(http, 20, VIDEOS + "&classes=red&stride=2")
        running.send_signal(signal.SIGKILL)
        running.wait(WAIT)
    with killable(tmp_path) as (http, _, _):
        header, *frames, end = stream(http, queued)
    assert header["tracker"] == "deepsort"
    assert [frame["frame"] for frame in frames] == list(range(0, 20, 2))
    assert {item["name"] for frame in frames for item in frame["objects"]} == {"red"}
    assert end["type"] == "end"


def test_a_line_that_is_half_written_is_cut_off_and_written_again(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"one\ntwo\nthr")
    log = LineLog(path, len(b"one\ntwo\n"))
    for line in (b"one\n", b"two\n", b"three\n"):
        log.append(line)
    log.close()
    assert path.read_bytes() == b"one\ntwo\nthree\n"


def test_a_line_that_is_not_the_one_of_before_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"one\ntwo\n")
    log = LineLog(path, 8)
    log.append(b"one\n")
    with pytest.raises(NotReproduced):
        log.append(b"TWO\n")
    log.close()
    assert path.read_bytes() == b"one\ntwo\n"


def test_a_job_that_cannot_be_reproduced_fails_and_says_so(tmp_path: Path) -> None:
    with job_server(tmp_path) as (http, _):
        job_id = post(http)
        assert stream(http, job_id)[-1]["type"] == "end"
    path = JobFolder(tmp_path / job_id).lines
    *committed, _ = path.read_bytes().splitlines(keepends=True)
    changed = b"".join(committed).replace(b'"track_id":2', b'"track_id":3')
    path.write_bytes(changed)
    store = store_of(tmp_path)
    store.update(job_id, status=Status.RUNNING, length=len(changed))
    store.close()
    with job_server(tmp_path) as (http, _):
        assert stream(http, job_id)[-1]["code"] == "not_reproduced"
        said = status(http, job_id)
        assert (said["status"], said["error"]["code"]) == ("failed", "not_reproduced")
