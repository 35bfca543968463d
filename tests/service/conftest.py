"""Fixtures of the service's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from models.fake import FakeDetector
from service.inference.batching import Batcher
from service.settings import Settings
from tests.service.gate import WAIT, Gate
from tests.service.serving import serving


@pytest.fixture(scope="session", autouse=True)
def jobs_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the jobs of the tests' servers out of the user's folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACKLINE_JOBS_DIR", str(tmp_path_factory.mktemp("jobs")))
        yield


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """A client of a server with the fake detector and the default settings."""
    with serving() as (address, _), httpx.Client(base_url=address, timeout=WAIT) as http:
        yield http


@pytest.fixture
def gate() -> Gate:
    """An open gate."""
    return Gate()


@pytest.fixture
def make(gate: Gate) -> Iterator[Callable[..., Batcher]]:
    """Starts batchers on a fake detector behind the gate, ready to be used."""
    running: list[Batcher] = []

    def start(detector: FakeDetector | None = None, **settings: Any) -> Batcher:
        fake = detector or FakeDetector(gate)
        batcher = Batcher("fake", lambda: fake, Settings(**settings))
        running.append(batcher)
        batcher.loaded.result(WAIT)
        gate.wait_entered()
        return batcher

    yield start
    gate.open()
    for batcher in running:
        batcher.close()
