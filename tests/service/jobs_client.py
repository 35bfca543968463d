"""What callers of ``/v1/videos`` do, and a server on a folder of jobs of its own."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from models.detector import Detector
from models.fake import FakeDetector, FakePrepared
from service.jobs.store import JobStore
from tests.service.clips import clip
from tests.service.gate import WAIT, Gate
from tests.service.serving import serving

VIDEOS = "/v1/videos?embedder=none"


class Steps:
    """Lets as many forwards through as it is told to; the first one, a trial, on its own."""

    def __init__(self) -> None:
        self._allowed = threading.Semaphore(1)

    def __call__(self, _: Sequence[FakePrepared]) -> None:
        assert self._allowed.acquire(timeout=WAIT), "the forward was never let through"

    def let(self, count: int) -> None:
        """Let ``count`` more through."""
        self._allowed.release(count)


@contextmanager
def job_server(
    folder: Path, gate: Gate | Steps | None = None, **settings: Any
) -> Iterator[tuple[httpx.Client, FastAPI]]:
    """A client of a server that keeps its jobs in ``folder``; the gate holds its forwards."""
    load: Callable[[str], Detector] | None = None
    if gate is not None:
        load = lambda name: FakeDetector(gate)  # noqa: E731
    with (
        serving(load, jobs_dir=folder, **settings) as (address, app),
        httpx.Client(base_url=address, timeout=WAIT) as http,
    ):
        yield http, app


def post(http: httpx.Client, frames: int = 20, target: str = VIDEOS, **more: Any) -> str:
    """Send a clip; answers the id of its job."""
    answer = http.post(target, content=clip("mp4", frames), **more)
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["id"]
    return job_id


def stream(http: httpx.Client, job_id: str, **parameters: Any) -> list[dict[str, Any]]:
    """The lines of a job up to its last one."""
    answer = http.get(f"/v1/videos/{job_id}/tracks", params=parameters)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def status(http: httpx.Client, job_id: str) -> dict[str, Any]:
    """What is said of a job."""
    answer = http.get(f"/v1/videos/{job_id}")
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def store_of(folder: Path) -> JobStore:
    """The table of a server's jobs, where the settings of the servers have it."""
    url = os.environ.get("TRACKLINE_DATABASE_URL")
    return JobStore(url) if url else JobStore.at(folder / "jobs.sqlite")


def left_in(folder: Path) -> list[str]:
    """The folders of jobs, whole or half."""
    return sorted(path.name for path in folder.iterdir() if path.is_dir())
