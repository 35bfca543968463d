"""How well each embedder tells people apart, and what a crop costs.

Rank-1: boxes of the ground truth, at most 900 of each sequence, spread evenly over it. Each is a
query once; its gallery is every other of these boxes that is at least ``--gap`` seconds away, and
it is right if the nearest one in the gallery, by cosine, is of the same identity. Queries whose
identity is not in their gallery do not count.

Speed: batches of 16 crops, the embedders taking turns; medians of wall and CPU time for each crop.

Run it with ``python -m benchmarks.embedders MOT_DIR``; the folder has one folder a sequence with
``gt.txt``, ``seqinfo.ini`` and a video.
"""

from __future__ import annotations

import argparse
import configparser
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from models import load_embedder
from models.embedder import Embedder
from models.errors import WeightsUnavailable
from models.types import Image
from tracker.mot import BOX, FRAME, ID, SCORE, read_mot

SEQUENCES = ("PETS09-S2L1", "TUD-Stadtmitte", "TUD-Campus", "KITTI-17")
BOXES = 900
BATCH = 16
ROUNDS = 30

CANDIDATES = (
    ("osnet-x0.25", "openvino", "bf16"),
    ("osnet-x0.25", "openvino", "f32"),
    ("osnet-x0.25", "onnx", "f32"),
    ("mobilenet", "openvino", "bf16"),
    ("mobilenet", "openvino", "f32"),
    ("colour", "auto", "auto"),
)


@dataclass(frozen=True, slots=True)
class Truth:
    """Boxes of one sequence: frames from 0, identities, and corners [N, 4] in pixels."""

    name: str
    fps: float
    video: Path
    frames: NDArray[np.int64]
    ids: NDArray[np.int64]
    boxes: NDArray[np.float64]


def read_truth(folder: Path) -> Truth:
    """The boxes of a sequence that count, thinned evenly to at most `BOXES`."""
    rows = read_mot(folder / "gt.txt")
    rows = rows[rows[:, SCORE] == 1]
    rows = rows[np.argsort(rows[:, FRAME], kind="stable")]
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, BOXES).round().astype(np.int64))]
    info = configparser.ConfigParser()
    info.read(folder / "seqinfo.ini")
    left_top = rows[:, BOX][:, :2] - 1
    boxes = np.concatenate([left_top, left_top + rows[:, BOX][:, 2:]], axis=1)
    frames, ids = (rows[:, column].astype(np.int64) for column in (FRAME, ID))
    rate = info.getfloat("Sequence", "frameRate")
    return Truth(folder.name, rate, folder / f"{folder.name}.mp4", frames - 1, ids, boxes)


def embed(truth: Truth, embedders: Sequence[Embedder]) -> list[NDArray[np.float32]]:
    """The rows of every box, by each embedder; one pass over the video."""
    answers = [np.zeros((len(truth.ids), embedder.dim), np.float32) for embedder in embedders]
    video = cv2.VideoCapture(str(truth.video))
    last = int(truth.frames.max())
    for number in track(range(last + 1), truth.name, console=Console(stderr=True), transient=True):
        found, frame = video.read()
        if not found:
            raise SystemExit(f"{truth.video}: {last + 1} frames expected, it ends at {number}")
        here = np.flatnonzero(truth.frames == number)
        for embedder, answer in zip(embedders, answers, strict=True):
            if len(here):
                answer[here] = embedder(frame, truth.boxes[here])
    video.release()
    return answers


def rank1(rows: NDArray[np.float32], truth: Truth, gap: float) -> tuple[float, int]:
    """Share of queries whose nearest gallery box is the same person, and how many there are."""
    far = np.abs(truth.frames[:, None] - truth.frames) >= gap * truth.fps
    same = truth.ids[:, None] == truth.ids
    queries = (far & same).any(axis=1)
    nearest = np.where(far, rows @ rows.T, -np.inf).argmax(axis=1)
    right = truth.ids[nearest] == truth.ids
    return (float(right[queries].mean()) if queries.any() else float("nan")), int(queries.sum())


def speed(embedders: Sequence[Embedder], frame: Image) -> list[tuple[float, float]]:
    """Median wall and CPU milliseconds a crop, for each embedder."""
    corners = np.random.default_rng(0).uniform(0, 200, (BATCH, 2))
    boxes = np.concatenate([corners, corners + np.array([60, 160])], axis=1)
    times: list[list[tuple[float, float]]] = [[] for _ in embedders]
    for _ in range(ROUNDS):
        for embedder, taken in zip(embedders, times, strict=True):
            wall, cpu = time.perf_counter(), time.process_time()
            embedder(frame, boxes)
            taken.append((time.perf_counter() - wall, time.process_time() - cpu))
    return [
        (
            statistics.median(wall for wall, _ in taken) / BATCH * 1e3,
            statistics.median(cpu for _, cpu in taken) / BATCH * 1e3,
        )
        for taken in times
    ]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("mot_dir", type=Path)
    parser.add_argument("--gap", type=float, default=2.0, help="seconds from query to gallery")
    parser.add_argument("--threads", type=int, default=None)
    arguments = parser.parse_args()
    console = Console(width=120)
    embedders, titles = [], []
    for name, runtime, precision in CANDIDATES:
        try:
            embedders.append(load_embedder(name, runtime, arguments.threads, precision))
        except WeightsUnavailable as error:
            console.print(f"left out: {error}")
        else:
            titles.append(name if name == "colour" else f"{name} {runtime} {precision}")
    table = Table("sequence", "queries", *titles, title=f"rank-1, gap {arguments.gap} s")
    for sequence in SEQUENCES:
        truth = read_truth(arguments.mot_dir / sequence)
        scores = [rank1(rows, truth, arguments.gap) for rows in embed(truth, embedders)]
        table.add_row(
            sequence,
            str(scores[0][1]),
            *(f"{score:.3f}" if count else "-" for score, count in scores),
        )
    console.print(table)
    frame = np.random.default_rng(1).integers(0, 256, (480, 640, 3), np.uint8)
    costs = Table("embedder", "dim", "wall ms/crop", "CPU ms/crop", title=f"batches of {BATCH}")
    for title, embedder, (wall, cpu) in zip(
        titles, embedders, speed(embedders, frame), strict=True
    ):
        costs.add_row(title, str(embedder.dim), f"{wall:.2f}", f"{cpu:.2f}")
    console.print(costs)


if __name__ == "__main__":
    main()
