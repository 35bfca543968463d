"""The batcher: what shares a forward, in which order, and what is refused or dropped."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, wait
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.fake import FakeDetector, FakePrepared
from models.runtime.cpu import AHEAD
from models.types import DetectOptions, Image
from service.errors import DeadlineExceeded, ModelNotReady, QueueFull
from service.inference.batching import Batcher
from service.inference.items import Inference
from service.settings import Settings
from tests.service.gate import OPTIONS, WAIT, Gate, hold, mark_of, marked, submit_all, until

Make = Callable[..., Batcher]

LANES = 2


class Asynchronous(FakeDetector):
    """Takes pictures one by one, as the runtimes of a CPU do; a test says when a forward ends."""

    def __init__(self, gate: Gate, slots: int) -> None:
        super().__init__(gate, slots=slots, max_batch=1)
        self.begun: list[int] = []
        self.flying: list[tuple[Sequence[FakePrepared], Future[Any]]] = []
        self.most = 0

    def start(self, batch: Sequence[FakePrepared]) -> Future[list[NDArray[np.float32]]]:
        if batch[0].image.shape[0] == 480:  # the probe
            return super().start(batch)
        future: Future[Any] = Future()
        self.begun.append(mark_of(batch[0].image))
        self.flying.append((batch, future))
        self.most = max(self.most, len(self.flying))
        return future

    def flies(self, count: int) -> bool:
        return len(self.flying) == count

    def has_begun(self, marks: Sequence[int]) -> bool:
        return set(marks) <= set(self.begun)

    def land(self) -> None:
        batch, future = self.flying.pop(0)
        future.set_result(super().start(batch).result())


def test_answers_what_the_detector_sees(make: Make) -> None:
    image = marked(90, (100, 100))
    image[20:40, 10:60] = (0, 0, 255)
    answer = make().submit(image, OPTIONS).result(WAIT)
    assert answer.detections.boxes.tolist() == [[10, 20, 60, 40]]
    assert answer.batch_size == 1
    assert min(answer.preprocess_ms, answer.queue_ms, answer.postprocess_ms) >= 0
    assert answer.inference_ms > 0


def test_a_cheaper_network_is_asked_where_it_will_do(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    batcher = make()
    seen: list[int] = []

    def cheaper(image: Image, imgsz: int | None = None) -> FakePrepared:
        seen.append(mark_of(image))
        return FakePrepared(image)

    monkeypatch.setattr(batcher.detector, "preprocess_frame", cheaper)
    for mark, exact in ((1, True), (2, False)):
        batcher.submit(marked(mark), replace(OPTIONS, exact=exact), session="s").result(WAIT)
    assert seen == [2]


def test_an_idle_model_is_given_a_single_image_at_once(make: Make) -> None:
    batcher = make(batch_delay_ms=60_000)
    assert batcher.submit(marked(1), OPTIONS).result(WAIT).batch_size == 1


def test_what_came_while_the_model_was_busy_shares_the_next_forward(make: Make, gate: Gate) -> None:
    batcher = make()
    first = hold(gate, batcher)
    rest = submit_all(batcher, [2, 3, 4])
    gate.open()
    assert first.result(WAIT).batch_size == 1
    assert [future.result(WAIT).batch_size for future in rest] == [3, 3, 3]
    assert gate.served == [[1], [2, 3, 4]]


def test_thresholds_differ_within_one_batch(make: Make, gate: Gate) -> None:
    batcher = make()
    image = marked(90)
    image[4:20, 4:20] = (0, 0, 150)
    hold(gate, batcher)
    low = batcher.submit(image, DetectOptions(conf=0.1))
    high = batcher.submit(image, DetectOptions(conf=0.9))
    until(lambda: len(batcher._model._queue) == 2)
    gate.open()
    assert (low.result(WAIT).batch_size, high.result(WAIT).batch_size) == (2, 2)
    assert (len(low.result().detections), len(high.result().detections)) == (1, 0)


def test_a_batch_has_no_more_than_the_settings_or_the_model_allow(make: Make, gate: Gate) -> None:
    batcher = make(max_batch=2)
    hold(gate, batcher)
    rest = submit_all(batcher, [2, 3, 4, 5, 6])
    gate.open()
    wait(rest, WAIT)
    assert gate.served == [[1], [2, 3], [4, 5], [6]]


def test_a_busy_session_does_not_hold_up_another(make: Make, gate: Gate) -> None:
    batcher = make(max_batch=1)
    hold(gate, batcher)
    busy = submit_all(batcher, [10, 11, 12, 13], session="busy")
    quiet = submit_all(batcher, [20], session="quiet")
    gate.open()
    wait(busy + quiet, WAIT)
    assert gate.served[1:3] == [[10], [20]]


def test_an_image_goes_before_waiting_videos(make: Make, gate: Gate) -> None:
    batcher = make(max_batch=1)
    hold(gate, batcher)
    frames = submit_all(batcher, [10, 11, 12], session="video")
    image = submit_all(batcher, [20])
    gate.open()
    wait(frames + image, WAIT)
    assert gate.served[1] == [20]


def test_no_image_waits_for_more_than_three_forwards_beside_eight_videos(
    make: Make, gate: Gate
) -> None:
    batcher = make(max_batch=4)
    held = hold(gate, batcher)
    for video in range(8):
        submit_all(batcher, range(10 * video + 10, 10 * video + 14), session=f"video {video}")
    images = submit_all(batcher, [201, 202, 203, 204])
    gate.open()
    wait([held, *images], WAIT)
    forward_of = {mark: n for n, marks in enumerate(gate.served) for mark in marks}
    assert max(forward_of[mark] for mark in (201, 202, 203, 204)) <= 3


@pytest.mark.parametrize("before", range(4))
def test_one_by_one_the_last_of_four_images_waits_for_seven_forwards_beside_eight_videos(
    make: Make, gate: Gate, before: int
) -> None:
    """Wherever in a round of three images and a frame they come, two forwards at a time."""
    detector = Asynchronous(gate, LANES + AHEAD)
    batcher = make(detector)
    landed = 0
    for mark in range(32):
        batcher.submit(marked(mark), OPTIONS, session=f"video {mark % 8}")
    until(partial(detector.flies, detector.slots))
    earlier, images = range(200, 200 + before), range(210, 214)
    for mark in earlier:
        batcher.submit(marked(mark), OPTIONS)
    while not detector.has_begun(earlier):
        detector.land()
        landed += 1
        until(partial(detector.flies, detector.slots))
    for mark in images:
        batcher.submit(marked(mark), OPTIONS)
    under_way = detector.slots - LANES + 1  # of those, as many end before the next one has a core
    so_far = landed
    while not detector.has_begun(images):
        detector.land()
        landed += 1
        until(partial(detector.flies, detector.slots))
    for ahead, mark in enumerate(images):
        ended = detector.begun.index(mark) - LANES + 1 - so_far
        frames = 1 + ahead // 3
        assert ended <= under_way + ahead + frames
    assert under_way + ahead + frames == 7


def test_a_full_queue_refuses_at_once_and_frees_places_as_work_ends(make: Make, gate: Gate) -> None:
    batcher = make(image_queue=3)
    held = [hold(gate, batcher), *submit_all(batcher, [2, 3])]
    took = []
    for _ in range(5):
        began = time.monotonic()
        with pytest.raises(QueueFull, match="3 images wait for fake already"):
            batcher.submit(marked(4), OPTIONS)
        took.append(time.monotonic() - began)
    # Whatever else runs may hold up some of them.
    assert min(took) < 0.05
    gate.open()
    wait(held, WAIT)
    assert batcher.submit(marked(5), OPTIONS).result(WAIT).batch_size == 1


def test_videos_cannot_take_the_places_of_images(make: Make, gate: Gate) -> None:
    settings = Settings(max_sessions=1, frames_in_flight=2)
    batcher = make(max_sessions=1, frames_in_flight=2)
    hold(gate, batcher)
    submit_all(batcher, range(10, 10 + settings.frame_queue), session="video")
    with pytest.raises(QueueFull, match=f"{settings.frame_queue} frames"):
        batcher.submit(marked(4), OPTIONS, session="video")
    image = batcher.submit(marked(5), OPTIONS)
    gate.open()
    image.result(WAIT)


def test_cancelled_work_is_dropped_and_its_place_is_free(make: Make, gate: Gate) -> None:
    batcher = make(image_queue=3)
    held = hold(gate, batcher)
    gone, stays = submit_all(batcher, [2, 3])
    assert gone.cancel()
    replacement = submit_all(batcher, [4])[0]
    gate.open()
    wait([held, stays, replacement], WAIT)
    assert gate.served == [[1], [3, 4]]
    with pytest.raises(CancelledError):
        gone.result()


def test_work_past_its_deadline_is_not_taken_up(make: Make, gate: Gate) -> None:
    batcher = make()
    hold(gate, batcher)
    late = batcher.submit(marked(2), OPTIONS, deadline=time.monotonic() - 1)
    in_time = batcher.submit(marked(3), OPTIONS, deadline=time.monotonic() + 60)
    until(lambda: len(batcher._model._queue) == 2)
    gate.open()
    assert in_time.result(WAIT).batch_size == 1
    with pytest.raises(DeadlineExceeded):
        late.result(WAIT)
    assert gate.served == [[1], [3]]


def test_asynchronous_runtimes_get_as_many_forwards_as_they_have_slots(
    make: Make, gate: Gate
) -> None:
    detector = Asynchronous(gate, slots=2)
    batcher = make(detector)
    futures = [batcher.submit(marked(mark), OPTIONS) for mark in range(5)]
    for landed in range(5):
        until(partial(detector.flies, min(2, 5 - landed)))
        detector.land()
    assert all(future.result(WAIT).batch_size == 1 for future in futures)
    assert detector.most == 2


def test_closing_fails_what_waits_and_lets_the_running_forward_end(make: Make, gate: Gate) -> None:
    batcher = make()
    held = hold(gate, batcher)
    waiting = submit_all(batcher, [2])[0]
    closer = threading.Thread(target=batcher.close)
    closer.start()
    with pytest.raises(ModelNotReady, match="unloaded"):
        waiting.result(WAIT)
    gate.open()
    assert held.result(WAIT).batch_size == 1
    closer.join(WAIT)
    assert not closer.is_alive()
    with pytest.raises(ModelNotReady):
        batcher.submit(marked(3), OPTIONS)


def test_many_threads_submit_and_every_future_is_answered(make: Make) -> None:
    batcher = make(image_queue=1000)
    answers: list[Inference] = []

    def client(mark: int) -> None:
        for _ in range(20):
            answers.append(batcher.submit(marked(mark), OPTIONS).result(WAIT))

    threads = [threading.Thread(target=client, args=(mark,)) for mark in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert len(answers) == 160


def test_the_pixels_of_an_answered_image_are_free_at_once(make: Make) -> None:
    batcher = make()
    image = marked(90)
    pixels = weakref.ref(image)
    future = batcher.submit(image, OPTIONS)
    del image
    gc.disable()
    try:
        assert future.result(WAIT).batch_size == 1
        until(lambda: pixels() is None)
    finally:
        gc.enable()
