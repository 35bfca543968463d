"""What a precision of the detector costs the tracks: HOTA on real sequences and disturbed replicas.

    python -m benchmarks.precision --mot-dir DIR [--model NAME] [--precisions bf16 int8 ...]

Each precision sees all frames of the four sequences; people are followed by the default tracker.
One run says little, since a swap moves it by a point; the mean over the replicas says more.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from benchmarks.tracker_accuracy import replicas
from benchmarks.tracker_input import SEQUENCES, Sequence, every_box, load, track
from models import load_detector, load_embedder
from models.detector import Detector
from models.embedder import Embedder
from models.types import Image
from tracker import DeepSort
from tracker.evaluate import COMBINED, evaluate

LEAST_CONFIDENCE = 0.1
OSNET = "osnet-x0.25"
WAYS = {
    "OSNet where asked": lambda rows: rows.__getitem__,
    "OSNet on every box": every_box,
    "motion alone": lambda _: None,
}
"""What the tracker is given of the embeddings of a frame."""


def seen(folder: Path, name: str, detector: Detector, embed: Embedder) -> Sequence:
    """A sequence as a detector sees its video."""
    found, looks = [], []
    for frame in frames(folder / name / f"{name}.mp4"):
        people = detector.predict([frame], conf=LEAST_CONFIDENCE, classes=["person"])[0]
        found.append(np.column_stack([people.boxes, people.scores]))
        looks.append(embed(frame, people.boxes))
    return replace(load(folder, name), detections=tuple(found), embeddings=tuple(looks))


def frames(video: Path) -> Iterator[Image]:
    """The pictures of a video."""
    capture = cv2.VideoCapture(str(video))
    while (read := capture.read())[0]:
        yield np.asarray(read[1], np.uint8)
    capture.release()


def scores(sequences: list[Sequence]) -> Iterator[tuple[str, float, float]]:
    """For each way HOTA in percent, of the sequences and in the mean of their replicas."""
    disturbed = replicas(sequences)
    for way, ask in WAYS.items():
        hota = []
        for several in disturbed.values():
            truth = {one.name: one.truth for one in several}
            rows = {one.name: track(DeepSort(), one, ask) for one in several}
            hota.append(100 * evaluate(truth, rows)[COMBINED].hota)
        yield way, hota[0], statistics.mean(hota)


def main(arguments: list[str]) -> None:
    """Print a line for each precision and way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--mot-dir", type=Path, required=True)
    parser.add_argument("--model", default="yolo26n")
    parser.add_argument("--precisions", nargs="+", default=["bf16", "int8"])
    given = parser.parse_args(arguments)
    embed = load_embedder(OSNET)
    sys.stdout.write(f"{'HOTA':10s} {'appearance':20s} one run  replicas\n")
    for precision in given.precisions:
        with closing(load_detector(given.model, precision=precision)) as detector:
            sequences = [seen(given.mot_dir, name, detector, embed) for name in SEQUENCES]
        for way, once, mean in scores(sequences):
            sys.stdout.write(f"{precision:10s} {way:20s} {once:7.2f}  {mean:8.2f}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
