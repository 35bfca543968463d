"""Programs that the tests of this folder start, and free ports for them."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.service.gate import WAIT
from tests.service.wire import wait_until

DEPLOY = ROOT / "deploy"


def needed(name: str, package: str) -> str:
    """Where a program is; the test is skipped where it is missing."""
    found = shutil.which(name, path=f"{Path('/usr/sbin')}:{Path('/usr/bin')}") or shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} here: apt-get install {package}")
    return found


def answers(port: int) -> bool:
    """Whether somebody listens at a port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running(command: Sequence[str | Path], port: int, **variables: str) -> Iterator[None]:
    """A program that listens at ``port``, stopped by its id."""
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=variables or None, text=True
    ) as process:
        assert process.stderr is not None
        said: list[str] = []
        reading = threading.Thread(target=lambda: said.extend(process.stderr or ()))
        reading.start()
        try:
            wait_until(lambda: answers(port) or process.poll() is not None)
            assert process.poll() is None, "".join(said)
            yield
        finally:
            process.terminate()
            process.wait(WAIT)
            reading.join(WAIT)
