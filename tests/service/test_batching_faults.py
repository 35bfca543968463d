"""The batcher: what a failing, hanging or lying model does, and to whom."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.errors import InvalidInput, ModelError
from models.fake import FakeDetector, FakePrepared
from models.types import Detections, DetectOptions
from service.errors import ModelNotReady
from service.http.metrics import Metrics
from service.inference.batching import Batcher
from service.inference.flight import State
from service.settings import Settings
from tests.service.gate import OPTIONS, WAIT, Gate, hold, mark_of, marked, submit_all, until

Make = Callable[..., Batcher]


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
    batcher = make(forward_seconds=2.0)
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


def finished(value: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(value)
    return future


def test_an_answer_that_cannot_be_read_fails_its_image_alone(make: Make, gate: Gate) -> None:
    class Garbled(FakeDetector):
        def postprocess(
            self, raw: NDArray[np.float32], prepared: FakePrepared, options: DetectOptions
        ) -> Detections:
            if mark_of(prepared.image) == 2:
                raise IndexError("row 7")
            return super().postprocess(raw, prepared, options)

    batcher = make(Garbled(gate))
    hold(gate, batcher)
    bad, good = submit_all(batcher, [2, 3])
    gate.open()
    assert good.result(WAIT).batch_size == 2
    with pytest.raises(ModelError, match="answer could not be read"):
        bad.result(WAIT)


def test_a_runtime_that_raises_at_the_start_is_a_failed_forward(make: Make, gate: Gate) -> None:
    class Refusing(FakeDetector):
        def start(self, batch: Sequence[FakePrepared]) -> Future[list[NDArray[np.float32]]]:
            if mark_of(batch[0].image) == 2:
                raise RuntimeError("no stream")
            return super().start(batch)

    batcher = make(Refusing(gate))
    with pytest.raises(ModelError, match="the model failed"):
        batcher.submit(marked(2), OPTIONS).result(WAIT)
    assert batcher.submit(marked(3), OPTIONS).result(WAIT).batch_size == 1


def test_a_model_whose_first_forward_fails_says_so_and_is_tried_again(gate: Gate) -> None:
    gate.broken = RuntimeError("no kernel image")
    batcher = Batcher("late", lambda: FakeDetector(gate), Settings(probe_seconds=0.02))
    try:
        with pytest.raises(ModelError, match="the first forward failed"):
            batcher.loaded.result(WAIT)
        gate.broken = None
        until(lambda: batcher.state is State.READY)
    finally:
        batcher.close()


def test_a_batch_that_fails_while_the_model_is_closed_leaves_nobody_waiting(
    make: Make, gate: Gate
) -> None:
    entered, release = threading.Event(), threading.Event()

    def fail_late(batch: Sequence[FakePrepared]) -> None:
        gate(batch)
        if len(batch) == 2:
            entered.set()
            assert release.wait(WAIT)
            raise RuntimeError("late failure")

    batcher = make(FakeDetector(fail_late))
    hold(gate, batcher)
    pair = submit_all(batcher, [2, 3])
    gate.open()
    assert entered.wait(WAIT)
    closer = threading.Thread(target=batcher.close)
    closer.start()
    until(lambda: batcher.state is State.CLOSED)
    release.set()
    for future in pair:
        with pytest.raises(ModelError):
            future.result(WAIT)
    closer.join(WAIT)
    assert not closer.is_alive()
