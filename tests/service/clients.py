"""Both clients behind the methods of the one that waits, so that a test holds for both."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

from anyio.from_thread import BlockingPortal, start_blocking_portal

from service.client import AsyncClient, Client
from tests.service.gate import WAIT

KINDS = (Client, AsyncClient)
NOW = {"retries": 0, "resumes": 0}
"""Options of a client that tries nothing twice."""


@contextmanager
def calling(kind: type[Client | AsyncClient], address: str, **options: Any) -> Iterator[Client]:
    """A client of a kind for as long as the block runs."""
    chosen = {"timeout": WAIT} | options
    if kind is Client:
        with Client(address, **chosen) as client:
            yield client
        return
    with start_blocking_portal() as portal:
        blocking = Blocking(portal, AsyncClient(address, **chosen))
        try:
            yield cast(Client, blocking)
        finally:
            blocking.aclose()


class Blocking:
    """An object whose methods are awaited, in an event loop of another thread."""

    def __init__(self, portal: BlockingPortal, made: Any) -> None:
        self._portal = portal
        self._made = made

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._made, name)
        if not inspect.ismethod(found):
            return found
        return partial(self._call, found)

    def __enter__(self) -> Blocking:
        return self

    def __exit__(self, *error: object) -> None:
        self._portal.call(self._made.__aexit__, *error)

    def __iter__(self) -> Iterator[Any]:
        return self._iterate(aiter(self._made))

    def close(self) -> None:
        """Leave."""
        self._portal.call(self._made.aclose)

    def _call(self, method: Any, *arguments: Any, **named: Any) -> Any:
        made = self._portal.call(partial(method, *arguments, **named))
        if hasattr(made, "__aenter__"):  # a stream: the other client has it open at once
            self._portal.call(made.__aenter__)
            return Blocking(self._portal, made)
        return self._iterate(made) if hasattr(made, "__anext__") else made

    def _iterate(self, items: Any) -> Iterator[Any]:
        nothing = object()
        try:
            while (item := self._portal.call(anext, items, nothing)) is not nothing:
                yield item
        finally:
            self._portal.call(items.aclose)
