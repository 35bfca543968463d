"""The rows of pictures: clients of ``POST /v1/detect`` against the limit and against the peers."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from io import BytesIO

import av
import cv2
import numpy as np

from benchmarks.service_client import Load, load
from benchmarks.service_peers import Peers
from benchmarks.service_process import Process
from benchmarks.service_stages import Meter, Stages
from benchmarks.service_table import Row, ratio_row
from service.pictures.images import encode_jpeg

CLIENTS = (1, 8, 32)
SECONDS = 3.0
WARM_SECONDS = 1.0
PICTURES = 16
WIDTH, HEIGHT = 1920, 1080
GRAIN = 3.0
"""Standard deviation of a sensor's noise, in grey levels; enlarged frames have lost theirs."""
BOUNDARY = "trackline-benchmark"

Body = tuple[str, bytes]


def pictures(video: bytes, width: int = WIDTH, height: int = HEIGHT) -> list[bytes]:
    """JPEGs of a size, made of frames of a video that are spread evenly over it."""
    rng = np.random.default_rng(0)
    files = []
    with av.open(BytesIO(video), "r") as container:
        total = container.streams.video[0].frames
        wanted = set(np.linspace(0, total - 1, PICTURES).astype(int).tolist())
        for number, frame in enumerate(container.decode(video=0)):
            if number in wanted:
                image = frame.reformat(format="bgr24").to_ndarray()
                image = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)
                grainy = image + rng.normal(0, GRAIN, image.shape)
                files.append(encode_jpeg(np.clip(grainy, 0, 255).astype(np.uint8)))
    return files


def raw(file: bytes) -> Body:
    """A JPEG as the body of a request."""
    return "image/jpeg", file


def form(name: str, file: bytes) -> Body:
    """A JPEG as the one part of a form."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="a.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    tail = f"\r\n--{BOUNDARY}--\r\n"
    return f"multipart/form-data; boundary={BOUNDARY}", head.encode() + file + tail.encode()


@dataclass(slots=True)
class Rounds:
    """What clients saw, one entry a round."""

    ours: dict[int, list[Load]] = field(default_factory=lambda: {n: [] for n in CLIENTS})
    fastapi: list[Load] = field(default_factory=list)
    litserve: list[Load] = field(default_factory=list)
    stages: list[Stages] = field(default_factory=list)


def measure(
    server: Process, meter: Meter, peers: Peers, files: Sequence[bytes], rounds: int
) -> Rounds:
    """Ask ours and the peers in turns."""
    seen = Rounds()
    ours = ("/v1/detect", [raw(file) for file in files])
    theirs = [form("image", file) for file in files]
    with ExitStack() as stack:
        fastapi = stack.enter_context(peers.fastapi())
        litserve = stack.enter_context(peers.litserve())
        meter.pictures(files)
        for process, path, bodies in (
            (server, *ours),
            (fastapi, "/detect", theirs),
            (litserve, "/predict", theirs),
        ):
            asyncio.run(load(process.port, path, bodies, 8, WARM_SECONDS))
        for _ in range(rounds):
            seen.fastapi.append(asyncio.run(load(fastapi.port, "/detect", theirs, 8, SECONDS)))
            for clients in CLIENTS:
                answered = asyncio.run(load(server.port, *ours, clients, SECONDS))
                seen.ours[clients].append(answered)
            seen.litserve.append(asyncio.run(load(litserve.port, "/predict", theirs, 8, SECONDS)))
            seen.stages.append(meter.pictures(files))
    return seen


def rows_of(seen: Rounds) -> list[Row]:
    """The rows of pictures."""
    limit = [stages.limit for stages in seen.stages]
    rows = []
    for clients in CLIENTS[1:]:
        rates = [one.rate for one in seen.ours[clients]]
        what = f"detect, 1080p JPEG, {clients} clients"
        rows.append(ratio_row(what, "limit of CPU time", rates, limit, unit="images/s", wanted=0.9))
    alone = [1000 * stages.alone for stages in seen.stages]
    latency = [1000 * statistics.median(one.latencies) for one in seen.ours[1]]
    over = statistics.median(a - b for a, b in zip(latency, alone, strict=True))
    rows.append(
        Row(
            "detect, 1080p JPEG, 1 client",
            "decoding + inference",
            statistics.median(latency),
            statistics.median(alone),
            "ms",
            over,
            3.0,
            at_most=True,
            rounds=len(alone),
        )
    )
    for name, theirs in (("FastAPI", seen.fastapi), ("LitServe", seen.litserve)):
        rows += _peer_rows(f"{name} + Ultralytics", seen.ours[8], theirs)
    return rows


def _peer_rows(name: str, ours: Sequence[Load], theirs: Sequence[Load]) -> list[Row]:
    """How many answers a second, and how long the slowest of 100 take, beside a peer."""
    what = "detect, 1080p JPEG, 8 clients"
    return [
        ratio_row(
            what,
            name,
            [one.rate for one in ours],
            [one.rate for one in theirs],
            unit="images/s",
            wanted=3.0,
        ),
        ratio_row(
            f"{what}, p99",
            name,
            list(map(_p99, ours)),
            list(map(_p99, theirs)),
            unit="ms",
            wanted=1 / 3,
            at_most=True,
        ),
    ]


def _p99(seen: Load) -> float:
    """Milliseconds within which 99 of 100 answers came."""
    return 1000 * float(np.percentile(seen.latencies, 99))
