"""The batcher: what shares a forward, what is refused, and what a failing model does to whom."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, wait
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.errors import InvalidInput, ModelError
from models.fake import FakeDetector, FakePrepared
from models.types import Detections, DetectOptions
from service.batching import Batcher, Inference, State
from service.errors import DeadlineExceeded, ModelNotReady, QueueFull
from service.metrics import Metrics
from service.settings import Settings
from tests.service.gate import WAIT, Gate, marked

OPTIONS = DetectOptions()
Make = Callable[..., Batcher]


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def make(gate: Gate) -> Iterator[Make]:
    """Starts batchers on a fake detector behind the gate, ready to be used."""
    running: list[Batcher] = []

    def start(detector: FakeDetector | None = None, **settings: Any) -> Batcher:
        fake = detector or FakeDetector(gate)
        batcher = Batcher("fake", lambda: fake, Settings(**settings))
        running.append(batcher)
        batcher.loaded.result(WAIT)
        gate.wait_entered()
        return batcher

    yield start
    gate.open()
    for batcher in running:
        batcher.close()


def hold(gate: Gate, batcher: Batcher, mark: int = 1) -> Future[Inference]:
    """Keep the model busy with one image until the gate opens."""
    gate.shut()
    future = batcher.submit(marked(mark), OPTIONS)
    gate.wait_entered()
    return future


def submit_all(
    batcher: Batcher, marks: Sequence[int], session: str | None = None
) -> list[Future[Inference]]:
    """Submit images and wait until all of them are in the queue, in order."""
    futures = []
    for mark in marks:
        queued = len(batcher._model._queue) + 1
        futures.append(batcher.submit(marked(mark), OPTIONS, session=session))
        until(partial(waits, batcher, queued))
    return futures


def waits(batcher: Batcher, count: int) -> bool:
    """Whether so many items are in the queue."""
    return len(batcher._model._queue) == count


def until(condition: Callable[[], bool]) -> None:
    """Wait for a state that no event announces."""
    end = time.monotonic() + WAIT
    tick = threading.Event()
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        tick.wait(0.001)


def test_answers_what_the_detector_sees(make: Make) -> None:
    image = marked(90, (100, 100))
    image[20:40, 10:60] = (0, 0, 255)
    answer = make().submit(image, OPTIONS).result(WAIT)
    assert answer.detections.boxes.tolist() == [[10, 20, 60, 40]]
    assert answer.batch_size == 1
    assert min(answer.preprocess_ms, answer.queue_ms, answer.postprocess_ms) >= 0
    assert answer.inference_ms > 0


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


def test_a_full_queue_refuses_at_once_and_frees_places_as_work_ends(make: Make, gate: Gate) -> None:
    batcher = make(image_queue=3)
    held = [hold(gate, batcher), *submit_all(batcher, [2, 3])]
    began = time.monotonic()
    with pytest.raises(QueueFull, match="3 images wait for fake already"):
        batcher.submit(marked(4), OPTIONS)
    assert time.monotonic() - began < 0.05
    gate.open()
    wait(held, WAIT)
    assert batcher.submit(marked(5), OPTIONS).result(WAIT).batch_size == 1


def test_videos_cannot_take_the_places_of_images(make: Make, gate: Gate) -> None:
    batcher = make(max_sessions=1, frames_in_flight=2)
    hold(gate, batcher)
    submit_all(batcher, [2, 3], session="video")
    with pytest.raises(QueueFull, match="2 frames"):
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


def test_one_bad_image_fails_alone(make: Make, gate: Gate) -> None:
    batcher = make()
    hold(gate, batcher)
    gate.fail_on[4] = RuntimeError("kernel 7 at 0xdead")
    futures = submit_all(batcher, [2, 3, 4, 5])
    gate.open()
    assert [futures[n].result(WAIT).batch_size for n in (0, 1, 3)] == [2, 2, 1]
    with pytest.raises(ModelError):
        futures[2].result(WAIT)
    assert batcher.submit(marked(6), OPTIONS).result(WAIT).batch_size == 1
    assert batcher.state is State.READY


def test_out_of_memory_halves_the_batches_from_then_on(make: Make, gate: Gate) -> None:
    batcher = make()
    hold(gate, batcher)
    gate.fail_larger_than = 2, RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
    futures = submit_all(batcher, [2, 3, 4, 5])
    gate.open()
    assert all(future.result(WAIT).batch_size == 2 for future in futures)
    assert batcher.max_batch == 2


def test_a_broken_model_is_not_ready_until_a_probe_passes(make: Make, gate: Gate) -> None:
    batcher = make(probe_seconds=0.02)
    gate.broken = RuntimeError("device lost")
    with pytest.raises(ModelError):
        batcher.submit(marked(1), OPTIONS).result(WAIT)
    until(lambda: batcher.state is State.FAILED)
    with pytest.raises(ModelNotReady, match="its last forward failed"):
        batcher.submit(marked(2), OPTIONS)
    gate.broken = None
    until(lambda: batcher.state is State.READY)
    assert batcher.submit(marked(3), OPTIONS).result(WAIT).batch_size == 1


def test_a_hung_forward_fails_everyone_and_the_model_comes_back_after_it(
    make: Make, gate: Gate
) -> None:
    batcher = make(forward_seconds=0.1)
    held = hold(gate, batcher)
    waiting = submit_all(batcher, [2])[0]
    for future in (held, waiting):
        with pytest.raises(ModelNotReady, match="has not come back"):
            future.result(WAIT)
    assert batcher.state is State.HUNG
    with pytest.raises(ModelNotReady):
        batcher.submit(marked(3), OPTIONS)
    gate.open()
    until(lambda: batcher.state is State.READY)
    assert batcher.submit(marked(4), OPTIONS).result(WAIT).batch_size == 1


def test_a_wrong_number_of_answers_is_a_failure_and_not_a_wait(gate: Gate, make: Make) -> None:
    class Forgetful(FakeDetector):
        def start(self, batch: Sequence[FakePrepared]) -> Future[list[NDArray[np.float32]]]:
            answer = super().start(batch)
            return answer if len(batch) == 1 else finished(answer.result()[:-1])

    batcher = make(Forgetful(gate))
    hold(gate, batcher)
    futures = submit_all(batcher, [2, 3])
    gate.open()
    assert [future.result(WAIT).batch_size for future in futures] == [1, 1]


def test_numbers_that_are_not_finite_are_dropped_and_counted() -> None:
    class Noisy(FakeDetector):
        def postprocess(
            self, raw: NDArray[np.float32], prepared: FakePrepared, options: DetectOptions
        ) -> Detections:
            boxes = np.array([[0, 0, 5, 5], [0, 0, np.nan, 5], [0, 0, 5, 5]], np.float32)
            scores = np.array([0.9, 0.8, np.inf], np.float32)
            return Detections(boxes, scores, np.zeros(3, np.int32), self.names)

    metrics = Metrics()
    batcher = Batcher("noisy", Noisy, Settings(), metrics)
    try:
        batcher.loaded.result(WAIT)
        assert len(batcher.submit(marked(1), OPTIONS).result(WAIT).detections) == 1
    finally:
        batcher.close()
    assert b'trackline_nonfinite_detections_total{model="noisy"} 2.0' in metrics.exposition()


def test_asynchronous_runtimes_get_as_many_forwards_as_they_have_slots(
    make: Make, gate: Gate
) -> None:
    class Asynchronous(FakeDetector):
        def __init__(self) -> None:
            super().__init__(gate, slots=2, max_batch=1)
            self.flying: list[tuple[Sequence[FakePrepared], Future[Any]]] = []
            self.most = 0

        def start(self, batch: Sequence[FakePrepared]) -> Future[list[NDArray[np.float32]]]:
            if batch[0].image.shape[0] == 480:  # the probe
                return super().start(batch)
            future: Future[Any] = Future()
            self.flying.append((batch, future))
            self.most = max(self.most, len(self.flying))
            return future

        def flies(self, count: int) -> bool:
            return len(self.flying) == count

        def land(self) -> None:
            batch, future = self.flying.pop(0)
            future.set_result(super().start(batch).result())

    detector = Asynchronous()
    batcher = make(detector)
    futures = [batcher.submit(marked(mark), OPTIONS) for mark in range(5)]
    for landed in range(5):
        until(partial(detector.flies, min(2, 5 - landed)))
        detector.land()
    assert all(future.result(WAIT).batch_size == 1 for future in futures)
    assert detector.most == 2


def test_an_image_that_cannot_be_prepared_fails_with_the_reason(make: Make) -> None:
    flat = np.zeros((4, 4), np.uint8)
    with pytest.raises(InvalidInput, match="uint8"):
        make().submit(flat, OPTIONS).result(WAIT)


def test_loading_is_not_ready_and_a_model_that_cannot_be_loaded_says_so(gate: Gate) -> None:
    may_load = threading.Event()

    def load() -> FakeDetector:
        assert may_load.wait(WAIT)
        raise ModelError("no such device")

    batcher = Batcher("slow", load, Settings())
    try:
        with pytest.raises(ModelNotReady, match="still loading"):
            batcher.submit(marked(1), OPTIONS)
        may_load.set()
        with pytest.raises(ModelError, match="no such device"):
            batcher.loaded.result(WAIT)
        assert batcher.state is State.FAILED
    finally:
        batcher.close()


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


def finished(value: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(value)
    return future
