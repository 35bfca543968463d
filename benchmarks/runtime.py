"""Speed and accuracy of a YOLO network in each runtime.

    python -m benchmarks.runtime                     milliseconds an image, interleaved
    python -m benchmarks.runtime --accuracy DIR      average precision for persons as well

DIR holds sequences of the MOTChallenge form, each a folder NAME with NAME.mp4 and gt.txt.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.average_precision import Truth, average_precision
from models.types import Detections, Image
from models.yolo import YoloDetector, load_yolo

CONFIGURATIONS = {
    "torch f32 channels-last": ("torch", "f32"),
    "torch bf16 channels-last": ("torch", "bf16"),
    "ONNX Runtime f32": ("onnx", "f32"),
    "OpenVINO f32": ("openvino", "f32"),
    "OpenVINO bf16": ("openvino", "bf16"),
    "OpenVINO int8": ("openvino", "int8"),
}
BASELINE = "torch f32 eager"
PERSON = 0


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the command line asks for and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", default="yolo26n")
    parser.add_argument("--imgsz", type=int, default=640)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--accuracy", type=Path, metavar="DIR")
    parser.add_argument("--every", type=int, default=1, help="frames: every Nth alone")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    tables = {"speed": speed(given.model, given.imgsz, given.threads, given.rounds)}
    if given.accuracy:
        tables["accuracy"] = accuracy(
            given.model, given.imgsz, given.threads, given.accuracy, given.every
        )
    if given.json:
        print(json.dumps(tables, indent=2))
    else:
        for rows in tables.values():
            _print_table(rows)


def speed(model: str, imgsz: int, threads: int, rounds: int) -> list[dict[str, Any]]:
    """Milliseconds a forward of every configuration, on one square input.

    ``alone`` is one image at a time; ``full`` as many in flight as the runtime has slots; ``CPU``
    the time of all cores that one takes then. A ratio is that of the baseline to it. The
    configurations take turns, so that a change of the machine's load meets all of them alike.
    """
    pixels = np.random.default_rng(0).integers(0, 256, (1, imgsz, imgsz, 3), dtype=np.uint8)
    detectors = {
        label: load_yolo(model, runtime=runtime, precision=precision, threads=threads)
        for label, (runtime, precision) in CONFIGURATIONS.items()
    }
    forwards = {label: _forwards(detector, pixels) for label, detector in detectors.items()}
    forwards[BASELINE] = _eager(model, pixels)
    rows: dict[str, list[list[float]]] = {label: [] for label in forwards}
    for _ in range(rounds + 1):
        for label, forward in forwards.items():
            alone, _ = _timed(forward, 1)
            full, cpu = _timed(forward, 4)
            rows[label].append([alone, full, cpu])
    # The first round warms everything up.
    times = {label: np.array(values[1:]) for label, values in rows.items()}
    return [_summary(label, times[label], times[BASELINE]) for label in [BASELINE, *CONFIGURATIONS]]


def _summary(label: str, times: NDArray[Any], baseline: NDArray[Any]) -> dict[str, Any]:
    """Medians over the rounds [R, 3] of a configuration, and of its ratios to the baseline."""
    row: dict[str, Any] = {"runtime": label}
    for column, name in enumerate(("alone", "full", "CPU")):
        row[f"{name} ms"] = round(float(np.median(times[:, column])), 2)
        row[f"{name} ratio"] = round(float(np.median(baseline[:, column] / times[:, column])), 2)
    return row


def accuracy(
    model: str, imgsz: int, threads: int, folder: Path, every: int
) -> list[dict[str, Any]]:
    """Average precision for persons of every configuration on the frames of the sequences."""
    sequences = sorted(path.parent for path in folder.glob("*/*.mp4"))
    if not sequences:
        raise SystemExit(f"{folder}: no folder in it holds a video")
    rows: list[dict[str, Any]] = []
    for label, (runtime, precision) in CONFIGURATIONS.items():
        detector = load_yolo(model, runtime=runtime, precision=precision, threads=threads)
        frames = [frame for path in sequences for frame in _detected(detector, path, imgsz, every)]
        detector.close()
        truth, found = zip(*frames, strict=True)
        scores = average_precision(truth, found, {PERSON: "person"})
        row = {"runtime": label, "frames": len(frames)}
        row |= {"AP50": round(100 * scores.map50, 2), "AP75": round(100 * scores.map75, 2)}
        rows.append(row | {"AP50:95": round(100 * scores.map50_95, 2)})
    for row in rows:
        row["AP50 difference"] = round(row["AP50"] - rows[0]["AP50"], 2)
    return rows


def _forwards(detector: YoloDetector, pixels: Image) -> Callable[[int], None]:
    """Runs that many forwards, as many at once as there are slots."""
    prepared = detector.preprocess(pixels[0], pixels.shape[1])

    def run(count: int) -> None:
        for answer in [detector.start([prepared]) for _ in range(count)]:
            answer.result()

    return run


def _eager(model: str, pixels: Image) -> Callable[[int], None]:
    """The checkpoint as Ultralytics runs it: fused, float input, decoded by its own head."""
    import torch
    from ultralytics.nn.tasks import load_checkpoint

    from models import catalog

    network: Any = load_checkpoint(str(catalog.fetch(model)))[0]
    if network.end2end:
        network.end2end = catalog.entry(model).end_to_end
    network = network.fuse(verbose=False).eval()
    batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).flip(1).contiguous().float() / 255

    def run(count: int) -> None:
        with torch.inference_mode():
            for _ in range(count):
                network(batch)

    return run


def _timed(forward: Callable[[int], None], count: int) -> tuple[float, float]:
    """Milliseconds a forward, and milliseconds of all cores together."""
    start, used = time.perf_counter(), time.process_time()
    forward(count)
    spent = np.array([time.perf_counter() - start, time.process_time() - used]) / count * 1e3
    return float(spent[0]), float(spent[1])


def _detected(
    detector: YoloDetector, sequence: Path, imgsz: int, every: int
) -> Iterator[tuple[Truth, Detections]]:
    """What is there in the frames of a sequence, and what is found."""
    truth = np.loadtxt(sequence / "gt.txt", delimiter=",", usecols=range(7), ndmin=2)
    boxes = np.concatenate([truth[:, 2:4], truth[:, 2:4] + truth[:, 4:6]], axis=1)
    for number, image in enumerate(_images(sequence / f"{sequence.name}.mp4"), 1):
        if (number - 1) % every:
            continue
        found = detector.predict([image], conf=0.001, classes=[PERSON], imgsz=imgsz)[0]
        here = truth[:, 0] == number
        persons = np.full(int(here.sum()), PERSON)
        yield Truth(boxes[here], persons, truth[here, 6] == 0), found


def _images(video: Path) -> Iterator[Image]:
    """The frames of a video, BGR."""
    capture = cv2.VideoCapture(os.fspath(video))
    while True:
        there, image = capture.read()
        if not there:
            return
        yield image


def _print_table(rows: list[dict[str, Any]]) -> None:
    widths = [max(len(key), *(len(str(row[key])) for row in rows)) for key in rows[0]]
    for cells in [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]:
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)))


if __name__ == "__main__":
    main(sys.argv[1:])
