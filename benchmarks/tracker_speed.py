"""What an update costs: median milliseconds by number of objects, one thread.

    python -m benchmarks.tracker_speed [--tracker NAME] [--objects 20,50,100,200,1000] [--json]

The last line says how the cost grows: the slope of its logarithm over that of the number of
objects, from 50 on. 1 is linear, 2 quadratic.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from benchmarks import one_thread
from benchmarks.tracker_stream import stream
from tracker.presets import PRESETS, make_tracker
from tracker.types import Tracker

SIZES = (20, 50, 100, 200, 1000)
WARM_UP = 40
"""Frames until galleries and lost tracks are there; they are not counted."""
MEASURED = 160
GROWS_FROM = 50
"""Objects from which the growth is taken; below it an update costs what its calls cost."""


def measure(tracker: Tracker, objects: int) -> dict[str, float]:
    """Cost of an update of a tracker that has seen nothing yet."""
    cpu, wall = [], []
    for frame in list(islice(stream(objects), WARM_UP + MEASURED)):
        wall_start, cpu_start = time.perf_counter(), time.process_time()
        tracker.update(frame.boxes, frame.scores, embeddings=frame.embeddings)
        cpu.append(time.process_time() - cpu_start)
        wall.append(time.perf_counter() - wall_start)
    return summary(1000 * np.array(cpu), 1000 * np.array(wall))


def summary(cpu: NDArray[np.float64], wall: NDArray[np.float64]) -> dict[str, float]:
    """Median and 95th percentile of one run, from the milliseconds of every update."""
    cpu, wall = cpu[WARM_UP:], wall[WARM_UP:]
    return {
        "cpu_ms": float(np.median(cpu)),
        "wall_ms": float(np.median(wall)),
        "cpu_p95_ms": float(np.percentile(cpu, 95)),
    }


def growth(figures: dict[int, dict[str, float]]) -> float | None:
    """Exponent of the cost over the number of objects; None below two sizes to tell it from."""
    sizes = [size for size in figures if size >= GROWS_FROM]
    if len(sizes) < 2:
        return None
    cost = [figures[size]["cpu_ms"] for size in sizes]
    return float(np.polyfit(np.log(sizes), np.log(cost), 1)[0])


def main() -> None:
    """Measure and print."""
    one_thread.restart("benchmarks.tracker_speed")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tracker", default="deepsort", choices=PRESETS)
    parser.add_argument("--objects", default=",".join(map(str, SIZES)))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    sizes = [int(size) for size in arguments.objects.split(",")]
    figures = {size: measure(make_tracker(arguments.tracker), size) for size in sizes}
    if arguments.json:
        print(json.dumps(figures, indent=2))
        return
    print(f"{arguments.tracker}: ms an update, median of {MEASURED}, one thread")
    print("objects     cpu    wall  cpu 95 %")
    for size, row in figures.items():
        print(f"{size:7d} {row['cpu_ms']:7.3f} {row['wall_ms']:7.3f} {row['cpu_p95_ms']:9.3f}")
    exponent = growth(figures)
    if exponent is not None:
        print(f"from {GROWS_FROM} objects on it grows with their number to the {exponent:.2f}")


if __name__ == "__main__":
    main()
