"""What a decoder process may use: memory, processor time, descriptors. Enforced by the kernel."""

from __future__ import annotations

import ctypes
import math
import resource
import signal
import sys

from service.decoding.syscalls import forbid

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38


def confine(descriptors: int, memory: int) -> None:
    """Keep this process to ``memory`` bytes and to descriptors below the number ``descriptors``.

    Where all of those are in use, none can be had afterwards: no file, no socket, no pipe; and
    what would open one, or reach another process, is forbidden altogether. The process dies with
    the one that forked it.
    """
    for kind, limit in (
        (resource.RLIMIT_NOFILE, descriptors),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        forbid()


def allow_cpu(seconds: float) -> None:
    """From now on this process may use that much processor time, in steps of whole seconds.

    The kernel kills it with SIGXCPU when it has used it up. Waiting costs nothing, so a slow
    upload or a slow reader is never taken for a decoder that loops.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime + seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))
