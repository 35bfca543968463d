"""The whole way, from the socket to the track ID, beside others: speed, latency, memory.

    benchmarks/install_service_peers.sh
    python -m benchmarks.service [--mot-dir DIR] [--rounds 5] [--frames 240] [--json FILE]

A real ``trackline serve`` on the loopback is asked by a light client, which shares the cores
with it, as another does with the peers. Contenders take turns, and the ratios are taken round by
round.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import service_growth, service_images, service_long, service_videos
from benchmarks.service_client import Failed
from benchmarks.service_peers import peers_of
from benchmarks.service_process import trackline
from benchmarks.service_stages import Meter
from benchmarks.service_table import Row, show
from models import catalog
from models.runtime.cpu import cpu_count

MODEL = "yolo26n"
LIMITS = {"TRACKLINE_LOG_LEVEL": "error"}


def main(arguments: list[str]) -> None:
    """Measure everything, print the table and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--mot-dir", type=Path, help="folder of the sequences, for PETS09-S2L1")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=120, help="of each video, in a round")
    parser.add_argument("--long-frames", type=int, default=100_000)
    parser.add_argument("--precision", default="auto", help="of the server's network, or int8")
    parser.add_argument("--json", type=Path, help="where the figures are written")
    given = parser.parse_args(arguments)
    try:
        figures = measure(
            given.mot_dir, given.rounds, given.frames, given.long_frames, given.precision
        )
    except Failed as failure:
        raise SystemExit(str(failure)) from failure
    if given.json is not None:
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    show(figures["rows"], figures["notes"])


def measure(
    mot_dir: Path | None, rounds: int, frames: int, long_frames: int, precision: str
) -> dict[str, Any]:
    """All rows and figures, as they are written to the file."""
    rows: list[Row] = []
    figures: dict[str, Any] = {"machine": machine(), "rounds": rounds, "videos": {}, "growth": {}}
    figures["machine"]["precision"] = precision
    clips = service_videos.clips(mot_dir)
    video = catalog.fetch("sample-car-video").read_bytes()
    # At once those of a fresh server: what it does in the background at its start is over soon.
    with trackline(LIMITS | {"TRACKLINE_PRECISION": precision}) as server:
        with announced("an idle server"):
            rows.append(service_long.idle(server))
        with peers_of(MODEL) as peers, closing(Meter(MODEL, precision)) as meter:
            figures["machine"]["peers"] = peers.versions
            for clip in clips:
                with announced(clip.name):
                    rates = service_videos.measure(server, meter, peers, clip, frames, rounds)
                    rows += service_videos.rows_of(clip, rates)
                    figures["videos"][clip.name] = asdict(rates)
            with announced("pictures"):
                files = service_images.pictures(video)
                seen = service_images.measure(server, meter, peers, files, rounds)
                rows += service_images.rows_of(seen)
                figures["stages"] = [asdict(stages) for stages in seen.stages]
        with announced("the first frame"):
            rows += [service_videos.first_frames(server, clip, 3 * rounds) for clip in clips]
        with announced("several videos at once"):
            together, figures["growth"]["videos"] = service_videos.several(
                server, clips[0], 3 * frames, rounds
            )
            rows += together
        with announced("pictures of several sizes"):
            figures["growth"]["image size"] = service_growth.image_sizes(server, video)
        with announced("a very long video"):
            row, marks = service_long.memory(server, video, long_frames)
            rows.append(row)
            figures["growth"]["frames"] = service_growth.frames(marks)
    figures["growth"]["objects"] = service_growth.objects()
    figures["rows"] = [row.as_json() for row in rows]
    figures["notes"] = notes(figures["machine"], mot_dir)
    return figures


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    packages = ("trackline", "openvino", "numpy", "ultralytics")
    return {
        "cores": cpu_count(),
        "platform": platform.platform(terse=True),
        "processor": _processor(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
    }


def notes(where: dict[str, Any], mot_dir: Path | None) -> list[str]:
    """What has to be said beside the table."""
    peers = ", ".join(f"{name} {number}" for name, number in where["peers"].items())
    remarks = [
        f"{where['cores']} cores, {where['processor']}; {MODEL} at 640, precision "
        f"{where['precision']}; peers: {peers}",
        "limit of CPU time: cores ÷ (decoding + letterbox + inference), each measured alone",
    ]
    if mot_dir is None:
        remarks.append("PETS09-S2L1 was left out: --mot-dir DIR names the folder it is in")
    return remarks


@contextmanager
def announced(what: str) -> Iterator[None]:
    """Say on stderr what is measured, and then how long it took."""
    began = time.monotonic()
    sys.stderr.write(f"{what} … ")
    sys.stderr.flush()
    yield
    sys.stderr.write(f"{time.monotonic() - began:.0f} s\n")


def _processor() -> str:
    """The processor's name, where the system tells it."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return platform.processor()
    names = (line for line in path.read_text().splitlines() if line.startswith("model name"))
    return next(names, "").partition(":")[2].strip()


if __name__ == "__main__":
    main(sys.argv[1:])
