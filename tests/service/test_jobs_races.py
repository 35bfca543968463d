"""What meets in the table of jobs: workers, callers who remove, and the event loop."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service.jobs.run import JobRun
from service.jobs.store import JobRecord, JobStore
from tests.service.gate import WAIT
from tests.service.jobs_client import job_server, left_in, post, stream

MOMENT = 0.3
"""How long somebody may wait for a lock that is held until he has given up."""


def test_a_job_that_is_removed_as_it_ends_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, removing = threading.Event(), threading.Event()

    def look(run: JobRun) -> bool:
        """What was so when it was asked; meanwhile somebody removes the job."""
        was = removing.is_set()
        if threading.current_thread().name.startswith("jobs-"):
            looked.set()
            removing.wait(MOMENT)
        return was

    def cancel(run: JobRun, value: bool) -> None:
        if value:
            removing.set()

    monkeypatch.setattr(JobRun, "cancelled", property(look, cancel), raising=False)
    with job_server(tmp_path) as (http, _):
        job_id = post(http, 3)
        assert looked.wait(WAIT)
        assert http.delete(f"/v1/videos/{job_id}").status_code == 204
        assert http.get(f"/v1/videos/{job_id}").status_code == 404
        assert left_in(tmp_path) == []


class SlowTable:
    """Holds up threads of a name that look a job up, but for the first so many times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, thread: str = "", free: int = 0) -> None:
        self.entered, self.open = threading.Event(), threading.Event()
        self._find = JobStore.find
        self._thread, self._free = thread, free
        monkeypatch.setattr(JobStore, "find", lambda *call: self._held(*call))

    def _held(self, store: JobStore, job_id: str, owner: str | None = None) -> JobRecord | None:
        if threading.current_thread().name.startswith(self._thread):
            self._free -= 1
            if self._free < 0:
                self.entered.set()
                assert self.open.wait(WAIT)
        return self._find(store, job_id, owner)


def test_jobs_are_taken_while_a_worker_waits_for_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = SlowTable(monkeypatch, "jobs-")
    with job_server(tmp_path) as (http, _):
        try:
            first = post(http, 3, timeout=WAIT / 2)
            assert table.entered.wait(WAIT)
            second = post(http, 3, timeout=WAIT / 2)
            assert http.get("/v2/health/live", timeout=WAIT / 2).status_code == 200
        finally:
            table.open.set()
        assert [stream(http, one)[-1]["type"] for one in (first, second)] == ["end", "end"]


def test_others_are_answered_while_a_reader_waits_for_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with job_server(tmp_path) as (http, _), ThreadPoolExecutor(1) as reader:
        job_id = post(http, 3)
        whole = stream(http, job_id)
        table = SlowTable(monkeypatch, free=1)  # the first one looks whose job it is
        try:
            again = reader.submit(stream, http, job_id)
            assert table.entered.wait(WAIT)
            assert http.get("/v2/health/live", timeout=WAIT / 2).status_code == 200
        finally:
            table.open.set()
        assert again.result(WAIT) == whole
