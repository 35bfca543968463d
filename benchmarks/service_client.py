"""Clients of plain sockets and little else, so that they leave the cores to the server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

import orjson

from benchmarks.wire import HOST, read_chunk, read_head, request, send

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
    path = f"/v1/track?{urlencode(query)}"
    head = request("POST", path, "application/octet-stream", len(video))
    sending = asyncio.create_task(send(writer, head, video))
    try:
        await _accepted(reader)
        frames, first, last = 0, 0.0, b""
        while piece := await read_chunk(reader, SILENCE_SECONDS):
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


async def _accepted(reader: asyncio.StreamReader) -> dict[bytes, bytes]:
    """The fields of an answer's head, which has to be a 200."""
    status, fields = await read_head(reader, SILENCE_SECONDS)
    if status != 200:
        body = await reader.read(2000)
        raise Failed(f"a benchmark's request was refused: {status}\n{body.decode()}")
    return fields


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
                writer.write(request("POST", path, kind, len(body)))
                writer.write(body)
                await writer.drain()
                fields = await _accepted(reader)
                await reader.readexactly(int(fields[b"content-length"]))
                latencies.append(time.perf_counter() - began)
        finally:
            writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(clients)))
    return Load(len(latencies) / (time.perf_counter() - began), latencies)
