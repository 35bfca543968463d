"""What the networks of a server cost in its own process, and in replicas of Ray Serve.

CPU time is that of the server and all its processes; what they use when idle is taken off the time
of pictures and frames. Start and latency are by the clock, and mean little on a busy machine. Run
it where Ray may open ports: ``unshare -rn`` and ``ip link set lo up``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from statistics import median

import cv2
import httpx
import numpy as np

from benchmarks.service_process import Process, trackline
from models import catalog

ENGINES = ("local", "ray")
IDLE_SECONDS = 20.0
FIRST, SETTLE_SECONDS = 40, 10.0
"""Pictures, and a pause after them, in which the network is compiled for their shape."""
PICTURES = 40
FRAMES = 150
LONG = 300.0
WIDTH, HEIGHT = 1920, 1080
SETTINGS = {"TRACKLINE_THREADS": "1", "TRACKLINE_SEGMENTERS": "", "OMP_NUM_THREADS": "1"}


def measure(process: Process) -> dict[str, float]:
    """Megabytes, milliseconds of CPU time, and the median latency of a picture, of one server."""
    spots = np.random.default_rng(0).integers(0, 255, (9, 16, 3), np.uint8)
    encoded = cv2.imencode(".jpg", cv2.resize(spots, (WIDTH, HEIGHT)))[1]
    photo, video = bytes(encoded), catalog.fetch("sample-car-video").read_bytes()
    found = {"ready": process.cpu_seconds() * 1000}
    with httpx.Client(base_url=process.address, timeout=LONG) as http:
        waits = []

        def detect(pictures: int = PICTURES) -> None:
            for _ in range(pictures):
                began = time.monotonic()
                http.post("/v1/detect", content=photo).raise_for_status()
                waits.append(time.monotonic() - began)

        def track() -> None:
            answer = http.post("/v1/track", params={"end": FRAMES}, content=video)
            assert json.loads(answer.text.splitlines()[-1])["type"] == "end"

        detect(FIRST)
        time.sleep(SETTLE_SECONDS)
        waits.clear()
        spans = {
            "picture": _span(process, detect, PICTURES),
            "frame": _span(process, track, FRAMES),
        }
        # What was begun at the start has settled by now.
        idle, second = _span(process, lambda: time.sleep(IDLE_SECONDS), IDLE_SECONDS)
    found["idle"] = idle / second
    found |= {name: cpu - found["idle"] * clock for name, (cpu, clock) in spans.items()}
    return found | {"latency": median(waits) * 1000, "memory": process.memory() / 1e6}


def _span(process: Process, work: Callable[[], object], parts: float) -> tuple[float, float]:
    """Milliseconds of CPU time of a part of some work, and seconds on the clock."""
    began, used = time.monotonic(), process.cpu_seconds()
    work()
    return (process.cpu_seconds() - used) * 1000 / parts, (time.monotonic() - began) / parts


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", choices=ENGINES, help="both, one after the other, without it")
    given = parser.parse_args()
    columns = ("start", "latency", "memory", "ready", "idle", "picture", "frame")
    print("engine", *columns, sep="\t")
    for engine in [given.only] if given.only else ENGINES:
        began = time.monotonic()
        with trackline(SETTINGS, ["--engine", engine]) as process:
            start = (time.monotonic() - began) * 1000
            found = measure(process) | {"start": start}
        print(engine, *(f"{found[name]:.1f}" for name in columns), sep="\t", flush=True)


if __name__ == "__main__":
    main()
