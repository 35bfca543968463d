"""What comes out of a YOLO network, and how boxes are read from it.

The networks stop before their heads decode anything: what they give for every anchor are the
sides of its box, in strides, and one logit a class. Most anchors see nothing, so thresholds are
applied to the logits, and only what passes is decoded, here, in float32, whatever precision the
network ran in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.types import DetectOptions

MAX_CANDIDATES = 30_000
"""Most boxes of one image that go into non-maximum suppression, the best first."""


@dataclass(frozen=True, slots=True)
class HeadSpec:
    """What has to be known of a network to read its answer.

    Attributes
    ----------
    names : mapping of int to str
        The name of each class.
    task : str
        ``detect`` or ``segment``.
    strides : tuple of int
        Pixels between anchors, level by level in the order of the answer.
    reg_max : int
        Bins of the distribution that stands for one side of a box; 1 if it is given outright.
    end_to_end : bool
        The head gives one box an object, so that none has to be suppressed.
    imgsz : int
        Side of the input that the network was trained at, in pixels.
    """

    names: Mapping[int, str]
    task: str
    strides: tuple[int, ...]
    reg_max: int
    end_to_end: bool
    imgsz: int

    def to_json(self) -> str:
        """The text that `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> HeadSpec:
        """The spec written by `to_json`."""
        fields = json.loads(text)
        fields["names"] = {int(key): name for key, name in fields["names"].items()}
        fields["strides"] = tuple(fields["strides"])
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class RawHead:
    """A network's answer for one image, A anchors, C classes, float32.

    Attributes
    ----------
    sides : [4 * reg_max, A]
        Distances from the anchor to left, top, right and bottom, in strides.
    logits : [C, A]
        Class scores before the sigmoid.
    coefficients : [M, A] or None
        Weights of the mask prototypes, where the network segments.
    prototypes : [M, h, w] or None
        Mask prototypes at a quarter of the input's resolution.
    """

    sides: NDArray[np.float32]
    logits: NDArray[np.float32]
    coefficients: NDArray[np.float32] | None = None
    prototypes: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class Candidates:
    """Decoded boxes [N, 4] xyxy in the input's pixels, best first, and the anchors they are of."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int32]
    anchors: NDArray[np.intp]

    def take(self, rows: NDArray[np.intp]) -> Candidates:
        """The rows that are given, in that order."""
        return Candidates(
            self.boxes[rows], self.scores[rows], self.classes[rows], self.anchors[rows]
        )


def candidates(
    raw: RawHead, spec: HeadSpec, input_size: tuple[int, int], options: DetectOptions
) -> Candidates:
    """What exceeds the confidence and is of a wanted class, best first.

    An end-to-end head may name several classes for one anchor; the others count by their best.
    """
    floor = logit(options.conf)
    best = raw.logits.max(axis=0)
    anchors = np.flatnonzero(best > floor)
    logits = raw.logits[:, anchors]
    if spec.end_to_end:
        classes, columns = np.nonzero(logits > floor)
    else:
        classes, columns = logits.argmax(axis=0), np.arange(len(anchors))
    if options.classes is not None:
        wanted = np.isin(classes, list(options.classes))
        classes, columns = classes[wanted], columns[wanted]
    values = logits[classes, columns]
    order = np.argsort(-values, kind="stable")[:MAX_CANDIDATES]
    picked = anchors[columns[order]]
    return Candidates(
        boxes=decode(raw.sides[:, picked], picked, spec, input_size),
        scores=sigmoid(values[order]),
        classes=classes[order].astype(np.int32),
        anchors=picked,
    )


def decode(
    sides: NDArray[np.float32],
    anchors: NDArray[np.intp],
    spec: HeadSpec,
    input_size: tuple[int, int],
) -> NDArray[np.float32]:
    """Boxes [N, 4] xyxy in the input's pixels from the sides [4 * reg_max, N] of some anchors.

    A side given as a distribution over bins counts by its mean: Distribution Focal Loss,
    https://arxiv.org/abs/2006.04388.
    """
    if spec.reg_max > 1:
        bins = sides.reshape(4, spec.reg_max, -1)
        weights = np.exp(bins - bins.max(axis=1, keepdims=True))
        centres = np.arange(spec.reg_max, dtype=np.float32)[:, None]
        sides = (weights * centres).sum(axis=1) / weights.sum(axis=1)
    points, strides = anchor_grid(input_size, spec.strides)
    points, strides = points[anchors], strides[anchors, None]
    left_top, right_bottom = sides[:2].T, sides[2:].T
    corners = np.concatenate([points - left_top, points + right_bottom], axis=1)
    return np.asarray(corners * strides, np.float32)


@lru_cache(maxsize=64)
def anchor_grid(
    input_size: tuple[int, int], strides: tuple[int, ...]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Centres [A, 2] of the anchors, in strides, and the stride [A] of each, level by level."""
    points, steps = [], []
    for stride in strides:
        rows, columns = input_size[0] // stride, input_size[1] // stride
        y, x = np.mgrid[:rows, :columns].reshape(2, -1) + np.float32(0.5)
        points.append(np.stack([x, y], axis=1))
        steps.append(np.full(rows * columns, stride))
    grid = np.concatenate(points).astype(np.float32)
    sizes = np.concatenate(steps).astype(np.float32)
    # Shared between calls by the cache, so nobody may write to them.
    grid.setflags(write=False)
    sizes.setflags(write=False)
    return grid, sizes


def sigmoid(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Confidence, 0 to 1, of logits."""
    return np.asarray(1 / (1 + np.exp(-values)), np.float32)


def logit(confidence: float) -> float:
    """The logit of a confidence; infinite at 0 and 1."""
    with np.errstate(divide="ignore"):
        return float(np.log(np.float64(confidence)) - np.log1p(-np.float64(confidence)))
