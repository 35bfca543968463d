"""A synthetic stream of detections, made by a seeded generator: what the speed is measured on.

Objects of the size of people walk through a 1920x1080 picture and turn at its edges. One in
twenty is missed in each frame, and one box in twenty is false. Embeddings have 128 numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 1920, 1080
MISSED = 0.05
FALSE = 0.05
DIMENSIONS = 128
LOOKS_NOISE = 0.3
"""Length of the noise on an embedding of length 1: two of the same object are 0.08 apart."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The detections of one frame.

    Attributes
    ----------
    boxes : float32 [N, 4]
        x1, y1, x2, y2 in pixels.
    scores : float32 [N]
        Confidence, 0 to 1.
    embeddings : float32 [N, 128]
        Rows of length 1.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    embeddings: NDArray[np.float32]


def stream(objects: int, seed: int = 0, turnover: float = 0.0) -> Iterator[Frame]:
    """Frames without end.

    Parameters
    ----------
    objects : int
        How many there are at any time.
    seed : int
        The same seed gives the same stream.
    turnover : float
        Chance that an object is replaced by another one elsewhere, in each frame.
    """
    rng = np.random.default_rng(seed)
    size = np.zeros((objects, 2))
    centre, velocity = np.zeros((objects, 2)), np.zeros((objects, 2))
    looks = np.zeros((objects, DIMENSIONS))
    fresh = np.ones(objects, np.bool_)
    limit = np.array([WIDTH, HEIGHT], np.float64)
    while True:
        count = int(fresh.sum())
        height = rng.uniform(40, 160, count)
        size[fresh] = np.column_stack([0.4 * height, height])
        centre[fresh] = rng.uniform(0, 1, (count, 2)) * limit
        velocity[fresh] = rng.normal(0, 2, (count, 2))
        looks[fresh] = rng.normal(size=(count, DIMENSIONS))
        looks[fresh] /= np.linalg.norm(looks[fresh], axis=1, keepdims=True)
        centre += velocity
        turned = ((centre < 0) & (velocity < 0)) | ((centre > limit) & (velocity > 0))
        velocity[turned] *= -1
        yield _observe(rng, centre, size, looks)
        fresh = rng.random(objects) < turnover


def save(path: Path, objects: int, frames: int, seed: int = 0) -> None:
    """Write the first frames of a stream in the layout of the ready inputs (see tracker_input)."""
    taken = [frame for frame, _ in zip(stream(objects, seed), range(frames), strict=False)]
    detections = [np.column_stack([frame.boxes, frame.scores]) for frame in taken]
    np.savez(
        path,
        det=np.concatenate(detections),
        emb=np.concatenate([frame.embeddings for frame in taken]),
        off=np.cumsum([0] + [len(frame.boxes) for frame in taken], dtype=np.int32),
        wh=np.array([WIDTH, HEIGHT], np.int32),
    )


def _observe(
    rng: np.random.Generator,
    centre: NDArray[np.float64],
    size: NDArray[np.float64],
    looks: NDArray[np.float64],
) -> Frame:
    """What a detector finds: most of the objects, not quite where they are, and false boxes."""
    seen = np.flatnonzero(rng.random(len(centre)) >= MISSED)
    false = int(rng.binomial(len(centre), FALSE))
    height = rng.uniform(40, 160, false)
    spots = rng.uniform(0, 1, (false, 2)) * (WIDTH, HEIGHT)
    centres = np.concatenate([centre[seen], spots])
    sizes = np.concatenate([size[seen], np.column_stack([0.4 * height, height])])
    jitter = 0.02 * sizes[:, 1:] * rng.normal(size=(len(sizes), 4))
    boxes = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1) + jitter
    scores = np.concatenate([rng.uniform(0.6, 0.95, len(seen)), rng.uniform(0.3, 0.6, false)])
    noise = rng.normal(size=(len(seen), DIMENSIONS)) * LOOKS_NOISE / np.sqrt(DIMENSIONS)
    embeddings = np.concatenate([looks[seen] + noise, rng.normal(size=(false, DIMENSIONS))])
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    order = np.argsort(-scores)
    return Frame(
        boxes[order].astype(np.float32),
        scores[order].astype(np.float32),
        embeddings[order].astype(np.float32),
    )
