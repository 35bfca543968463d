"""A forward that a test holds and lets go, and that remembers what it was given."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

import numpy as np

from models.fake import FakePrepared
from models.types import DetectOptions, Image
from service.inference.batching import Batcher
from service.inference.items import Inference

OPTIONS = DetectOptions()

WAIT = 60.0
"""Seconds after which something that should have happened counts as never happening.

So long that a machine at a fifth of the usual speed is not taken for a fault.
"""


class Gate:
    """Called before each forward: waits while it is shut, and fails where it is told to."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.fail_on: dict[int, Exception] = {}
        self.fail_larger_than: tuple[int, Exception] | None = None
        self.broken: Exception | None = None
        self.entered = threading.Semaphore(0)
        self._open = threading.Event()
        self._open.set()

    def __call__(self, batch: Sequence[FakePrepared]) -> None:
        marks = [mark_of(prepared.image) for prepared in batch]
        self.batches.append(marks)
        self.entered.release()
        assert self._open.wait(WAIT), "the gate was never opened"
        if self.broken is not None:
            raise self.broken
        if self.fail_larger_than is not None and len(batch) > self.fail_larger_than[0]:
            raise self.fail_larger_than[1]
        for mark in marks:
            if mark in self.fail_on:
                raise self.fail_on[mark]

    def shut(self) -> None:
        """Hold every forward from now on."""
        self._open.clear()

    def open(self) -> None:
        """Let them go."""
        self._open.set()

    def wait_entered(self) -> None:
        """Until one more forward has begun."""
        assert self.entered.acquire(timeout=WAIT), "no forward began"

    @property
    def served(self) -> list[list[int]]:
        """The batches without the probes."""
        return [marks for marks in self.batches if marks != [PROBE]]


PROBE = 114
"""Mark of the blank picture with which a model is tried."""


def marked(mark: int, size: tuple[int, int] = (32, 32)) -> Image:
    """An image that can be told from others: plain, of brightness ``mark``."""
    return np.full((*size, 3), mark, np.uint8)


def mark_of(image: Image) -> int:
    """The mark of a marked image."""
    return int(image[-1, -1, 0])


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
