"""A server in a process of its own, and what it and its children use of the machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

import httpx
import psutil  # type: ignore[import-untyped]

from benchmarks.service_client import Failed

ROOT = Path(__file__).resolve().parents[1]
READY_SECONDS = 180.0
STOP_SECONDS = 20.0
_ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")


class Process:
    """A running process and its descendants.

    Parameters
    ----------
    pid : int
        Of the process at the top.
    port : int
        Where it listens on the loopback.
    """

    def __init__(self, pid: int, port: int) -> None:
        self.port = port
        self._top = psutil.Process(pid)

    @property
    def address(self) -> str:
        """Its URL, without a path."""
        return f"http://127.0.0.1:{self.port}"

    def cpu_seconds(self) -> float:
        """CPU time so far of the process and all that it started, those that ended included."""
        total = 0.0
        for process in self._all():
            used = process.cpu_times()
            # What children that ended used is counted with those that waited for them.
            total += used.user + used.system + used.children_user + used.children_system
        return total

    def memory(self) -> int:
        """Bytes of memory; what processes share is counted once."""
        total: int = self._top.memory_full_info().pss
        for process in self._top.children(recursive=True):
            # A decoder may end between the two looks; it then holds nothing.
            with suppress(psutil.NoSuchProcess):
                total += process.memory_full_info().pss
        return total

    def handles(self) -> int:
        """Open descriptors of the process itself."""
        return int(self._top.num_fds())

    def threads(self) -> int:
        """Threads of the process itself."""
        return int(self._top.num_threads())

    def processes(self) -> int:
        """It and its descendants."""
        return len(self._all())

    def kill(self) -> list[int]:
        """Kill it without a word; answers the ids of what it started and that outlives it."""
        started = self._top.children(recursive=True)
        self._top.kill()
        _, alive = psutil.wait_procs([self._top, *started], timeout=STOP_SECONDS)
        return [process.pid for process in alive]

    def _all(self) -> list[psutil.Process]:
        return [self._top, *self._top.children(recursive=True)]


@contextmanager
def trackline(
    settings: Mapping[str, str] | None = None, options: Sequence[str] = ()
) -> Iterator[Process]:
    """``trackline serve`` on a free port, once it is ready.

    Parameters
    ----------
    settings : mapping of str to str
        Environment variables beside those that are set.
    options : sequence of str
        Of the command.
    """
    command = [sys.executable, "-m", "service.cli", "serve", "--port", "0", *options]
    with TemporaryDirectory() as folder:
        # Jobs of one's own are nothing to a benchmark, and only one server at a time may have them.
        environment = {"TRACKLINE_JOBS_DIR": folder} | dict(settings or {})
        with running(command, environment, "/v2/health/ready") as process:
            yield process


@contextmanager
def running(
    command: Sequence[str], settings: Mapping[str, str], path: str, port: int | None = None
) -> Iterator[Process]:
    """A server once ``path`` answers 200; it is stopped at the end.

    Parameters
    ----------
    command : sequence of str
        Starts it. Where ``port`` is None, it says on stderr where it listens.
    settings : mapping of str to str
        Environment variables beside those that are set.
    path : str
        Asked for until it answers.
    port : int or None
        Where it will listen.
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | dict(settings)
    with TemporaryFile("w+") as log:
        child = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=log, cwd=ROOT
        )
        try:
            yield Process(child.pid, _ready_port(child, log.fileno(), path, port))
        finally:
            _stop(child)


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Stop a server, and whatever it leaves behind."""
    if child.poll() is not None:
        return
    started = [psutil.Process(child.pid), *psutil.Process(child.pid).children(recursive=True)]
    child.terminate()
    with suppress(subprocess.TimeoutExpired):
        child.wait(STOP_SECONDS)
    for process in started:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    child.wait()


def _ready_port(child: subprocess.Popen[bytes], log: int, path: str, port: int | None) -> int:
    """Where the server listens, once it is ready."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        said = os.pread(log, 1 << 16, 0).decode(errors="replace")
        found = _ADDRESS.search(said) if port is None else None
        listening = int(found[1]) if found else port
        if listening is not None and _answers(f"http://127.0.0.1:{listening}{path}"):
            return listening
        time.sleep(0.1)
    said = os.pread(log, 1 << 20, 0).decode(errors="replace")
    raise Failed(f"the server did not start:\n{said[-2000:]}")


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
