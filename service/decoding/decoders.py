"""Where decoder processes come from: one fork server, started early and again if it dies."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from models.errors import TracklineError
from service.decoding.task import Job

_SERVER = "service.decoding.forkserver"
START_TIMEOUT_S = 30.0
LONGEST_ANSWER = 4096
_INHERITED = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONHOME")
"""All of the environment that decoders see: no key or setting of the server is among it."""
_OWN = {
    # Threads would not survive a fork.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    # Each arena reserves 64 MiB of the address space that a decoder is kept to.
    "MALLOC_ARENA_MAX": "1",
}


class DecodersUnavailable(TracklineError):
    """No decoder process can be started on this machine."""


class Decoders:
    """The fork server's other end; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None
        self._children: set[int] = set()  # of the fork server that runs now

    def start(self) -> None:
        """Start the fork server, where it does not run yet."""
        with self._lock:
            self._running()

    def fork(self, job: Job, descriptors: Sequence[int]) -> int:
        """Start a decoder with these descriptors (control, input, ring); answers its pid.

        Raises
        ------
        DecodersUnavailable
            It cannot be started.
        """
        with self._lock:
            try:
                return self._fork(job, descriptors)
            except OSError:
                # The fork server died since it was last asked; a new one does as well.
                self._stop()
            try:
                return self._fork(job, descriptors)
            except OSError as error:
                self._stop()
                raise DecodersUnavailable("the process that forks decoders dies") from error

    def release(self, pid: int) -> int:
        """Kill a decoder if it still runs; answers its exit status, negative for a signal."""
        with self._lock:
            if pid not in self._children:
                # It died with the fork server that it came from; another one does not know it.
                return -signal.SIGKILL
            self._children.remove(pid)
            try:
                return int(self._ask({"release": pid}, ())["status"])
            except OSError:
                # What it may still answer would be taken for the answer to the next request.
                self._stop()
                return -signal.SIGKILL

    def close(self) -> None:
        """Stop the fork server and with it every decoder."""
        with self._lock:
            self._stop()

    def _fork(self, job: Job, descriptors: Sequence[int]) -> int:
        pid = int(self._ask(asdict(job), descriptors)["pid"])
        self._children.add(pid)
        return pid

    def _ask(self, request: dict[str, Any], descriptors: Sequence[int]) -> dict[str, Any]:
        requests = self._running()
        socket.send_fds(requests, [json.dumps(request).encode()], list(descriptors))
        answer = requests.recv(LONGEST_ANSWER)
        if not answer:
            raise BrokenPipeError("the fork server closed its connection")
        fields: dict[str, Any] = json.loads(answer)
        return fields

    def _running(self) -> socket.socket:
        if self._requests is None:
            ours, theirs = socket.socketpair()
            ours.settimeout(START_TIMEOUT_S)
            environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
            environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
            with theirs:
                self._process = subprocess.Popen(
                    [
                        sys.executable,
                        "-P",
                        "-m",
                        _SERVER,
                        str(theirs.fileno()),
                    ],
                    env=environment | _OWN,
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    # A session of its own: Ctrl-C at the terminal is the server's to handle.
                    start_new_session=True,
                )
            self._requests = ours
        return self._requests

    def _stop(self) -> None:
        self._children.clear()
        if self._requests is not None:
            self._requests.close()
            self._requests = None
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(START_TIMEOUT_S)
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
