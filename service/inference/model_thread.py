"""The one thread that creates, warms and calls a model, and the watchdog beside it.

A batch closes when it is full, when its first item has waited for the delay, and at once when the
model is idle. A failed batch is tried again by halves, so that one bad image fails alone; after
such a failure a blank picture is sent through, which tells a bad image from a broken model. A
broken or hung model takes no work until such a probe passes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import ModelError
from service.errors import DeadlineExceeded, ModelNotReady
from service.inference.fair_queue import FairQueue
from service.inference.flight import (
    Flight,
    State,
    as_ours,
    fail,
    halves,
    is_out_of_memory,
    read,
    settle,
)
from service.inference.items import STAGES, Item

if TYPE_CHECKING:
    from models.detector import Detector
    from service.http.metrics import Metrics
    from service.settings import Settings

log = logging.getLogger(__name__)

READ_THREADS = 2
PROBE_SHAPE = (480, 640, 3)
CLOSE_SECONDS = 10.0


class ModelThread:
    """A detector in a thread of its own; what is put here comes out of the items' futures.

    Parameters
    ----------
    name : str
        The model's name, for messages and metrics.
    load : callable
        Makes the detector; called once, in the thread.
    settings, metrics
        Bounds, and where stages are measured.

    Attributes
    ----------
    state : State
        Only a ready model takes work.
    reason : str
        Why it is not ready; empty while it is.
    max_batch : int
        Most images of a forward; halved when the memory runs out.
    detector : Detector or None
        None until it is loaded.
    loaded : Future of None
        Done once the first forward has passed, or failed with what prevented it.
    """

    def __init__(
        self, name: str, load: Callable[[], Detector], settings: Settings, metrics: Metrics
    ) -> None:
        self.state = State.LOADING
        self.reason = "it is still loading"
        self.max_batch = settings.max_batch
        self.detector: Detector | None = None
        self.loaded: Future[None] = Future()
        self._name = name
        self._load = load
        self._settings = settings
        self._metrics = metrics
        self._wake = threading.Condition()
        self._queue = FairQueue(settings.image_share)
        self._again: deque[list[Item]] = deque()
        self._flying: set[Flight] = set()
        self._probe_at: float | None = None
        self._closing = threading.Event()
        self._batch_sizes = metrics.batch_size.labels(name)
        self._nonfinite = metrics.nonfinite.labels(name)
        self._stages = {stage: metrics.stage.labels(name, stage) for stage in STAGES}
        self._readers = ThreadPoolExecutor(READ_THREADS, f"{name}-read")
        self._owner = threading.Thread(target=self._own, name=f"{name}-owner", daemon=True)
        self._watchdog = threading.Thread(target=self._watch, name=f"{name}-watchdog", daemon=True)
        metrics.model_ready.labels(name).set(0)
        self._owner.start()
        self._watchdog.start()

    def not_ready(self) -> ModelNotReady:
        """The refusal of a model that takes no work."""
        return ModelNotReady(f"the model {self._name} is not ready: {self.reason}")

    def put(self, item: Item) -> None:
        """Queue a prepared item; it fails at once where the model is not ready."""
        with self._wake:
            if self.detector is not None and self.state is State.READY:
                self._queue.put(item)
                if len(self._flying) < self.detector.slots:
                    self._wake.notify_all()
                return
        fail([item.future], self.not_ready())

    def discard(self, item: Item) -> None:
        """Drop an item that is not wanted any more, if it still waits."""
        with self._wake:
            self._queue.discard(item)

    def close(self) -> None:
        """Refuse what waits, let the forwards in flight end, and free the model."""
        self._closing.set()
        self._refuse(State.CLOSED, "it has been unloaded")
        # A model that nobody wants is not one that has failed, which someone is woken for.
        self._metrics.model_ready.remove(self._name)
        self._owner.join(CLOSE_SECONDS)
        if self._owner.is_alive():
            self._abandon()
        self._watchdog.join(CLOSE_SECONDS)
        self._readers.shutdown(wait=False)

    # The owner's thread.

    def _own(self) -> None:
        try:
            detector = self._load()
            self.detector = detector
            self.max_batch = min(self.max_batch, detector.max_batch)
            self._probe_at = time.monotonic()
            while self._start_next(detector):
                pass
            detector.close()
        except Exception as error:
            log.exception("the model %s could not be loaded or run", self._name)
            self._refuse(State.FAILED, "it could not be loaded or run")
            fail([self.loaded], error)

    def _next_flight(self, detector: Detector) -> Flight | None:
        """Wait until there is something to start; None once closed with nothing in flight."""
        with self._wake:
            while self._flying or not self._closing.is_set():
                flight, wait = self._due(detector)
                if flight is not None:
                    self._flying.add(flight)
                    return flight
                self._wake.wait(wait)
        return None

    def _due(self, detector: Detector) -> tuple[Flight | None, float | None]:
        """What is to be started now; else how long to wait, None for until something happens."""
        now = time.monotonic()
        if self._closing.is_set() or len(self._flying) >= detector.slots:
            return None, None
        if self._probe_at is not None:
            if now < self._probe_at:
                return None, self._probe_at - now
            self._probe_at = None
            blank = detector.preprocess(np.full(PROBE_SHAPE, 114, np.uint8))
            return Flight([], time.monotonic(), probe=blank), None
        if self._again:
            return Flight(self._again.popleft(), now), None
        if not len(self._queue):
            return None, None
        wait = self._queue.oldest() + self._settings.batch_delay_ms / 1000 - now
        full = (
            len(self._queue) >= self.max_batch or self._queue.pixels >= self._settings.batch_pixels
        )
        if self._flying and not full and wait > 0:
            return None, wait
        batch = self._take(now)
        return (Flight(batch, now) if batch else None), 0

    def _take(self, now: float) -> list[Item]:
        """The next batch, without what was cancelled or has come too late."""
        batch = []
        for item in self._queue.take(self.max_batch, self._settings.batch_pixels):
            item.taken = now
            if item.deadline is not None and item.deadline < now:
                late = DeadlineExceeded("the image waited past its deadline: the server is busy")
                self._readers.submit(fail, [item.future], late)
            elif item.future.set_running_or_notify_cancel():
                batch.append(item)
        return batch

    def _start_next(self, detector: Detector) -> bool:
        """Start a forward; False once there will be none. Keeps nothing of it when it returns."""
        flight = self._next_flight(detector)
        if flight is None:
            return False
        try:
            answer = detector.start(flight.batch)
        except Exception as error:
            answer = Future()
            answer.set_exception(error)
        answer.add_done_callback(partial(self._landed, flight))
        return True

    # The thread in which a forward ends: the owner's, or one of the runtime's. A runtime that takes
    # pictures one by one has a thread to spare, and each hand-over to another costs a wake-up.

    def _landed(self, flight: Flight, answer: Future[list[Any]]) -> None:
        with self._wake:
            flight.landed = time.monotonic()
            self._flying.discard(flight)
            if flight.abandoned and not any(other.abandoned for other in self._flying):
                self._probe_at = flight.landed
            idle = not (len(self._queue) or self._again or self._probe_at is not None)
            if not idle or self._closing.is_set():
                self._wake.notify_all()
        if flight.abandoned:
            return
        if self.max_batch > 1 or threading.current_thread() is self._owner:
            self._readers.submit(self._finish, flight, answer)
        else:
            self._finish(flight, answer)

    # The pool after the forward.

    def _finish(self, flight: Flight, answer: Future[list[Any]]) -> None:
        try:
            raws = answer.result()
            if len(raws) != len(flight.batch):
                raise ModelError(f"{len(flight.batch)} answers expected, got {len(raws)}")
        except Exception as error:
            self._failed(flight, error)
            return
        if flight.probe is not None:
            self._passed()
            return
        self._batch_sizes.observe(len(flight.items))
        for item, raw in zip(flight.items, raws, strict=True):
            self._read(item, raw, flight)

    def _read(self, item: Item, raw: Any, flight: Flight) -> None:
        """Make detections of a raw answer and hand them to the caller."""
        try:
            if self.detector is None:
                raise self.not_ready()
            inference, dropped = read(self.detector, item, raw, flight)
        except Exception as error:
            log.exception("an answer of %s could not be read", self._name)
            fail([item.future], as_ours(error, "the model's answer could not be read"))
            return
        self._nonfinite.inc(dropped)
        for stage, ms in inference.stages_ms.items():
            self._stages[stage].observe(ms / 1000)
        settle(item.future, inference)

    def _passed(self) -> None:
        """A probe came through: the model works."""
        with self._wake:
            if self.state is State.CLOSED or any(flight.abandoned for flight in self._flying):
                return
            self.state, self.reason = State.READY, ""
        self._metrics.model_ready.labels(self._name).set(1)
        settle(self.loaded, None)

    def _failed(self, flight: Flight, error: Exception) -> None:
        """Try a failed batch again by halves, fail a single item, or give up on the model."""
        memory = is_out_of_memory(error)
        cause = "memory" if memory else "error"
        self._metrics.forward_failures.labels(self._name, cause).inc()
        log.error("a forward of %s failed", self._name, exc_info=error)
        if flight.probe is not None:
            self._refuse(State.FAILED, "its last forward failed")
            fail([self.loaded], as_ours(error, "the first forward failed"))
            self._probe_in(self._settings.probe_seconds)
        elif len(flight.items) == 1 or not self._try_again(flight.items, memory):
            fail([item.future for item in flight.items], as_ours(error, "the model failed"))
            self._probe_in(0)

    def _try_again(self, items: list[Item], memory: bool) -> bool:
        """Queue the halves of a failed batch; False where nothing is started any more."""
        with self._wake:
            if self.state is not State.READY:
                return False
            if memory:
                self.max_batch = len(items) // 2
            self._again.extend(halves(items))
            self._wake.notify_all()
        return True

    def _probe_in(self, seconds: float) -> None:
        with self._wake:
            self._probe_at = time.monotonic() + seconds
            self._wake.notify_all()

    # The watchdog's thread.

    def _watch(self) -> None:
        most = self._settings.forward_seconds
        while not self._closing.wait(most / 4):
            late = time.monotonic() - most
            with self._wake:
                hung = any(one.started < late and not one.abandoned for one in self._flying)
            if hung:
                log.error("a forward of %s has not come back for %g s", self._name, most)
                self._metrics.forward_failures.labels(self._name, "hung").inc()
                self._refuse(State.HUNG, f"a forward has not come back for {most:g} s")
                self._abandon()

    def _refuse(self, state: State, reason: str) -> None:
        """Leave the ready state and fail everything that waits."""
        with self._wake:
            if self.state is State.CLOSED:
                return
            self.state, self.reason = state, reason
            items = self._queue.drain()
            items += [item for batch in self._again for item in batch]
            self._again.clear()
            self._wake.notify_all()
        self._metrics.model_ready.labels(self._name).set(0)
        fail([item.future for item in items], self.not_ready())
        if state is State.CLOSED:
            fail([self.loaded], self.not_ready())

    def _abandon(self) -> None:
        """Fail what is in flight; its forwards are not waited for any more."""
        with self._wake:
            for flight in self._flying:
                flight.abandoned = True
            items = [item for flight in self._flying for item in flight.items]
        fail([item.future for item in items], self.not_ready())
        if self.state is not State.READY:
            fail([self.loaded], self.not_ready())
