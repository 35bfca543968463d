"""What the runtimes on the CPU share: forwards in background threads, as many as are in flight."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from models.errors import ModelError

AHEAD = 1
"""Forwards that wait behind those that run, so that a core which gets free goes on at once, and not
when the thread that asks has been woken, nor when the answer has been read."""

_CPUINFO = Path("/proc/cpuinfo")
_VNNI = frozenset({"avx512_vnni", "avx_vnni"})


class PooledRuntime(ABC):
    """A `models.runtime.Runtime` made of a forward that blocks and lets other threads run.

    Parameters
    ----------
    lanes : int
        Forwards that run at once.
    precision : str
        What the network computes in.
    queues : bool
        The runtime itself lets forwards wait that are more than the lanes.
    beside : PooledRuntime or None
        Another network, whose lanes this one shares: so many forwards of both run at once. They
        are closed together.
    """

    name: str
    device = "cpu"
    max_batch = 1

    def __init__(
        self,
        lanes: int,
        precision: str,
        *,
        queues: bool = False,
        beside: PooledRuntime | None = None,
    ) -> None:
        self.lanes = lanes
        # Where batches are worth it, what waits had better become part of the next one.
        self.slots = lanes + (AHEAD if self.max_batch == 1 else 0)
        self.precision = precision
        if beside is None:
            self._pool = ThreadPoolExecutor(self.slots, thread_name_prefix=f"{self.name}-forward")
            self._turns = threading.Semaphore(self.slots if queues else lanes)
        else:
            self._pool, self._turns = beside._pool, beside._turns

    @abstractmethod
    def forward(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        """The network's outputs for a batch, in arrays of their own.

        As many threads call it at once as there are lanes; slots, where the runtime queues.
        """

    @abstractmethod
    def release(self) -> None:
        """Drop the network; nothing is in flight."""

    def run(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        """The network's outputs for a batch. Any number of threads may call it.

        Raises
        ------
        ModelError
            The network has been closed, or takes no such batch.
        """
        return self.start(batch).result()

    def start(self, batch: NDArray[Any]) -> Future[list[NDArray[Any]]]:
        """Like `run`, in the background; it waits its turn while every lane is taken.

        What is to be done with the answer may be done in the thread that brings it: a lane that it
        leaves free is taken by the next forward meanwhile.
        """
        try:
            return self._pool.submit(self._in_turn, batch)
        except RuntimeError as error:
            raise ModelError(f"this {self.name} network has been closed") from error

    def _in_turn(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        with self._turns:
            return self.forward(batch)

    def close(self) -> None:
        """Wait for what is in flight, then give back the memory of the network."""
        self._pool.shutdown(cancel_futures=True)
        self.release()


def cpu_count() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_vnni() -> bool:
    """Whether the processor multiplies bytes as fast as its hardware can; known on Linux alone."""
    if not _CPUINFO.is_file():
        return False
    return not _VNNI.isdisjoint(_CPUINFO.read_text(encoding="utf-8").split())
