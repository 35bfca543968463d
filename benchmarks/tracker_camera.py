"""What taking the motion of the camera out is worth: on a moving window, and where none moves.

    python -m benchmarks.tracker_camera --mot-dir DIR [--frames N]

Every sequence is tracked as it is, and through a window of four fifths of its picture that pans,
tilts and zooms. Frames are read from ``SEQUENCE/SEQUENCE.mp4``, detections and truth are moved as
the window moves. Each is tracked without frames and with them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.tracker_accuracy import table
from benchmarks.tracker_input import SEQUENCES, Sequence, load
from models.types import Image
from tracker import DeepSort
from tracker.evaluate import COMBINED, Scores, evaluate
from tracker.mot import BOX, FRAME, Rows, to_rows

VIEW = 0.8
"""Share of the width and height that the window shows at its smallest zoom."""
ZOOM = 0.15
"""By how much the window zooms in and out."""
SWING = 60
"""Frames in which the window comes back to where it was, about."""


def windows(sequence: Sequence) -> NDArray[np.float64]:
    """Left, top and zoom of the window in each frame, [T, 3]."""
    width, height = sequence.size
    t = 2 * np.pi * np.arange(len(sequence)) / SWING
    zoom = 1.0 + ZOOM * (0.5 + 0.5 * np.sin(0.7 * t))
    left = width * (1.0 - VIEW / zoom) * (0.5 + 0.5 * np.sin(t))
    top = height * (1.0 - VIEW / zoom) * (0.5 + 0.5 * np.sin(1.3 * t))
    return np.column_stack((left, top, zoom))


def through(sequence: Sequence, window: NDArray[np.float64]) -> Sequence:
    """Detections and truth as the window shows them; what has its centre outside is gone."""
    size = (round(VIEW * sequence.size[0]), round(VIEW * sequence.size[1]))
    limit = np.array([*size, *size])
    detections, embeddings = [], []
    for (left, top, zoom), found, looks in zip(
        window, sequence.detections, sequence.embeddings, strict=True
    ):
        boxes = (found[:, :4] - [left, top, left, top]) * zoom
        kept = _inside(boxes, size)
        clipped = np.clip(boxes, 0.0, limit)
        detections.append(np.column_stack((clipped, found[:, 4]))[kept].astype(np.float32))
        embeddings.append(looks[kept])
    truth = sequence.truth[sequence.truth[:, FRAME] <= len(sequence)].copy()
    left, top, zoom = window[truth[:, FRAME].astype(int) - 1].T
    boxes = np.column_stack((truth[:, 2:4], truth[:, 2:4] + truth[:, 4:6]))
    boxes = (boxes - np.column_stack((left, top, left, top))) * zoom[:, None]
    kept = _inside(boxes, size)
    boxes = np.clip(boxes, 0.0, limit)
    truth[:, BOX] = np.column_stack((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]))
    return replace(
        sequence,
        detections=tuple(detections),
        embeddings=tuple(embeddings),
        size=size,
        truth=truth[kept],
    )


def _inside(boxes: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.bool_]:
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    return np.asarray(((centre > 0) & (centre < size)).all(axis=1))


def pictures(path: Path) -> Iterator[Image]:
    """The frames of a video."""
    video = cv2.VideoCapture(str(path))
    while True:
        read, frame = video.read()
        if not read:
            break
        yield frame
    video.release()


def seen(frame: Image, window: NDArray[np.float64], size: tuple[int, int]) -> Image:
    """A frame as the window shows it."""
    left, top, zoom = window.tolist()
    affine = np.array([[zoom, 0.0, -zoom * left], [0.0, zoom, -zoom * top]])
    return np.asarray(cv2.warpAffine(frame, affine, size))


def track(
    sequence: Sequence, frames: Iterator[Image] | None, show: Callable[[int, Image], Image]
) -> Rows:
    """MOT rows of the default tracker, with frames where they are given."""
    tracker, answers = DeepSort(), []
    for number, (found, looks) in enumerate(
        zip(sequence.detections, sequence.embeddings, strict=True)
    ):
        frame = None if frames is None else show(number, next(frames))
        answers.append(tracker.update(found[:, :4], found[:, 4], embeddings=looks, frame=frame))
    return to_rows((n, answer) for n, answer in enumerate(answers, 1) if answer is not None)


def main() -> None:
    """Track all four ways and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--mot-dir", type=Path, required=True)
    parser.add_argument("--frames", type=int, help="only so many of each sequence")
    arguments = parser.parse_args()
    results: dict[str, dict[str, Rows]] = {}
    truth: dict[str, dict[str, Rows]] = {}
    for name in SEQUENCES:
        whole = load(arguments.mot_dir, name)
        if arguments.frames:
            whole = replace(
                whole,
                detections=whole.detections[: arguments.frames],
                embeddings=whole.embeddings[: arguments.frames],
                truth=whole.truth[whole.truth[:, FRAME] <= arguments.frames],
            )
        window = windows(whole)
        moving = through(whole, window)
        video = arguments.mot_dir / name / f"{name}.mp4"

        def view(
            number: int,
            frame: Image,
            window: NDArray[np.float64] = window,
            size: tuple[int, int] = moving.size,
        ) -> Image:
            return seen(frame, window[number], size)

        def still(_number: int, frame: Image) -> Image:
            return frame

        for title, sequence, frames, show in (
            ("standing, without frames", whole, None, still),
            ("standing, with frames", whole, pictures(video), still),
            ("moving, without frames", moving, None, view),
            ("moving, with frames", moving, pictures(video), view),
        ):
            results.setdefault(title, {})[name] = track(sequence, frames, show)
            truth.setdefault(title, {})[name] = sequence.truth
    scores: dict[str, Scores] = {
        title: evaluate(truth[title], rows)[COMBINED] for title, rows in results.items()
    }
    print(table(scores, "camera"))


if __name__ == "__main__":
    main()
