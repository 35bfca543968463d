"""What the tests of training share."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Take back the handler that torch installs, for good, with its first worker process.

    It would answer the end of each child of later tests: on the stack for signals that pytest's
    fault handler sets up, which is too small for it once bfloat16 has filled the processor's tiles.
    """
    before = signal.getsignal(signal.SIGCHLD)
    yield
    signal.signal(signal.SIGCHLD, before)
