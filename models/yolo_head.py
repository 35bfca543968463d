"""What comes out of a YOLO network, and how boxes are read from it.

The networks stop short of their boxes: for every anchor they give one logit a class, and the
features from which a last linear layer reads the sides of its box. Most anchors see nothing, so
thresholds are applied to the logits, and that layer and all that follows it are computed here,
for what passes, in float32. The boxes of a network that ran in bfloat16 are then not rounded to
its eight bits, which would be a pixel or two.
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


@dataclass(frozen=True, slots=True, eq=False)
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
    weights : float32 [L, 4 * reg_max, F]
        Of the layer that reads sides from features, level by level.
    bias : float32 [L, 4 * reg_max]
        Likewise.
    """

    names: Mapping[int, str]
    task: str
    strides: tuple[int, ...]
    reg_max: int
    end_to_end: bool
    imgsz: int
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the network answers for every level, in this order; the names are of `RawHead`."""
        masks = ("coefficients",) if self.task == "segment" else ()
        return ("features", "logits", *masks)

    def to_json(self) -> str:
        """The text that `from_json` reads."""
        return json.dumps(asdict(self), default=np.ndarray.tolist)

    @classmethod
    def from_json(cls, text: str) -> HeadSpec:
        """The spec written by `to_json`."""
        fields = json.loads(text)
        fields["names"] = {int(key): name for key, name in fields["names"].items()}
        fields["strides"] = tuple(fields["strides"])
        for layer in ("weights", "bias"):
            fields[layer] = np.array(fields[layer], np.float32)
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class RawHead:
    """A network's answer for one image, level by level, each of A anchors, float32.

    Attributes
    ----------
    features : tuple of [A, F]
        What the sides of a box are read from.
    logits : tuple of [A, C]
        Class scores before the sigmoid.
    coefficients : tuple of [A, M]
        Weights of the mask prototypes; empty where the network does not segment.
    prototypes : [M, h, w] or None
        Mask prototypes at a quarter of the input's resolution.
    anchors : [N] or None
        Which anchors the rows of all levels are of, where they are not simply all of them.
    """

    features: tuple[NDArray[np.float32], ...]
    logits: tuple[NDArray[np.float32], ...]
    coefficients: tuple[NDArray[np.float32], ...] = ()
    prototypes: NDArray[np.float32] | None = None
    anchors: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class Candidates:
    """Decoded boxes [N, 4] xyxy in the input's pixels, best first, and their rows in all levels."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int32]
    rows: NDArray[np.intp]

    @classmethod
    def none(cls) -> Candidates:
        """No candidate at all."""
        boxes, one = np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
        return cls(boxes, one, one.astype(np.int32), one.astype(np.intp))

    def take(self, rows: NDArray[np.intp]) -> Candidates:
        """The rows that are given, in that order."""
        return Candidates(self.boxes[rows], self.scores[rows], self.classes[rows], self.rows[rows])


def candidates(
    raw: RawHead, spec: HeadSpec, input_size: tuple[int, int], options: DetectOptions
) -> Candidates:
    """What exceeds the confidence and is of a wanted class, best first.

    An end-to-end head may name several classes for one anchor, unless suppression is across
    classes; the other heads count by their best.
    """
    floor = logit(options.conf)
    several = spec.end_to_end and not options.agnostic
    start, found = 0, []
    for level, (features, logits) in enumerate(zip(raw.features, raw.logits, strict=True)):
        hits = np.flatnonzero(logits > floor)
        if len(hits):
            rows, classes, values = _counted(hits, logits, several)
            sides = spec.weights[level] @ features.take(rows, 0).T + spec.bias[level][:, None]
            found.append((rows + start, classes, values, sides.T))
        start += len(logits)
    if not found:
        return Candidates.none()
    rows, classes, values, sides = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.argsort(-values, kind="stable")
    if options.classes is not None:
        wanted = np.zeros(len(spec.names), np.bool_)
        wanted[list(options.classes)] = True
        order = order[wanted[classes[order]]]
    order = order[:MAX_CANDIDATES]
    rows = rows.take(order)
    anchors = rows if raw.anchors is None else raw.anchors[rows].astype(np.intp)
    return Candidates(
        boxes=decode(sides.take(order, 0), anchors, spec, input_size),
        scores=sigmoid(values.take(order)),
        classes=classes.take(order).astype(np.int32),
        rows=rows,
    )


def _counted(
    hits: NDArray[np.intp], logits: NDArray[np.float32], several: bool
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Anchor, class and logit of the hits in a level [A, C]: of each, or of an anchor's best."""
    rows = hits // logits.shape[1]
    if several:
        return rows, hits - rows * logits.shape[1], logits.take(hits)
    hit = np.zeros(len(logits), np.bool_)
    hit[rows] = True
    rows = np.flatnonzero(hit)
    here = logits.take(rows, 0)
    return rows, here.argmax(axis=1), here.max(axis=1)


def decode(
    sides: NDArray[np.float32],
    anchors: NDArray[np.intp],
    spec: HeadSpec,
    input_size: tuple[int, int],
) -> NDArray[np.float32]:
    """Boxes [N, 4] xyxy in the input's pixels from their sides [N, 4 * reg_max] at some anchors.

    Sides are distances from the anchor to left, top, right and bottom, in strides. One given as a
    distribution over bins counts by its mean: Distribution Focal Loss,
    https://arxiv.org/abs/2006.04388.
    """
    if spec.reg_max > 1:
        bins = sides.reshape(-1, 4, spec.reg_max)
        mass = np.exp(bins - bins.max(axis=2, keepdims=True))
        centres = np.arange(spec.reg_max, dtype=np.float32)
        sides = (mass * centres).sum(axis=2) / mass.sum(axis=2)
    points, strides = (column[anchors] for column in anchor_grid(input_size, spec.strides))
    corners = np.concatenate([points - sides[:, :2], points + sides[:, 2:]], axis=1)
    return np.asarray(corners * strides, np.float32)


@lru_cache(maxsize=64)
def anchor_grid(
    input_size: tuple[int, int], strides: tuple[int, ...]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Centres [A, 2] of the anchors of all levels, in strides, and the stride [A, 1] of each."""
    shapes = [(input_size[0] // stride, input_size[1] // stride) for stride in strides]
    points = [np.indices(shape)[::-1].reshape(2, -1).T + 0.5 for shape in shapes]
    counts = [rows * columns for rows, columns in shapes]
    grid = (
        np.concatenate(points).astype(np.float32),
        np.repeat(np.array(strides, np.float32), counts)[:, None],
    )
    for column in grid:
        column.setflags(write=False)  # the cache hands the same arrays to everyone
    return grid


def sigmoid(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Confidence, 0 to 1, of logits."""
    return np.asarray(1 / (1 + np.exp(-values)), np.float32)


@lru_cache(maxsize=64)
def logit(confidence: float) -> float:
    """The logit of a confidence; infinite at 0 and 1."""
    with np.errstate(divide="ignore"):
        return float(np.log(np.float64(confidence)) - np.log1p(-np.float64(confidence)))
