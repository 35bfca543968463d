"""The rows of videos: one against the peers and the limit, several at once, the first frame."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.service_client import Followed, follow
from benchmarks.service_peers import Peers
from benchmarks.service_process import Process
from benchmarks.service_stages import Meter, Stages
from benchmarks.service_table import Row, ratio_row
from models import catalog

OSNET = "osnet-x0.25"
NO_LOOKS = "none"
STAGE_FRAMES = 120
WARM_FRAMES = 120
MOTION_FRAMES = 400
AT_ONCE = (1, 4, 16)
FIRST_FRAME_MS = 150.0


@dataclass(frozen=True, slots=True)
class Clip:
    """A video that is followed, and what is wanted of it.

    Attributes
    ----------
    name : str
        As the table has it.
    path : Path
        The file.
    classes : str or None
        Ids of the classes that are followed, comma-separated.
    embedder : str or None
        Tells objects apart; None is the server's default, motion alone where no people are.
    times_torch, times_openvino : float
        How many times as fast as Ultralytics it is to be.
    """

    name: str
    path: Path
    classes: str | None
    embedder: str | None
    times_torch: float
    times_openvino: float

    @property
    def query(self) -> dict[str, str | int]:
        """The parameters of a request."""
        given = {"classes": self.classes, "embedder": self.embedder}
        return {name: value for name, value in given.items() if value is not None}

    @property
    def title(self) -> str:
        """The clip, and how its objects are told apart."""
        return f"{self.name}, with OSNet" if self.embedder == OSNET else f"{self.name}, default"


def clips(mot_dir: Path | None) -> list[Clip]:
    """The videos that are there; PETS09-S2L1 only with the folder of the sequences."""
    motorway = catalog.fetch("sample-car-video")
    found = [Clip("motorway, vehicles", motorway, "2,3,5,7", None, 4.0, 1.6)]
    if mot_dir is not None:
        path = mot_dir / "PETS09-S2L1" / "PETS09-S2L1.mp4"
        if not path.is_file():
            raise SystemExit(f"{path}: a video expected; --mot-dir names the folder of sequences")
        found.insert(0, Clip("PETS09-S2L1", path, None, OSNET, 4.5, 1.8))
    return found


@dataclass(slots=True)
class Rates:
    """Frames a second of one clip, one entry a round, and CPU seconds a frame of the server."""

    whole: list[float] = field(default_factory=list)
    motion: list[float] = field(default_factory=list)
    whole_cpu: list[float] = field(default_factory=list)
    motion_cpu: list[float] = field(default_factory=list)
    torch: list[float] = field(default_factory=list)
    openvino: list[float] = field(default_factory=list)
    stages: list[Stages] = field(default_factory=list)


def measure(
    server: Process, meter: Meter, peers: Peers, clip: Clip, frames: int, rounds: int
) -> Rates:
    """Follow the first frames of a clip with ours and with the peers, in turns."""
    video, rates = clip.path.read_bytes(), Rates()
    with ExitStack() as stack:
        torch = stack.enter_context(peers.follower(peers.checkpoint))
        openvino = stack.enter_context(peers.follower(peers.openvino))
        for embedder in (clip.query, {"embedder": NO_LOOKS}):
            _follow(server, video, clip.query | embedder | {"end": WARM_FRAMES})
        meter.video(video, STAGE_FRAMES)
        for peer in (torch, openvino):
            peer.rate(clip.path, WARM_FRAMES // 10, clip.classes)
        for _ in range(rounds):
            query = clip.query | {"end": frames}
            rates.torch.append(torch.rate(clip.path, frames, clip.classes))
            rate, cpu = _follow(server, video, query)
            rates.whole.append(rate)
            rates.whole_cpu.append(cpu)
            rates.openvino.append(openvino.rate(clip.path, frames, clip.classes))
            rates.stages.append(meter.video(video, STAGE_FRAMES))
            # More of it: the decoder's start, in which a core waits, is no part of the limit.
            query |= {"embedder": NO_LOOKS, "end": MOTION_FRAMES}
            rate, cpu = _follow(server, video, query)
            rates.motion.append(rate)
            rates.motion_cpu.append(cpu)
    return rates


def rows_of(clip: Clip, rates: Rates) -> list[Row]:
    """The rows of one clip."""
    limit = [stages.limit for stages in rates.stages]
    torch, openvino = "Ultralytics, torch", "Ultralytics, OpenVINO"
    what, motion = clip.title, f"{clip.name}, motion alone"
    return [
        ratio_row(what, torch, rates.whole, rates.torch, unit="fps", wanted=clip.times_torch),
        ratio_row(
            what, openvino, rates.whole, rates.openvino, unit="fps", wanted=clip.times_openvino
        ),
        ratio_row(motion, "limit of CPU time", rates.motion, limit, unit="fps", wanted=0.9),
    ]


def several(
    server: Process, clip: Clip, frames: int, rounds: int
) -> tuple[list[Row], list[dict[str, float]]]:
    """1, 4 and 16 videos at once; the figures of each number besides the rows.

    Parameters
    ----------
    frames : int
        Of all videos together; the more videos, the fewer of each.
    """
    video = clip.path.read_bytes()
    sums: dict[int, list[float]] = {count: [] for count in AT_ONCE}
    slowest: dict[int, list[float]] = {count: [] for count in AT_ONCE}
    for _ in range(rounds):
        for count in AT_ONCE:
            each = max(frames // count, 40)
            query = clip.query | {"end": each}
            answers = asyncio.run(_together(server.port, video, query, count))
            rates = [answer.frames / answer.seconds for answer in answers]
            followed = sum(answer.frames for answer in answers)
            sums[count].append(followed / max(answer.seconds for answer in answers))
            slowest[count].append(min(rates) / statistics.mean(rates))
    rows = []
    for count in AT_ONCE[1:]:
        what = f"{count} videos at once, {clip.title}"
        rows.append(ratio_row(what, "one video", sums[count], sums[1], unit="fps", wanted=0.95))
        share = statistics.median(slowest[count])
        rows.append(Row(what, "slowest ÷ mean", None, None, "", share, 0.8, rounds=rounds))
    figures = [{"videos": count, "fps": statistics.median(sums[count])} for count in AT_ONCE]
    return rows, figures


def first_frames(server: Process, clip: Clip, rounds: int) -> Row:
    """Milliseconds from the first byte sent to the first frame's line."""
    video, query = clip.path.read_bytes(), clip.query | {"end": 1}
    firsts = [
        1000 * asyncio.run(follow(server.port, video, query)).first for _ in range(rounds + 1)
    ]
    middle = statistics.median(firsts[1:])
    what = f"first frame's IDs, {clip.title}"
    return Row(what, "", middle, None, "ms", middle, FIRST_FRAME_MS, at_most=True, rounds=rounds)


def _follow(server: Process, video: bytes, query: dict[str, str | int]) -> tuple[float, float]:
    """Frames a second, and the server's CPU seconds a frame."""
    used = server.cpu_seconds()
    answer = asyncio.run(follow(server.port, video, query))
    return answer.frames / answer.seconds, (server.cpu_seconds() - used) / answer.frames


async def _together(
    port: int, video: bytes, query: dict[str, str | int], count: int
) -> Sequence[Followed]:
    return await asyncio.gather(*(follow(port, video, query) for _ in range(count)))
