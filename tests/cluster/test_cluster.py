"""The same tracks from a cluster as from one process, whatever of it is killed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import psutil  # type: ignore[import-untyped]
import pytest

from service.jobs.store import JobRecord, JobStore
from service.schemas import Status
from tests.cluster.conftest import DETECTOR, LONG, RunningCluster, replicas
from tests.service.clips import picture
from tests.service.pictures import encode
from tests.service.serving import serving
from tests.service.test_http import JPEG
from tests.service.test_track import comparable, lines_of
from tests.service.wire import wait_until

pytestmark = [
    pytest.mark.ray,
    # Ray's own: of sockets and of what it calls that is old.
    pytest.mark.filterwarnings("default"),
]

FRAMES = 60
TRACK = f"/v1/track?end={FRAMES}"
IMAGES, VIDEOS = 12, 3
CALLERS = 16
RATE_SECONDS = 15.0
JOBS, NETWORKS = "jobs", "trackline"
"""The applications of Serve."""
SEEN = 8
"""Lines of each video that are there when a worker is killed."""


@pytest.fixture(scope="module")
def alone(settings: dict[str, Any], video: bytes) -> list[dict[str, Any]]:
    """The lines of the video from a server of one process."""
    from models import load_detector

    local = settings | {"keep_jobs": False}
    with (
        serving(lambda name: load_detector(name, threads=1), **local) as (address, _),
        httpx.Client(base_url=address, timeout=LONG) as http,
    ):
        return comparable(lines_of(http.post(TRACK, content=video)))


def test_a_cluster_gives_the_tracks_of_one_process(
    cluster: RunningCluster, video: bytes, alone: list[dict[str, Any]]
) -> None:
    with httpx.Client(base_url=cluster.address, timeout=LONG) as http:
        assert comparable(lines_of(http.post(TRACK, content=video))) == alone
    assert sum(len(line.get("objects", ())) for line in alone) > FRAMES


def test_a_job_in_postgresql_whose_replica_is_killed_is_taken_up_by_the_next_one(
    cluster: RunningCluster, video: bytes, alone: list[dict[str, Any]], database_url: str
) -> None:
    import ray

    with httpx.Client(base_url=cluster.address, timeout=LONG) as http:
        (actor,) = replicas(f"{JOBS}#{JOBS}")
        job = http.post("/v1/videos", params={"end": FRAMES}, content=video).json()
        path = job["links"]["self"]
        wait_until(lambda: http.get(path).json()["frames_done"] > SEEN, LONG)
        ray.kill(ray.get_actor(actor.name, namespace="serve"))
        committed = in_table(database_url, job["id"])
        assert committed.status is Status.RUNNING
        assert SEEN < committed.frames_done < FRAMES

        def taken_up() -> bool:
            answer = http.get(path)
            return answer.is_success and answer.json()["status"] in ("running", "done")

        wait_until(taken_up, LONG)
        assert in_table(database_url, job["id"]).frames_done >= committed.frames_done
        assert comparable(lines_of(http.get(job["links"]["tracks"]))) == alone
        (next_one,) = replicas(f"{JOBS}#{JOBS}")
        assert next_one.pid != actor.pid
        assert in_table(database_url, job["id"]).status is Status.DONE


def test_a_second_detector_comes_with_the_load_and_goes_with_it(
    cluster: RunningCluster, record_property: Callable[[str, object], None]
) -> None:
    with callers(cluster.address) as answered:
        one = rate(answered)
    cluster.deploy(least=1, most=2)
    began = time.monotonic()
    with callers(cluster.address) as answered:
        wait_until(lambda: cluster.detectors() == 2, LONG)
        came = time.monotonic() - began
        both = [psutil.Process(found.pid) for found in replicas(f"{NETWORKS}#{DETECTOR}")]
        before = [detector.cpu_times().user for detector in both]
        two = rate(answered)
        busy = np.subtract([detector.cpu_times().user for detector in both], before)
    began = time.monotonic()
    wait_until(lambda: cluster.detectors() == 1, LONG)
    went = time.monotonic() - began
    record_property("pictures_per_second", f"{one:.1f} with one, {two:.1f} with two")
    record_property("busy_seconds_of_each", np.round(busy, 1).tolist())
    record_property("seconds_until_it", f"came {came:.0f}, went {went:.0f}")
    assert busy.min() > busy.sum() / 4  # both have their share of the work


def test_a_worker_that_is_killed_fails_no_client(
    cluster: RunningCluster, video: bytes, alone: list[dict[str, Any]]
) -> None:
    cluster.deploy(least=2, most=2)
    photo = encode(picture(3, 640, 480), "JPEG")
    seen = threading.Barrier(VIDEOS + 1)
    with ThreadPoolExecutor(IMAGES + VIDEOS) as pool:

        def follow() -> list[dict[str, Any]]:
            lines = []
            with (
                httpx.Client(base_url=cluster.address, timeout=LONG) as http,
                http.stream("POST", TRACK, content=video) as answer,
            ):
                for line in answer.iter_lines():
                    lines.append(json.loads(line))
                    if len(lines) == SEEN:
                        seen.wait(LONG)
            return comparable(lines)

        def detect() -> httpx.Response:
            with httpx.Client(base_url=cluster.address, timeout=LONG) as http:
                return http.post("/v1/detect", content=photo, headers=JPEG)

        videos = [pool.submit(follow) for _ in range(VIDEOS)]
        seen.wait(LONG)
        images = [pool.submit(detect) for _ in range(IMAGES)]
        killed = next(iter(cluster.cluster.worker_nodes))
        cluster.cluster.remove_node(killed, allow_graceful=False)
        answers = [image.result() for image in images]
        assert [answer.status_code for answer in answers] == [200] * IMAGES
        assert len({str(answer.json()["detections"]) for answer in answers}) == 1
        assert [one.result() == alone for one in videos] == [True] * VIDEOS


def in_table(database_url: str, job_id: str) -> JobRecord:
    """What the database says of a job."""
    store = JobStore(database_url)
    try:
        found = store.find(job_id)
    finally:
        store.close()
    assert found is not None
    return found


@contextmanager
def callers(address: str) -> Iterator[Callable[[], int]]:
    """Sixteen callers who ask for one picture after the other; answers how many they were given."""
    photo = encode(picture(3, 640, 480), "JPEG")
    enough = threading.Event()
    answers: list[httpx.Response] = []

    def ask() -> None:
        with httpx.Client(base_url=address, timeout=LONG) as http:
            while not enough.is_set():
                answers.append(http.post("/v1/detect", content=photo, headers=JPEG))

    with ThreadPoolExecutor(CALLERS) as pool:
        asking = [pool.submit(ask) for _ in range(CALLERS)]
        try:
            yield lambda: len(answers)
        finally:
            enough.set()
    assert {one.exception() for one in asking} == {None}
    assert {answer.status_code for answer in answers} == {200}


def rate(answered: Callable[[], int]) -> float:
    """Pictures a second."""
    began, before = time.monotonic(), answered()
    wait_until(lambda: time.monotonic() - began > RATE_SECONDS, LONG)
    return (answered() - before) / (time.monotonic() - began)
