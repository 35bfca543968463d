"""A forward that a test holds and lets go, and that remembers what it was given."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from models.fake import FakePrepared
from models.types import Image

WAIT = 10.0
"""Seconds after which something that should have happened counts as never happening."""


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
