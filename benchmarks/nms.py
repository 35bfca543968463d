"""Non-maximum suppression against OpenCV's and Ultralytics', in one run.

Everyone gets the same float32 NumPy arrays, x1, y1, x2, y2, as a detector hands them on; the time
includes what a library needs to take them: OpenCV wants x, y, width and height, and is fastest
with lists. ``crowded`` has about 25 boxes around each object, as the head of a YOLO gives them;
``scattered`` has every box for itself. CPU time of a call; medians of turns, which the contenders
take one after the other, each turn as many calls as fit into some milliseconds. ``cold`` are calls
one by one, with the processor's caches written over before each.

Run it with ``python -m benchmarks.nms``.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any, TypeAlias

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from ultralytics.utils.nms import TorchNMS

from models.nms import nms

Floats: TypeAlias = NDArray[np.float32]
Suppress: TypeAlias = Callable[[Floats, Floats, float], Any]
Clock: TypeAlias = Callable[[Suppress, Floats, Floats, float], float]

SIZES = (300, 1_000, 8_400, 30_000)
THRESHOLDS = (0.45, 0.7)
SIDE = 640
"""Pixels of the square image."""
TURN = 0.005
"""Seconds that a turn lasts at least."""
TURNS = 41
COLD_SIZES = (300, 1_000)
"""With more boxes the arithmetic outweighs what has to come from memory first."""
CACHES = 64 * 2**20
"""Bytes that are written before a cold call: more than the caches of a core hold."""
BUDGET = 1.0
"""Seconds after which a contender gets no further turn in a row of the table."""


def crowded(count: int, rng: np.random.Generator) -> Floats:
    """About 25 boxes around each object, off by an eighth of its size."""
    objects = max(1, count // 25)
    which = rng.integers(0, objects, count)
    size = np.exp(rng.normal(3.5, 0.7, (objects, 2)))[which]
    centre = rng.uniform(0, SIDE, (objects, 2))[which] + rng.normal(0, 0.125, (count, 2)) * size
    return _around(centre, size * np.exp(rng.normal(0, 0.125, (count, 2))))


def scattered(count: int, rng: np.random.Generator) -> Floats:
    """Small boxes anywhere."""
    return _around(rng.uniform(0, SIDE, (count, 2)), np.exp(rng.normal(3, 0.7, (count, 2))))


def _around(centre: NDArray[np.float64], size: NDArray[np.float64]) -> Floats:
    boxes = np.concatenate([centre - size / 2, centre + size / 2], axis=1)
    return boxes.astype(np.float32)


def by_opencv(boxes: Floats, scores: Floats, threshold: float) -> Any:
    """OpenCV's suppression, through lists: a third of the time that it needs with arrays."""
    corner_and_size = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    return cv2.dnn.NMSBoxes(corner_and_size.tolist(), scores.tolist(), 0.0, threshold)


def by_ultralytics(boxes: Floats, scores: Floats, threshold: float) -> Any:
    """Ultralytics' suppression on tensors, which share the arrays' memory."""
    return TorchNMS.nms(torch.from_numpy(boxes), torch.from_numpy(scores), threshold).numpy()


CONTENDERS: dict[str, Suppress] = {
    "Trackline": nms,
    "OpenCV": by_opencv,
    "Ultralytics": by_ultralytics,
}


def turn(suppress: Suppress, boxes: Floats, scores: Floats, threshold: float) -> float:
    """CPU seconds of a call, over as many calls as a turn has."""
    calls = 0
    start = time.process_time()
    while (spent := time.process_time() - start) < TURN:
        suppress(boxes, scores, threshold)
        calls += 1
    return spent / calls


def cold_call(suppress: Suppress, boxes: Floats, scores: Floats, threshold: float) -> float:
    """CPU seconds of a call that finds neither code nor data in the caches."""
    np.ones(CACHES, np.uint8)
    start = time.process_time()
    suppress(boxes, scores, threshold)
    return time.process_time() - start


def measure(
    boxes: Floats, scores: Floats, threshold: float, clock: Clock = turn
) -> dict[str, float]:
    """Median CPU milliseconds of a call of each contender, after a look at what they keep."""
    kept = {
        name: set(np.asarray(c(boxes, scores, threshold)).tolist())
        for name, c in CONTENDERS.items()
    }
    for name, rows in kept.items():
        same = len(rows & kept["Trackline"]) / len(rows | kept["Trackline"])
        assert same > 0.999, f"{name} keeps other boxes: {same:.2%} in common"
    times: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    spent = dict.fromkeys(CONTENDERS, 0.0)
    for _ in range(TURNS):
        for name, suppress in CONTENDERS.items():
            if spent[name] < BUDGET:
                start = time.process_time()
                times[name].append(clock(suppress, boxes, scores, threshold))
                spent[name] += time.process_time() - start
    return {name: 1e3 * statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Print the table; the last column is the faster peer's time over ours."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None).parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    nms(crowded(8, rng), np.ones(8, np.float32), 0.5)
    print(f"{'boxes':>7} {'kind':<10} IoU " + "".join(f"{name:>14}" for name in CONTENDERS))
    for count in SIZES:
        for kind in (crowded, scattered):
            boxes = kind(count, rng)
            scores = rng.uniform(0.05, 1, count).astype(np.float32)
            for threshold in THRESHOLDS:
                times = measure(boxes, scores, threshold)
                print(f"{count:>7} {kind.__name__:<10} {threshold:<4}{columns(times)}")
            if count in COLD_SIZES:
                times = measure(boxes, scores, THRESHOLDS[-1], cold_call)
                print(f"{count:>7} {kind.__name__:<10} cold{columns(times)}")


def columns(times: dict[str, float]) -> str:
    """The milliseconds of the contenders, and the faster peer's over ours."""
    ratio = min(times["OpenCV"], times["Ultralytics"]) / times["Trackline"]
    return "".join(f"{value:>11.3f} ms" for value in times.values()) + f"  x{ratio:.1f}"


if __name__ == "__main__":
    main()
