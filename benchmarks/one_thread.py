"""One thread for NumPy and what lies under it, so that CPU time is that of one core."""

from __future__ import annotations

import os
import sys

LIMITS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def restart(module: str) -> None:
    """Start ``python -m module`` again with the limits; they are read when NumPy is imported."""
    if any(os.environ.get(name) != value for name, value in LIMITS.items()):
        command = [sys.executable, "-m", module, *sys.argv[1:]]
        os.execve(sys.executable, command, os.environ | LIMITS)  # noqa: S606
