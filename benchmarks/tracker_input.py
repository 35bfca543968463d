"""Ready inputs: detections and embeddings of real sequences, the truth, and disturbed replicas.

A folder of sequences holds ``SEQUENCE/gt.txt`` and ``SEQUENCE/yolo26n-osnet.npz``: ``det`` float32
[N, 5] (x1, y1, x2, y2, confidence), ``emb`` float16 [N, D], ``off`` int32 [T + 1] (frame t, from
0, owns rows ``off[t]:off[t + 1]``) and ``wh``, the size of the picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.boxes import box_iou
from tracker.mot import BOX, FRAME, ID, SCORE, Rows, read_mot, to_rows
from tracker.refine import refine
from tracker.types import EmbedRows, Tracker, Tracks

Asked = NDArray[np.float32] | EmbedRows | None
"""What a tracker is given of the embeddings of a frame."""

SEQUENCES = ("TUD-Campus", "TUD-Stadtmitte", "KITTI-17", "PETS09-S2L1")
READY = "yolo26n-osnet.npz"
SEED = 20


@dataclass(frozen=True, slots=True)
class Sequence:
    """One video as a tracker sees it, and the truth.

    Attributes
    ----------
    name : str
    detections : tuple of float32 [N, 5], one a frame
        x1, y1, x2, y2, confidence.
    embeddings : tuple of float32 [N, D], one a frame
        Rows of length 1.
    size : tuple of two int
        Width and height of the picture.
    truth : float64 [M, 10]
        MOT rows.
    """

    name: str
    detections: tuple[NDArray[np.float32], ...]
    embeddings: tuple[NDArray[np.float32], ...]
    size: tuple[int, int]
    truth: Rows

    def __len__(self) -> int:
        return len(self.detections)


def load(folder: Path, name: str) -> Sequence:
    """Read one sequence."""
    with np.load(folder / name / READY) as ready:
        detections, embeddings, offsets = ready["det"], ready["emb"], ready["off"]
        width, height = ready["wh"].tolist()
    parts = [slice(start, stop) for start, stop in pairwise(offsets)]
    return Sequence(
        name,
        tuple(detections[part] for part in parts),
        tuple(embeddings[part].astype(np.float32) for part in parts),
        (width, height),
        read_mot(folder / name / "gt.txt"),
    )


def every_box(embeddings: NDArray[np.float32]) -> Asked:
    """All embeddings of a frame, whether they are needed or not."""
    return embeddings


def track(
    tracker: Tracker,
    sequence: Sequence,
    ask: Callable[[NDArray[np.float32]], Asked] = every_box,
) -> Rows:
    """MOT rows of a tracker that has seen nothing yet, what a delay holds back included.

    ``ask`` makes of the embeddings of a frame what the tracker is given of them.
    """
    answers: list[Tracks] = []
    for detections, embeddings in zip(sequence.detections, sequence.embeddings, strict=True):
        answer = tracker.update(detections[:, :4], detections[:, 4], embeddings=ask(embeddings))
        if answer is not None:
            answers.append(answer)
    answers.extend(tracker.flush())
    return to_rows(enumerate(answers, start=1))


def refined(rows: Rows, sequence: Sequence) -> Rows:
    """Rows after offline refinement, which sees all detections and embeddings once more."""
    frames = np.repeat(np.arange(1, len(sequence) + 1), [len(f) for f in sequence.detections])
    found = np.concatenate(sequence.detections).astype(np.float64)
    boxes = np.column_stack([found[:, :2], found[:, 2:4] - found[:, :2]])
    return refine(
        rows,
        detections=np.column_stack([frames, np.full(len(found), -1), boxes, found[:, 4]]),
        detection_embeddings=np.concatenate(sequence.embeddings),
        size=sequence.size,
    )


def backwards(sequence: Sequence) -> Sequence:
    """Last frame first."""
    truth = sequence.truth.copy()
    truth[:, FRAME] = len(sequence) + 1 - truth[:, FRAME]
    return replace(
        sequence,
        detections=sequence.detections[::-1],
        embeddings=sequence.embeddings[::-1],
        truth=truth[truth[:, FRAME] >= 1],
    )


def jittered(sequence: Sequence) -> Sequence:
    """Corners moved by 2 % of the height, and one detection in fifty dropped."""
    rng = np.random.default_rng(SEED)
    kept = [rng.random(len(frame)) >= 0.02 for frame in sequence.detections]
    moved = []
    for frame in sequence.detections:
        height = frame[:, 3:4] - frame[:, 1:2]
        noisy = frame.copy()
        noisy[:, :4] += 0.02 * height * rng.normal(size=(len(frame), 4))
        noisy[:, 2:4] = np.maximum(noisy[:, 2:4], noisy[:, :2] + 1)
        moved.append(noisy)
    return _only(replace(sequence, detections=tuple(moved)), kept)


def doubtful(sequence: Sequence) -> Sequence:
    """Confidences times 0.85."""
    scale = np.array([1, 1, 1, 1, 0.85], np.float32)
    return replace(sequence, detections=tuple(frame * scale for frame in sequence.detections))


def panned(sequence: Sequence) -> Sequence:
    """A view of 84 % of the width that swings to and fro once in 100 frames."""
    width, height = sequence.size
    view = 0.84 * width
    left = (width - view) * (0.5 + 0.5 * np.sin(2 * np.pi * np.arange(len(sequence)) / 100))
    detections, kept = [], []
    for frame, shift in zip(sequence.detections, left, strict=True):
        moved = frame - np.array([shift, 0, shift, 0, 0], np.float32)
        centre = (moved[:, 0] + moved[:, 2]) / 2
        kept.append((centre > 0) & (centre < view))
        moved[:, :4:2] = np.clip(moved[:, :4:2], 0, view)
        detections.append(moved)
    truth = sequence.truth[sequence.truth[:, FRAME] <= len(sequence)].copy()
    truth[:, 2] -= left[truth[:, FRAME].astype(int) - 1]
    right = np.clip(truth[:, 2] + truth[:, 4], 0, view)
    centre = truth[:, 2] + truth[:, 4] / 2
    truth[:, 2] = np.clip(truth[:, 2], 0, view)
    truth[:, 4] = right - truth[:, 2]
    inside = (centre > 0) & (centre < view)
    shifted = replace(
        sequence,
        detections=tuple(detections),
        size=(round(view), height),
        truth=truth[inside],
    )
    return _only(shifted, kept)


def halved(sequence: Sequence) -> Sequence:
    """Every other frame."""
    truth = sequence.truth[sequence.truth[:, FRAME] % 2 == 1].copy()
    truth[:, FRAME] = (truth[:, FRAME] + 1) // 2
    return replace(
        sequence,
        detections=sequence.detections[::2],
        embeddings=sequence.embeddings[::2],
        truth=truth,
    )


def interrupted(sequence: Sequence) -> Sequence:
    """Bursts of misses: each person goes undetected for 5 frames about once in 100."""
    rng = np.random.default_rng(SEED)
    kept = [np.ones(len(frame), np.bool_) for frame in sequence.detections]
    counted = sequence.truth[sequence.truth[:, SCORE] == 1]
    for identity in np.unique(counted[:, ID]):
        rows = counted[counted[:, ID] == identity]
        begins = rows[rng.random(len(rows)) < 0.01, FRAME]
        for row in rows:
            if not ((begins <= row[FRAME]) & (row[FRAME] < begins + 5)).any():
                continue
            frame = int(row[FRAME]) - 1
            if frame < len(sequence):
                box = row[BOX].copy()
                box[2:] += box[:2]
                iou = box_iou(box[None], sequence.detections[frame][:, :4].astype(np.float64))
                kept[frame] &= iou[0] < 0.5
    return _only(sequence, kept)


REPLICAS: dict[str, Callable[[Sequence], Sequence]] = {
    "clean": lambda sequence: sequence,
    "jitter": jittered,
    "confidence": doubtful,
    "pan": panned,
    "half rate": halved,
    "miss bursts": interrupted,
}


def _only(sequence: Sequence, kept: list[NDArray[np.bool_]]) -> Sequence:
    """The detections in ``kept``, frame by frame."""
    return replace(
        sequence,
        detections=tuple(f[k] for f, k in zip(sequence.detections, kept, strict=True)),
        embeddings=tuple(f[k] for f, k in zip(sequence.embeddings, kept, strict=True)),
    )
