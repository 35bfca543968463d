"""Fixtures of the service's tests."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.service.gate import WAIT
from tests.service.serving import serving


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """A client of a server with the fake detector and the default settings."""
    with serving() as (address, _), httpx.Client(base_url=address, timeout=WAIT) as http:
        yield http
