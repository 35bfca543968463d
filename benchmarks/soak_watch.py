"""What a server holds while it is under load: memory, threads, handles, processes, files."""

from __future__ import annotations

import os
import statistics
import threading
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.service_process import Process

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Held:
    """At one moment.

    Attributes
    ----------
    memory_mib : float
        Of the server and its decoders; what they share counts once.
    threads, handles : int
        Of the server itself.
    processes : int
        The server, the process that forks decoders, and decoders.
    files : int
        In its folders of jobs and of temporary files.
    """

    memory_mib: float
    threads: int
    handles: int
    processes: int
    files: int


def held_by(server: Process, folder: Path) -> Held:
    """What a server holds now; ``folder`` has its jobs and temporary files."""
    return Held(
        server.memory() / MIB,
        server.threads(),
        server.handles(),
        server.processes(),
        # A folder may go while it is looked at; this walk leaves it out then.
        sum(len(files) for _, _, files in os.walk(folder)),
    )


class Watch:
    """Looks at a server again and again while a block runs.

    Parameters
    ----------
    server : Process
        The server.
    folder : Path
        See `held_by`.
    every : float
        Seconds between looks.

    Attributes
    ----------
    seen : list of Held
        In order of time.
    """

    def __init__(self, server: Process, folder: Path, every: float) -> None:
        self.seen: list[Held] = []
        self._server = server
        self._folder = folder
        self._every = every
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(self._every):
            self.seen.append(held_by(self._server, self._folder))


def quarters(seen: Sequence[Held]) -> dict[str, tuple[float, float]]:
    """Medians of the third and of the last quarter of the time, by name."""
    quarter = len(seen) // 4
    third, last = seen[2 * quarter : 3 * quarter], seen[3 * quarter :]
    return {
        field.name: (
            statistics.median(getattr(held, field.name) for held in third),
            statistics.median(getattr(held, field.name) for held in last),
        )
        for field in fields(Held)
    }
