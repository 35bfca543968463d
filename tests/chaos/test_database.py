"""The database of the jobs is locked, takes no writes, is damaged, or was cut off in a write."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import event

from service.jobs import jobs
from service.jobs import store as store_module
from service.jobs.store import JobStore
from tests.service.clips import clip
from tests.service.gate import WAIT, Gate
from tests.service.jobs_client import VIDEOS, job_server, left_in, post, status, stream
from tests.service.pictures import jpeg
from tests.service.test_http import assert_problem
from tests.service.test_serve import process
from tests.service.test_track import TRACK, comparable, lines_of
from tests.service.wire import wait_until

DATABASE = "jobs.sqlite"
LOG = "jobs.sqlite-wal"
CUTS = 40


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for the database for milliseconds, and have the table where these tests look."""
    monkeypatch.delenv("TRACKLINE_DATABASE_URL", raising=False)
    monkeypatch.setattr(store_module, "BUSY_MS", 50)
    monkeypatch.setattr(jobs, "RETRY_SECONDS", 0.05)


@contextmanager
def locked(app: FastAPI) -> Iterator[None]:
    """Another process is in the middle of a write."""
    path = app.state.jobs.root / DATABASE
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def read_only(app: FastAPI) -> Iterator[None]:
    """The database takes no writes, as on a file system that was mounted anew after an error."""

    def refuse(connection: Any, *_: object) -> None:
        connection.execute("PRAGMA query_only=ON")

    def allow(connection: Any, *_: object) -> None:
        connection.execute("PRAGMA query_only=OFF")

    engine = app.state.jobs.store._engine
    event.listen(engine, "checkout", refuse)
    yield
    event.remove(engine, "checkout", refuse)
    event.listen(engine, "checkout", allow)


@pytest.mark.parametrize("fault", [locked, read_only])
def test_what_needs_the_database_is_refused_and_the_job_that_runs_is_tried_again(
    fault: Any, tmp_path: Path, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    video = clip("mp4", 20)
    with job_server(tmp_path, gate) as (http, app):
        gate.shut()
        running, queued = post(http), post(http)
        with http.stream("GET", f"/v1/videos/{running}/tracks") as reader:
            lines = reader.iter_lines()
            assert json.loads(next(lines))["type"] == "header"
            with fault(app):
                gate.open()
                wait_until(lambda: "cannot be used" in caplog.text)
                answer = http.post(VIDEOS, content=video)
                assert_problem(answer, 503, "store-failed")
                assert int(answer.headers["retry-after"]) >= 1
                assert left_in(tmp_path) == sorted([running, queued])
                assert http.get(f"/v1/videos/{running}").is_success, "reading goes on"
                assert http.post("/v1/detect", content=jpeg()).is_success
                alone = comparable(lines_of(http.post(TRACK, content=video)))
                assert status(http, running)["status"] == "running"
            *frames, end = [json.loads(line) for line in lines]
        assert [frame["frame"] for frame in frames] == list(range(20))
        assert end["type"] == "end"
        for job_id in (running, queued):
            assert comparable(stream(http, job_id)) == alone
            assert status(http, job_id)["status"] == "done"
        assert stream(http, post(http))[-1]["type"] == "end"


def test_a_damaged_database_stops_the_start_and_is_left_as_it_was(tmp_path: Path) -> None:
    damaged = b"not a database" * 1000
    (tmp_path / DATABASE).write_bytes(damaged)
    places = {"TRACKLINE_JOBS_DIR": str(tmp_path)}
    with process("--port", "0", "--models", "fake", **places) as running:
        assert running.stderr is not None
        said = running.stderr.read()
        assert running.wait(WAIT) == 1
    assert "the database of the jobs cannot be used" in said
    # What a model that still loads has to say may come after it.
    assert any(
        line.startswith("trackline: the server could not start: ") and "list of jobs" in line
        for line in said.splitlines()
    )
    assert (tmp_path / DATABASE).read_bytes() == damaged


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a server as a power cut leaves it: one job done, one running, one queued."""
    folder = tmp_path_factory.mktemp("running")
    copy = tmp_path_factory.mktemp("crashed") / "jobs"
    gate = Gate()
    with job_server(folder, gate) as (http, app):
        assert stream(http, post(http))[-1]["type"] == "end"
        gate.shut()
        post(http)
        post(http)
        wait_until(lambda: app.state.models.batcher("fake")._waiting["frames"] > 0)
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*-shm"))
        gate.open()
    assert (copy / LOG).stat().st_size > 0
    return copy


def test_a_write_that_was_cut_off_anywhere_leaves_the_writes_before_it(
    crashed: Path, tmp_path: Path
) -> None:
    before = known(crashed, tmp_path / "whole")
    whole = (crashed / LOG).read_bytes()
    rng = random.Random(8)  # noqa: S311
    for number, size in enumerate(sorted(rng.randrange(len(whole)) for _ in range(CUTS))):
        folder = tmp_path / str(number)
        seen = known(crashed, folder, whole[:size])
        assert seen == before[: len(seen)], f"cut after {size} of {len(whole)} bytes"


def known(crashed: Path, folder: Path, log: bytes | None = None) -> list[str]:
    """The ids in a copy of the database, whose log may be another one."""
    folder.mkdir()
    for name in (DATABASE, LOG):
        shutil.copy(crashed / name, folder / name)
    if log is not None:
        (folder / LOG).write_bytes(log)
    store = JobStore.at(folder / DATABASE)
    found = [record.id for record in sorted(store.all(), key=lambda record: record.created)]
    store.close()
    return found


@pytest.mark.parametrize("share", [0.0, 0.6, 0.97])
def test_a_server_goes_on_from_a_log_that_was_cut_off(
    share: float, crashed: Path, tmp_path: Path, client: httpx.Client
) -> None:
    folder = tmp_path / "jobs"
    shutil.copytree(crashed, folder)
    log = folder / LOG
    log.write_bytes(log.read_bytes()[: int(log.stat().st_size * share)])
    alone = comparable(lines_of(client.post(TRACK, content=clip("mp4", 20))))
    with job_server(folder) as (http, _):
        listed = [job["id"] for job in http.get("/v1/videos").json()["videos"]]
        for job_id in listed:
            assert comparable(stream(http, job_id)) == alone
            assert status(http, job_id)["status"] == "done"
        assert left_in(folder) == sorted(listed), "what nobody knows of is gone"
