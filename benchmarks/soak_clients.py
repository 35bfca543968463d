"""Clients of the soak: they come when they like, whatever the server does, and some vanish."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson

from benchmarks.wire import HOST, read_chunk, read_head, request, send

SILENCE = 600.0
"""Seconds without a byte after which an answer counts as never coming; jobs wait for others."""
BUFFER = 1 << 20
VANISHING = 0.1
"""Share of the clients that leave in the middle."""


class Kind(StrEnum):
    """What a client asks for."""

    IMAGE = "image"
    STREAM = "stream"
    JOB = "job"


ROUTES: Mapping[Kind, str] = {
    Kind.IMAGE: "/v1/detect",
    Kind.STREAM: "/v1/track",
    Kind.JOB: "/v1/videos",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request.

    Attributes
    ----------
    kind : Kind
        What was asked for.
    status : int
        Of the answer; 0 where there was none.
    head, whole : float
        Seconds until its head and all of it were there; of a job until all of its tracks were.
    ended : bool
        Whether accepted work came to its end.
    vanished : bool
        The client left in the middle: nothing is expected.
    """

    kind: Kind
    status: int
    head: float
    whole: float
    ended: bool = True
    vanished: bool = False


@dataclass(slots=True)
class Traffic:
    """Requests to one server.

    Attributes
    ----------
    port : int
        Of the server on the loopback.
    bodies : mapping of Kind to bytes
        What is sent.
    seed : int
        Of the moments at which clients come and leave.
    answers : list of Answer
        What came back so far.
    """

    port: int
    bodies: Mapping[Kind, bytes]
    seed: int = 0
    answers: list[Answer] = field(default_factory=list)

    async def closed(self, clients: Mapping[Kind, int], seconds: float) -> None:
        """So many clients of each kind, each of which waits for its answer before it asks again."""
        until = time.monotonic() + seconds

        async def client(kind: Kind) -> None:
            while time.monotonic() < until:
                self.answers.append(await self._ask(kind, vanish=False))

        await asyncio.gather(*(client(kind) for kind, n in clients.items() for _ in range(n)))

    async def open(self, rates: Mapping[Kind, float], seconds: float) -> None:
        """So many new clients of each kind a second, at random moments; waits for the last one."""
        until = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            for number, (kind, rate) in enumerate(rates.items()):
                rng = random.Random(f"{self.seed}-{number}")  # noqa: S311
                group.create_task(self._arrivals(group, kind, rate, until, rng))

    async def _arrivals(
        self, group: asyncio.TaskGroup, kind: Kind, rate: float, until: float, rng: random.Random
    ) -> None:
        due = time.monotonic()
        while (due := due + rng.expovariate(rate)) < until:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            vanish = rng.random() < VANISHING
            group.create_task(self._note(self._ask(kind, vanish)))

    async def _note(self, asking: Coroutine[Any, Any, Answer]) -> None:
        self.answers.append(await asking)

    async def _ask(self, kind: Kind, vanish: bool) -> Answer:
        began = time.perf_counter()
        try:
            status, head, last = await self._exchange(kind, vanish)
            if kind is Kind.JOB and status == 202:
                last = await self._followed(orjson.loads(last)["id"])
        except (OSError, EOFError, TimeoutError):
            return Answer(kind, 0, 0.0, time.perf_counter() - began, False, vanish)
        whole = time.perf_counter() - began
        ended = kind is Kind.IMAGE or b'"type":"end"' in last
        return Answer(kind, status, head, whole, status not in (200, 202) or ended, vanish)

    async def _exchange(self, kind: Kind, vanish: bool) -> tuple[int, float, bytes]:
        """Status, seconds until it was there, and the last bytes of the answer."""
        reader, writer = await asyncio.open_connection(HOST, self.port, limit=BUFFER)
        began = time.perf_counter()
        body = self.bodies[kind]
        # Who sends a job and leaves does so before it is accepted: it would be kept for days.
        sent = body[: len(body) // 2] if vanish and kind is Kind.JOB else body
        head = request("POST", ROUTES[kind], "application/octet-stream", len(body))
        sending = asyncio.create_task(send(writer, head, sent))
        try:
            if vanish and kind is not Kind.STREAM:
                await sending
                writer.transport.abort()
                return 0, 0.0, b""
            status, fields = await read_head(reader, SILENCE)
            seconds = time.perf_counter() - began
            if vanish:
                writer.transport.abort()
                return status, seconds, b""
            return status, seconds, await _last(reader, fields)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            writer.close()

    async def _followed(self, job: str) -> bytes:
        """The last line of a job, which is removed then."""
        last = await self._get("GET", f"/v1/videos/{job}/tracks")
        await self._get("DELETE", f"/v1/videos/{job}")
        return last

    async def _get(self, method: str, path: str) -> bytes:
        reader, writer = await asyncio.open_connection(HOST, self.port, limit=BUFFER)
        try:
            writer.write(f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            _, fields = await read_head(reader, SILENCE)
            return await _last(reader, fields)
        finally:
            writer.close()


async def _last(reader: asyncio.StreamReader, fields: Mapping[bytes, bytes]) -> bytes:
    """Read an answer's body to its end; answers the last piece of it."""
    if b"transfer-encoding" not in fields:
        return await reader.readexactly(int(fields.get(b"content-length", b"0")))
    last = b""
    while piece := await read_chunk(reader, SILENCE):
        last = piece
    return last
