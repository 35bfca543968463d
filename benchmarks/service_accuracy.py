"""What speed costs in accuracy: tracks through HTTP beside those of a plain loop over the frames.

    python -m benchmarks.service_accuracy --mot-dir DIR [--precision int8] [--json FILE]

The loop calls detector, embedder and tracker one after the other, in the precision that frames
have by default; what that costs is measured by `benchmarks.precision`. Both follow people with
OSNet, and are scored against the ground truth.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from benchmarks.service_process import trackline
from benchmarks.tracker_accuracy import table
from benchmarks.tracker_input import SEQUENCES
from models import load_detector, load_embedder
from models.embedder import Embedder
from models.runtime.cpu import has_vnni
from models.types import Detections, Image
from service.client import Client
from tracker import DeepSort
from tracker.evaluate import COMBINED, evaluate
from tracker.mot import COLUMNS, Rows, read_mot, to_rows
from tracker.types import Tracks

MODEL, OSNET, PERSON = "yolo26n", "osnet-x0.25", "person"
LEAST_CONFIDENCE = 0.1
MOST_LOST = 0.3


def main(arguments: list[str]) -> None:
    """Follow the sequences both ways, print the scores, and fail where too much is lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--mot-dir", type=Path, required=True)
    parser.add_argument("--precision", default="auto", help="of the server")
    parser.add_argument("--json", type=Path, help="where the scores are written")
    given = parser.parse_args(arguments)
    videos = {name: given.mot_dir / name / f"{name}.mp4" for name in SEQUENCES}
    truth = {name: read_mot(given.mot_dir / name / "gt.txt") for name in SEQUENCES}
    looped = evaluate(truth, {name: loop(video) for name, video in videos.items()})
    with trackline({"TRACKLINE_PRECISION": given.precision}) as server:
        served = evaluate(truth, {name: over_http(server.address, v) for name, v in videos.items()})
    ways = {"loop": looped, f"HTTP, {given.precision}": served}
    sys.stdout.write("\n\n".join(table(scores, way) for way, scores in ways.items()) + "\n")
    if given.json is not None:
        scores = {way: {name: asdict(row) for name, row in of.items()} for way, of in ways.items()}
        given.json.write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
    lost = 100 * (looped[COMBINED].hota - served[COMBINED].hota)
    if lost > MOST_LOST:
        raise SystemExit(f"through HTTP {lost:.2f} HOTA are lost; at most {MOST_LOST} expected")


def loop(video: Path) -> Rows:
    """Tracks of a video, frame by frame in one thread."""
    embed, tracker = load_embedder(OSNET), DeepSort()
    answers: list[tuple[int, Tracks]] = []
    precision = "int8" if has_vnni() else "auto"  # as by default for frames
    with (
        closing(load_detector(MODEL, precision=precision)) as detector,
        av.open(str(video), "r") as container,
    ):
        for number, decoded in enumerate(container.decode(video=0), 1):
            frame: Image = np.asarray(decoded.to_ndarray(format="bgr24"), np.uint8)
            found = detector.predict([frame], conf=LEAST_CONFIDENCE, classes=[PERSON])[0]
            looks = partial(_embedded, embed, frame, found)
            seconds = float(decoded.time or 0)
            tracks = tracker.update(found.boxes, found.scores, found.classes, looks, frame, seconds)
            if tracks is not None:
                answers.append((number, tracks))
    return to_rows(answers)


def over_http(address: str, video: Path) -> Rows:
    """Tracks of a video from a server."""
    rows = []
    with Client(address) as client:
        for frame in client.track(video, classes=[PERSON], embedder=OSNET):
            for one in frame.objects:
                box = one.box
                size = box.x2 - box.x1, box.y2 - box.y1
                row = [frame.frame + 1, one.track_id, box.x1, box.y1, *size, one.confidence]
                rows.append(row + [-1.0] * (COLUMNS - len(row)))
    return np.array(rows, np.float64).reshape(-1, COLUMNS)


def _embedded(
    embed: Embedder, frame: Image, found: Detections, rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    return embed(frame, found.boxes[rows])


if __name__ == "__main__":
    main(sys.argv[1:])
