"""What the networks of a server cost in its own process, and in replicas of Ray Serve.

CPU time is that of the server and all its processes; what they use when idle is taken off the time
of pictures and frames. Start and latency are by the clock, and mean little on a busy machine. Run
it where Ray may open ports: ``unshare -rn`` and ``ip link set lo up``.
"""

from __future__ import annotations

import json
import sys
import time
from statistics import median

import cv2
import httpx
import numpy as np

from benchmarks.service_process import Process, trackline
from models import catalog

IDLE_SECONDS = 20.0
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
    with httpx.Client(base_url=f"http://127.0.0.1:{process.port}", timeout=LONG) as http:
        waits = []

        def detect() -> None:
            began = time.monotonic()
            http.post("/v1/detect", content=photo).raise_for_status()
            waits.append(time.monotonic() - began)

        def track() -> None:
            answer = http.post("/v1/track", params={"end": FRAMES}, content=video)
            assert json.loads(answer.text.splitlines()[-1])["type"] == "end"

        for _ in range(3):
            detect()
        began, used = time.monotonic(), process.cpu_seconds()
        time.sleep(IDLE_SECONDS)
        idle = (process.cpu_seconds() - used) / (time.monotonic() - began)
        found |= {"idle": idle * 1000}
        for name, count, work in (("picture", PICTURES, detect), ("frame", FRAMES, track)):
            began, used = time.monotonic(), process.cpu_seconds()
            for _ in range(count if work is detect else 1):
                work()
            own = process.cpu_seconds() - used - idle * (time.monotonic() - began)
            found[name] = own * 1000 / count
    return found | {"latency": median(waits) * 1000, "memory": process.memory() / 1e6}


def main() -> None:
    """Print a table."""
    columns = ("start", "latency", "memory", "ready", "idle", "picture", "frame")
    print("engine", *columns, sep="\t")
    for engine in sys.argv[1:] or ("local", "ray"):
        began = time.monotonic()
        with trackline(SETTINGS, ["--engine", engine]) as process:
            start = (time.monotonic() - began) * 1000
            found = measure(process) | {"start": start}
        print(engine, *(f"{found[name]:.1f}" for name in columns), sep="\t", flush=True)


if __name__ == "__main__":
    main()
