"""Clients of plain sockets and little else, so that they leave the cores to the server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

import orjson

HOST = "127.0.0.1"
SILENCE_SECONDS = 120.0
_BUFFER = 1 << 22


class Failed(Exception):
    """A server did not do what it was asked for: there is nothing to measure."""


@dataclass(frozen=True, slots=True)
class Followed:
    """One answer of ``POST /v1/track``; seconds count from the first byte sent.

    Attributes
    ----------
    frames : int
        Lines of frames.
    first : float
        When the first frame's line was there.
    seconds : float
        When the last line was there.
    """

    frames: int
    first: float
    seconds: float


async def follow(
    port: int, video: bytes, query: dict[str, str | int], at_frame: Callable[[int], object] = id
) -> Followed:
    """Send a video, read its track stream while it goes out, and check that it came to its end.

    Parameters
    ----------
    port : int
        Of the server.
    video : bytes
        The file.
    query : dict
        Parameters of the request.
    at_frame : callable
        Told the number of lines of frames, whenever there are more.
    """
    reader, writer = await asyncio.open_connection(HOST, port, limit=_BUFFER)
    began = time.perf_counter()
    head = _head(f"/v1/track?{urlencode(query)}", "application/octet-stream", len(video))
    sending = asyncio.create_task(_send(writer, head, video))
    try:
        await _status(reader)
        frames, first, last = 0, 0.0, b""
        while piece := await _chunk(reader):
            lines = piece.splitlines()
            count = sum(line.startswith(b'{"type":"frame"') for line in lines)
            if count and not frames:
                first = time.perf_counter() - began
            frames += count
            last = lines[-1]
            if count:
                at_frame(frames)
        seconds = time.perf_counter() - began
        if orjson.loads(last)["type"] != "end":
            raise Failed(f"a video was not followed to its end: {last.decode()}")
        return Followed(frames, first, seconds)
    finally:
        sending.cancel()
        writer.close()


async def _send(writer: asyncio.StreamWriter, head: bytes, body: bytes) -> None:
    writer.write(head)
    for start in range(0, len(body), 1 << 16):
        writer.write(body[start : start + (1 << 16)])
        await writer.drain()


async def _chunk(reader: asyncio.StreamReader) -> bytes:
    """The next piece of a chunked body; none at its end."""
    async with asyncio.timeout(SILENCE_SECONDS):
        size = int(await reader.readline(), 16)
        data = await reader.readexactly(size + 2)
        return data[:-2]


async def _status(reader: asyncio.StreamReader) -> dict[bytes, bytes]:
    """The fields of an answer's head, which has to be a 200."""
    async with asyncio.timeout(SILENCE_SECONDS):
        head = await reader.readuntil(b"\r\n\r\n")
    status, *fields = head.lower().split(b"\r\n")
    if b" 200 " not in status + b" ":
        body = await reader.read(2000)
        raise Failed(f"a benchmark's request was refused: {status.decode()}\n{body.decode()}")
    return dict(field.split(b": ", 1) for field in fields if field)


@dataclass(frozen=True, slots=True)
class Load:
    """What clients that each wait for their answer before they ask again have seen.

    Attributes
    ----------
    rate : float
        Answers a second.
    latencies : list of float
        Seconds from the first byte sent to the last one read, of every request.
    """

    rate: float
    latencies: list[float]


async def load(
    port: int,
    path: str,
    bodies: Sequence[tuple[str, bytes]],
    clients: int,
    seconds: float,
) -> Load:
    """Ask for ``path`` from so many clients for so long, each with the bodies in turn.

    Parameters
    ----------
    bodies : sequence of (str, bytes)
        Content type and body of each request.
    """
    latencies: list[float] = []
    until = time.perf_counter() + seconds

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection(HOST, port, limit=_BUFFER)
        try:
            while (began := time.perf_counter()) < until:
                kind, body = bodies[number % len(bodies)]
                number += 1
                writer.write(_head(path, kind, len(body)))
                writer.write(body)
                await writer.drain()
                fields = await _status(reader)
                await reader.readexactly(int(fields[b"content-length"]))
                latencies.append(time.perf_counter() - began)
        finally:
            writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(clients)))
    return Load(len(latencies) / (time.perf_counter() - began), latencies)


def _head(path: str, kind: str, length: int) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()
