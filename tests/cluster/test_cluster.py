"""The same tracks from a cluster as from one process, whatever of it is killed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.cluster.conftest import LONG, RunningCluster
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


def test_a_job_whose_replica_is_killed_is_taken_up_by_the_next_one(
    cluster: RunningCluster, video: bytes, alone: list[dict[str, Any]]
) -> None:
    import ray
    from ray.util.state import list_actors

    with httpx.Client(base_url=cluster.address, timeout=LONG) as http:
        job = http.post("/v1/videos", params={"end": FRAMES}, content=video).json()
        path = job["links"]["self"]
        wait_until(lambda: http.get(path).json()["frames_done"] > SEEN, LONG)
        (actor,) = [
            found
            for found in list_actors(filters=[("state", "=", "ALIVE")])
            if found.name and found.name.startswith("SERVE_REPLICA::jobs#")
        ]
        ray.kill(ray.get_actor(actor.name, namespace="serve"))

        def done() -> bool:
            answer = http.get(path)
            return answer.is_success and answer.json()["status"] == "done"

        wait_until(done, LONG)
        assert comparable(lines_of(http.get(job["links"]["tracks"]))) == alone


def test_two_detectors_answer_more_than_one(
    cluster: RunningCluster, record_property: Callable[[str, object], None]
) -> None:
    one = throughput(cluster.address)
    cluster.deploy(detectors=2)
    two = throughput(cluster.address)
    record_property("images_per_second", {"one": one, "two": two})
    assert two > one


def test_a_worker_that_is_killed_fails_no_client(
    cluster: RunningCluster, video: bytes, alone: list[dict[str, Any]]
) -> None:
    cluster.deploy(detectors=2)
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


def throughput(address: str, images: int = 60) -> float:
    """Pictures a second of sixteen callers."""
    photo = encode(picture(3, 640, 480), "JPEG")
    with httpx.Client(base_url=address, timeout=LONG) as http, ThreadPoolExecutor(16) as pool:
        began = time.monotonic()
        done = list(
            pool.map(
                lambda _: http.post("/v1/detect", content=photo, headers=JPEG).is_success,
                range(images),
            )
        )
        assert all(done)
        return images / (time.monotonic() - began)
