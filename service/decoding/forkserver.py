"""The process that forks decoders: PyAV is imported once, a decoder is ready in milliseconds.

Run as ``python -m service.decoding.forkserver FD`` by `service.decoding.decoders`. On the socket FD
it takes one request at a time, JSON, and answers each with one JSON object:

- a job (`service.decoding.task.Job`), with three descriptors: control, input, ring -> ``{"pid"}``
- ``{"release": pid}``: kill that child if it still runs, and reap it -> ``{"status"}``, negative
  for the signal that ended it

When the other end closes, all children are killed and the server ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import json
import os
import pkgutil
import resource
import signal
import socket
import stat
import sys
import traceback
from multiprocessing.connection import Connection
from typing import Any, NoReturn

import av
import av.logging

from service.decoding.confine import confine
from service.decoding.decoder import Source, decode
from service.decoding.frames import Ring
from service.decoding.task import Job

LONGEST_REQUEST = 4096
_CONTROL, _INPUT, _RING, _MAPPED = 3, 4, 5, 6
"""The only descriptors of a child beside the standard three; the last one is the mapping's."""


def serve(requests: socket.socket) -> None:
    """Answer requests until the other end closes."""
    children: set[int] = set()
    try:
        while True:
            data, descriptors, _, _ = socket.recv_fds(requests, LONGEST_REQUEST, 3)
            if not data:
                return
            request = json.loads(data)
            if "release" in request:
                answer = {"status": _release(request["release"], children)}
            else:
                answer = {"pid": _fork(request, descriptors, requests)}
                children.add(answer["pid"])
            requests.sendall(json.dumps(answer).encode())
    finally:
        for pid in list(children):
            _release(pid, children)


def _release(pid: int, children: set[int]) -> int:
    """Kill and reap a child. Until it is reaped its number belongs to no other process."""
    children.remove(pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _fork(job: dict[str, Any], descriptors: list[int], requests: socket.socket) -> int:
    pid = os.fork()
    if pid == 0:
        _child(job, descriptors, requests)
    for descriptor in descriptors:
        os.close(descriptor)
    return pid


def _child(job: dict[str, Any], descriptors: list[int], requests: socket.socket) -> NoReturn:
    """Decode in this process and leave it, with status 0 if all that happened was said."""
    status = 1
    try:
        requests.close()
        _keep_only(descriptors)
        task = Job(**job)
        ring = Ring(_RING, task.ring_bytes)
        confine(_MAPPED + 1, task.memory)
        seekable = stat.S_ISREG(os.fstat(_INPUT).st_mode)
        decode(Connection(_CONTROL), Source(_INPUT, seekable), ring, task)
        status = 0
    except (EOFError, ConnectionError):
        pass  # whoever wanted the frames has gone
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _keep_only(descriptors: list[int]) -> None:
    """Move the descriptors to their places and close all others."""
    # First out of the way of the places, so that none overwrites another.
    aside = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 16) for descriptor in descriptors]
    for place, descriptor in zip((_CONTROL, _INPUT, _RING), aside, strict=True):
        os.dup2(descriptor, place)
    os.closerange(_MAPPED, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def main() -> None:
    """Serve on the descriptor named by the first argument."""
    av.logging.set_level(None)
    # PyAV imports some of itself when it is first needed, which a child can no longer do.
    for module in pkgutil.walk_packages(av.__path__, "av."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        serve(requests)


if __name__ == "__main__":
    main()
