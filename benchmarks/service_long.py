"""A very long video: memory must not grow with it. And a server that nobody asks anything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from typing import Any

import av
import cv2
from av.packet import Packet
from av.video.frame import VideoFrame

from benchmarks.service_client import follow
from benchmarks.service_process import Process
from benchmarks.service_table import Row

WIDTH, HEIGHT = 160, 90
IMGSZ = 160
FPS = 25
LOOP = 240
"""Frames of the clip that are repeated."""
EARLY = 2_000
IDLE_SECONDS = 10.0
SETTLE_SECONDS = 3.0


def looped(video: bytes, frames: int) -> bytes:
    """A Matroska file of small frames: the first ones of a video again and again.

    Small, so that 100,000 of them are followed in minutes; what is kept for a video does not
    depend on the size of its frames.
    """
    target = BytesIO()
    with av.open(target, "w", format="matroska") as container:
        stream = container.add_stream("mpeg4", rate=FPS, bit_rate=400_000)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        packets = [bytes(packet) for packet in _encoded(video, stream)]
        for number in range(frames):
            packet: Packet[Any] = Packet(packets[number % len(packets)])
            packet.stream = stream
            packet.pts = packet.dts = number
            packet.time_base = Fraction(1, FPS)
            packet.is_keyframe = number % len(packets) == 0
            container.mux(packet)
    return target.getvalue()


def _encoded(video: bytes, stream: Any) -> Iterator[Packet[Any]]:
    with av.open(BytesIO(video), "r") as container:
        for number, frame in zip(range(LOOP), container.decode(video=0), strict=False):
            near = frame.to_ndarray(format="bgr24")[frame.height // 2 :, : frame.width // 2]
            pixels = cv2.resize(near, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
            small = VideoFrame.from_ndarray(pixels, "bgr24").reformat(format="yuv420p")
            small.pts, small.pict_type = number, 0
            small.time_base = Fraction(1, FPS)
            yield from stream.encode(small)
    yield from stream.encode(None)


def memory(server: Process, video: bytes, frames: int) -> tuple[Row, list[dict[str, float]]]:
    """Follow a long video; its row, and memory and CPU time every tenth of the way."""
    file = looped(video, frames)
    query: dict[str, str | int] = {"imgsz": IMGSZ, "embedder": "colour"}
    tenths = range(frames // 10, frames + 1, frames // 10)
    marks = [EARLY, *(frame for frame in tenths if frame > EARLY)]
    seen: list[dict[str, float]] = []

    def look(frame: int) -> None:
        if len(seen) < len(marks) and frame >= marks[len(seen)]:
            used = server.cpu_seconds()
            seen.append({"frames": frame, "mib": server.memory() / 2**20, "cpu_s": used})

    answer = asyncio.run(follow(server.port, file, query, look))
    if answer.frames != frames:
        raise SystemExit(f"{frames} frames were sent, {answer.frames} came back")
    early, late = seen[0]["mib"], seen[-1]["mib"]
    what = f"memory, video of {frames:,} frames"
    against = f"after {EARLY:,} frames"
    row = Row(what, against, late, early, "MiB", late / early, 1.03, at_most=True)
    return row, seen


def idle(server: Process) -> Row:
    """The share of a core that a server takes which has nothing to do."""
    time.sleep(SETTLE_SECONDS)
    used, began = server.cpu_seconds(), time.monotonic()
    time.sleep(IDLE_SECONDS)
    share = 100 * (server.cpu_seconds() - used) / (time.monotonic() - began)
    return Row("idle server", "a core", share, None, "%", share, 1.0, at_most=True)
