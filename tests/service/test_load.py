"""Many callers at once: videos are answered as alone, images hardly wait, too many are told so."""

from __future__ import annotations

import logging
import re
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from models import catalog
from models.detector import Detector, load_detector
from models.fake import FakeDetector, FakePrepared
from models.types import Image
from service.inference.fair_queue import FairQueue
from service.inference.items import Item
from tests.service.clips import HEIGHT, WIDTH, clip, picture
from tests.service.gate import WAIT
from tests.service.pictures import encode
from tests.service.serving import serving
from tests.service.test_http import assert_problem
from tests.service.test_track import TRACK

FORWARD_SECONDS = 0.004
"""Of the model here: long enough that it is what everybody waits for."""
MARK = 200
"""Brightness of the first pixel of the single images; the ground of the videos is darker."""
OWN = re.compile(rb'"(session|elapsed_s|fps)":("\w*"|[\d.]+)')
VIDEOS = [
    clip(container, frames, size=(WIDTH, HEIGHT))
    for container, frames in (
        *(("mp4", 40), ("mpegts", 36), ("avi", 44), ("matroska", 32)),
        *(("webm", 40), ("mov", 28), ("mjpeg", 36), ("mp4", 48)),
    )
]


def marked_png(width: int, height: int) -> bytes:
    """A single image, which the detector here knows by its first pixel."""
    image = picture(7, WIDTH, HEIGHT)[:height, :width].copy()
    image[0, 0] = MARK
    return encode(image, "PNG")


class Counting(FakeDetector):
    """Takes a while for a forward, and counts the batches that single images wait for."""

    def __init__(self) -> None:
        super().__init__(max_batch=4)
        self.waits: list[int] = []
        self.sizes: list[int] = []
        self._ended = 0
        self._seen: dict[int, int] = {}

    def queued(self, prepared: object) -> None:
        """An image came into the queue."""
        self._seen[id(prepared)] = self._ended

    def start(self, batch: Sequence[FakePrepared]) -> Future[list[NDArray[np.float32]]]:
        self.sizes.append(len(batch))
        for prepared in batch:
            waited = self._ended - self._seen.pop(id(prepared), 0)
            if is_single(prepared.image):
                self.waits.append(waited)
        threading.Event().wait(FORWARD_SECONDS)
        answer = super().start(batch)
        self._ended += 1
        return answer


def is_single(image: Image) -> bool:
    """Whether it is one of the single images."""
    return bool((image[0, 0] == MARK).all())


def follow(http: httpx.Client, video: bytes, query: str = "") -> bytes:
    """The lines of a video, but for what is of this one request."""
    answer = http.post(TRACK + query, content=video)
    assert answer.status_code == 200, answer.text
    return OWN.sub(b"", answer.content)


@contextmanager
def image_clients(http: httpx.Client, images: Sequence[bytes]) -> Iterator[list[httpx.Response]]:
    """Clients, one an image, that send it again and again while the block runs."""
    done = threading.Event()
    answers: list[httpx.Response] = []

    def send(image: bytes) -> None:
        while not done.is_set():
            answers.append(http.post("/v1/detect", content=image))

    with ThreadPoolExecutor(len(images)) as pool:
        sending = [pool.submit(send, image) for image in images]
        try:
            yield answers
        finally:
            done.set()
        for one in sending:
            one.result(WAIT)


def test_videos_are_answered_as_alone_and_images_wait_for_three_batches_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    detector, put = Counting(), FairQueue.put

    def noted(queue: FairQueue, item: Item) -> None:
        detector.queued(item.ready)
        put(queue, item)

    monkeypatch.setattr(FairQueue, "put", noted)
    images = [marked_png(WIDTH, HEIGHT), marked_png(WIDTH, HEIGHT), *(marked_png(90, 70),) * 2]
    with (
        serving(lambda name: detector) as (address, _),
        httpx.Client(base_url=address, timeout=WAIT * 3) as http,
        ThreadPoolExecutor(len(VIDEOS)) as pool,
    ):
        alone = [follow(http, video) for video in VIDEOS]
        detector.sizes.clear()
        with image_clients(http, images) as answers:
            together = list(pool.map(lambda video: follow(http, video), VIDEOS))
    assert together == alone
    assert len(answers) > 20
    assert {answer.status_code for answer in answers} == {200}
    assert {len(answer.json()["detections"]) for answer in answers} == {2, 1}
    assert len(detector.waits) == len(answers)
    assert max(detector.waits) <= 3
    assert max(detector.sizes) > 2, "they did not share batches"


class Turns:
    """Notes the order of the forwards, and how many of each kind each single image waits for."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.waits: list[tuple[int, int]] = []
        self._order: list[str] = []
        self._since: dict[int, int] = {}
        put, take = FairQueue.put, FairQueue.take

        def noted_put(queue: FairQueue, item: Item) -> None:
            self._since[id(item)] = len(self._order)
            put(queue, item)

        def noted_take(queue: FairQueue, most: int, most_pixels: int) -> list[Item]:
            batch = take(queue, most, most_pixels)
            for item in batch:
                before = self._order[self._since.pop(id(item)) :]
                if item.session is None:
                    self.waits.append((before.count("image"), before.count("frame")))
            self._order += ["frame" if item.session else "image" for item in batch]
            return batch

        patch.setattr(FairQueue, "put", noted_put)
        patch.setattr(FairQueue, "take", noted_take)

    @property
    def frames(self) -> int:
        """Forwards of frames so far."""
        return self._order.count("frame")


def one_by_one() -> Detector:
    """A fake that takes one picture at a time, two of them at once, as the runtimes of a CPU do."""

    def take_a_while(batch: Sequence[FakePrepared]) -> None:
        threading.Event().wait(FORWARD_SECONDS)

    return FakeDetector(take_a_while, slots=2, max_batch=1)


def hold_beside_four_image_clients(
    detector: Detector, videos: Sequence[tuple[bytes, str]], patch: pytest.MonkeyPatch
) -> list[bytes]:
    """Videos are followed as alone, images wait for three rounds at most; the streams' lines.

    A round is up to three images and a frame: `docs/architecture.md`.
    """
    turns = Turns(patch)
    with (
        serving(lambda name: detector, models=detector.name) as (address, _),
        httpx.Client(base_url=address, timeout=WAIT * 6) as http,
        ThreadPoolExecutor(len(videos)) as pool,
    ):
        alone = [follow(http, *video) for video in videos]
        before = turns.frames
        with image_clients(http, [marked_png(WIDTH, HEIGHT)] * 4) as answers:
            together = list(pool.map(lambda video: follow(http, *video), videos))
    assert together == alone
    assert turns.frames == 2 * before
    assert {answer.status_code for answer in answers} == {200}
    assert len(turns.waits) == len(answers) > 20
    images, frames = map(max, zip(*turns.waits, strict=True))
    assert images <= 3, "more than those of the other clients"
    assert frames <= 2, "more than the end of one round and that of the next"
    return together


def test_where_pictures_go_one_by_one_an_image_waits_for_three_rounds_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    videos = [(video, "") for video in VIDEOS]
    hold_beside_four_image_clients(one_by_one(), videos, monkeypatch)


@pytest.mark.weights
def test_real_weights_and_footage_beside_images_are_answered_as_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    footage = catalog.locate("sample-car-video")
    if footage is None:
        pytest.skip("no sample-car-video here: trackline models pull sample-car-video")
    video = footage.read_bytes()
    ranges = [(video, f"&start={start}&end={start + 3}") for start in range(8)]
    streams = hold_beside_four_image_clients(load_detector("yolo26n"), ranges, monkeypatch)
    assert all(stream.count(b'"track_id"') > 5 for stream in streams)


def test_a_full_queue_is_429_within_50_ms_under_load(caplog: pytest.LogCaptureFixture) -> None:
    image = marked_png(WIDTH, HEIGHT)
    took: list[float] = []
    with (
        caplog.at_level(logging.INFO, "service.http.context"),
        serving(lambda name: Counting(), image_queue=2) as (address, _),
        httpx.Client(base_url=address, timeout=WAIT * 3) as http,
        ThreadPoolExecutor(4) as pool,
    ):
        videos = [pool.submit(follow, http, video) for video in VIDEOS[:4]]
        with image_clients(http, [image] * 4):
            while len(took) < 20:
                began = time.perf_counter()
                answer = http.post("/v1/detect", content=image)
                if answer.status_code == 429:
                    took.append(time.perf_counter() - began)
                    assert_problem(answer, 429, "queue-full")
                    assert int(answer.headers["retry-after"]) >= 1
        assert all(b'"type":"end"' in video.result(WAIT) for video in videos)
    assert statistics.median(took) < 0.05
    # Within the server: without what the clients and the machine add.
    inside = [vars(note)["ms"] for note in caplog.records if vars(note).get("status") == 429]
    assert len(inside) >= len(took)
    assert statistics.median(inside) < 5
