"""The backlog gives back every byte in order, from memory and from disk."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.decoding.errors import StorageFailed
from service.tracks import backlog as module
from service.tracks.backlog import Backlog, write_all


async def _passed_through(chunks: list[bytes], first: int) -> bytes:
    """What a reader gets that starts after ``first`` chunks are there."""
    backlog = Backlog(None)
    taken = bytearray()
    try:
        for chunk in chunks[:first]:
            await backlog.put(chunk)

        async def write() -> None:
            for chunk in chunks[first:]:
                await backlog.put(chunk)
            backlog.finish()

        writing = asyncio.create_task(write())
        while data := await backlog.get():
            taken += data
        await writing
    finally:
        backlog.close()
    return bytes(taken)


@given(
    st.lists(st.binary(min_size=1, max_size=40), max_size=20),
    st.integers(0, 20),
    st.integers(1, 64),
)
@settings(deadline=None)
def test_every_byte_comes_out_in_order(chunks: list[bytes], first: int, memory: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MEMORY", memory)
        patch.setattr(module, "PIECE", 7)
        assert asyncio.run(_passed_through(chunks, first)) == b"".join(chunks)


def test_memory_stays_bounded_and_the_rest_is_on_disk(tmp_path: Path) -> None:
    async def fill() -> None:
        backlog = Backlog(tmp_path)
        for _ in range(40):
            await backlog.put(bytes(100_000))
        assert backlog.full
        assert backlog._in_memory < module.MEMORY + 100_000
        backlog.close()

    asyncio.run(fill())
    assert list(tmp_path.iterdir()) == []  # the file has no name


def test_a_discarded_backlog_takes_everything_and_keeps_nothing() -> None:
    async def fill() -> bytes:
        backlog = Backlog(None)
        for _ in range(30):
            await backlog.put(bytes(100_000))
        backlog.discard()
        await backlog.put(b"more")
        assert not backlog.full
        backlog.finish()
        left = await backlog.get()
        backlog.close()
        return left

    assert asyncio.run(fill()) == b""


def test_a_full_disk_is_said_so() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(StorageFailed, match="no room"):
            write_all(full, b"bytes", 0)
    finally:
        os.close(full)
