"""Jobs by both clients: sent, followed, waited for, downloaded; broken connections and servers."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from models.fake import FakeDetector
from service.client import (
    Client,
    JobFailed,
    JobTimeout,
    NotThere,
    RequestRefused,
)
from service.client.following import Following
from service.schemas import Status
from tests.service.clients import KINDS, calling
from tests.service.clips import clip
from tests.service.gate import WAIT
from tests.service.jobs_client import Steps
from tests.service.ports import free_port
from tests.service.proxy import proxy
from tests.service.serving import serving
from tests.service.test_serve import address_of, process

FRAMES = 60
CLIP = clip("mp4", FRAMES)
SEEN = 20
"""Frames that have come before a server stops."""
LONG_SECONDS = 120.0


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(jobs_dir=tmp_path_factory.mktemp("jobs")) as (address, _):
        yield address


@contextmanager
def stepping(folder: Path, **settings: Any) -> Iterator[tuple[str, FastAPI, Steps]]:
    """A server whose detector goes on as it is let."""
    steps = Steps()
    with serving(lambda name: FakeDetector(steps), jobs_dir=folder, **settings) as (address, app):
        try:
            yield address, app, steps
        finally:
            steps.let(FRAMES)


def test_a_job_from_its_video_to_its_results(
    address: str, kind: type[Client], tmp_path: Path
) -> None:
    with calling(kind, address) as client:
        sent: list[int] = []
        job = client.submit(CLIP, progress=lambda said: sent.append(said.sent), classes=["red"])
        done = client.wait(job, timeout=WAIT)
        assert (done.status, done.frames_done, done.model) == (Status.DONE, FRAMES, "fake")
        assert sent[-1] == len(CLIP)
        assert client.jobs(limit=1) == [done] == [client.job(job.id)]
        stream = client.tracks(job)
        frames = list(stream)
        assert [frame.frame for frame in frames] == list(range(FRAMES))
        assert [frame.frame for frame in client.tracks(job, from_frame=58)] == [58, 59]
        assert stream.end is not None

        rows = client.download(job, "mot", tmp_path / "rows.txt").read_text().splitlines()
        assert len(rows) == sum(len(frame.objects) for frame in frames)
        refined = client.download(job, "csv", tmp_path / "refined.csv", refined=True)
        assert refined.read_text().startswith("frame,time,track_id")
        assert (
            client.download(job, "json", tmp_path / "all.json").read_bytes()[:10] == b'{"header":'
        )
        drawn = client.download(job, "annotated.mp4", tmp_path / "drawn.mp4")
        assert drawn.read_bytes()[4:8] == b"ftyp"

        client.delete(job)
        with pytest.raises(NotThere):
            client.job(job)


def test_a_download_that_is_refused_leaves_no_file(kind: type[Client], tmp_path: Path) -> None:
    with stepping(tmp_path / "jobs") as (address, _, _), calling(kind, address) as client:
        job = client.submit(CLIP)
        with pytest.raises(RequestRefused, match="must be done"):
            client.download(job, "mot", tmp_path / "rows.txt")
        with pytest.raises(JobTimeout):
            client.wait(job, timeout=0.0)
        client.delete(job)
    assert [path.name for path in tmp_path.iterdir()] == ["jobs"]


def test_a_download_that_breaks_is_begun_again(
    address: str, kind: type[Client], tmp_path: Path
) -> None:
    with calling(kind, address) as client:
        job = client.submit(CLIP)
        client.wait(job, timeout=WAIT)
        whole = client.download(job, "json", tmp_path / "whole").read_bytes()
    with proxy(address, 4000) as cutting, calling(kind, cutting.address) as client:
        assert client.download(job, "json", tmp_path / "again").read_bytes() == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "whole"]


def test_a_job_that_fails_says_why(address: str, kind: type[Client]) -> None:
    with calling(kind, address) as client:
        job = client.submit(CLIP[:-3000])
        with pytest.raises(JobFailed, match="truncated_video") as caught:
            client.wait(job, timeout=WAIT)
    assert caught.value.job.error is not None


def test_tracks_come_while_the_job_runs(kind: type[Client], tmp_path: Path) -> None:
    with stepping(tmp_path) as (address, _, steps), calling(kind, address) as client:
        job = client.submit(CLIP)
        steps.let(10)
        frames = iter(client.tracks(job))
        assert next(frames).frame == 0
        assert client.job(job).status == Status.RUNNING
        steps.let(FRAMES)
        assert [frame.frame for frame in frames] == list(range(1, FRAMES))


def test_a_job_that_waits_for_longer_than_an_answer_may_take_is_followed_on(
    kind: type[Client], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its stream is silent until it starts: that is no failure."""
    silent = threading.Event()
    real = Following.pause

    def pause(self: Following, error: Any) -> float:
        silent.set()
        return real(self, error)

    monkeypatch.setattr(Following, "pause", pause)
    with stepping(tmp_path) as (address, _, steps), calling(kind, address) as client:
        job = client.submit(CLIP)
        with ThreadPoolExecutor(1) as pool, calling(kind, address, timeout=0.5) as impatient:
            frames = pool.submit(lambda: list(impatient.tracks(job)))
            assert silent.wait(WAIT)
            steps.let(FRAMES)
            assert len(frames.result(WAIT)) == FRAMES


def test_a_broken_stream_goes_on_with_the_next_frame(address: str, kind: type[Client]) -> None:
    with calling(kind, address) as client:
        job = client.submit(CLIP)
        client.wait(job, timeout=WAIT)
        whole = list(client.tracks(job).lines())
    with proxy(address, 5000, 5000, 300) as cutting, calling(kind, cutting.address) as client:
        assert list(client.tracks(job).lines()) == whole
        assert cutting.connections == 4


@pytest.fixture
def port() -> int:
    """One that is free, and still is when a server comes back to it."""
    return free_port()


def test_a_server_that_is_stopped_and_started_in_the_middle_of_a_job_is_hardly_noticed(
    kind: type[Client], tmp_path: Path, port: int
) -> None:
    with calling(kind, f"http://127.0.0.1:{port}", timeout=LONG_SECONDS, resumes=40) as client:
        with stepping(tmp_path, port=port) as (_, app, steps):
            job = client.submit(CLIP)
            steps.let(SEEN + 1)
            frames = iter(client.tracks(job))
            seen = [next(frames) for _ in range(SEEN)]
            app.state.shutdown.begin()
        with serving(port=port, jobs_dir=tmp_path):
            seen += frames
            assert seen == list(client.tracks(job))
    assert [frame.frame for frame in seen] == list(range(FRAMES))


@contextmanager
def server_at(port: int, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A server process that keeps its jobs in ``folder``, once it listens."""
    arguments = ("--port", str(port), "--models", "fake")
    with process(*arguments, TRACKLINE_JOBS_DIR=str(folder)) as running:
        assert address_of(running)
        assert running.stderr is not None
        reading = threading.Thread(target=running.stderr.read)
        reading.start()
        try:
            yield running
        finally:
            running.kill()
            reading.join(WAIT)


def test_a_server_that_is_killed_in_the_middle_of_a_job_is_waited_for(
    tmp_path: Path, port: int
) -> None:
    with Client(f"http://127.0.0.1:{port}", timeout=LONG_SECONDS, resumes=40) as client:
        with server_at(port, tmp_path) as running:
            job = client.submit(clip("mp4", 600))
            frames = iter(client.tracks(job))
            seen = [next(frames) for _ in range(SEEN)]
            running.kill()
            running.wait(WAIT)
        with server_at(port, tmp_path):
            seen += frames
            assert client.wait(job, LONG_SECONDS).frames_done == len(seen) == 600
    assert [frame.frame for frame in seen] == list(range(600))
