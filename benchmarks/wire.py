"""HTTP/1.1 on plain sockets, no more of it than clients need that leave the cores to the server."""

from __future__ import annotations

import asyncio

HOST = "127.0.0.1"
PIECE = 1 << 16
"""Bytes of a body that are written at a time."""


def request(method: str, path: str, kind: str, length: int) -> bytes:
    """The head of a request with a body of ``length`` bytes."""
    return (
        f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()


async def send(writer: asyncio.StreamWriter, head: bytes, body: bytes) -> None:
    """Write a request as fast as it is taken."""
    writer.write(head)
    for start in range(0, len(body), PIECE):
        writer.write(body[start : start + PIECE])
        await writer.drain()


async def read_head(reader: asyncio.StreamReader, silence: float) -> tuple[int, dict[bytes, bytes]]:
    """Status and fields of an answer, their names in small letters; ``silence`` seconds at most."""
    async with asyncio.timeout(silence):
        first, *fields = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
    return int(first.split()[1]), dict(field.split(b": ", 1) for field in fields if field)


async def read_chunk(reader: asyncio.StreamReader, silence: float) -> bytes:
    """The next piece of a chunked body, within ``silence`` seconds; empty at its end."""
    async with asyncio.timeout(silence):
        size = int(await reader.readline(), 16)
        return (await reader.readexactly(size + 2))[:-2]
