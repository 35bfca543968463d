"""Boxes with scores, checked and as NumPy arrays, for what suppresses or fuses them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.arrays import magnitude, namespace, precision, to_numpy
from models.errors import InvalidInput


class Scored(NamedTuple):
    """Boxes [N, 4] and scores [N], finite, in a dtype to compute with."""

    boxes: NDArray[Any]
    scores: NDArray[Any]
    unit: float
    """A power of two; times this, the boxes have finite areas. 1 but for huge coordinates."""


def scored(boxes: Any, scores: Any) -> Scored:
    """Look at boxes and scores.

    Raises
    ------
    InvalidInput
        Wrong shapes, NaN or infinity.
    """
    xp = namespace(boxes, scores)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise InvalidInput(f"boxes: expected shape [N, 4], got {list(boxes.shape)}")
    require_length("scores", scores, boxes.shape[0])
    kind = precision(xp, boxes.dtype)
    boxes = xp.astype(boxes, kind.compute, copy=False)
    scores = xp.astype(scores, precision(xp, scores.dtype).compute, copy=False)
    largest = magnitude(xp, boxes, "boxes")
    magnitude(xp, scores, "scores")
    unit = 2.0 ** -math.frexp(largest)[1] if largest > kind.largest else 1.0
    return Scored(to_numpy(boxes), to_numpy(scores), unit)


def best_first(scores: NDArray[Any]) -> NDArray[np.int64]:
    """Rows by falling score; equal scores keep their order."""
    order: NDArray[np.int64] = np.argsort(-scores, kind="stable")
    return order


def require_length(name: str, values: Any, count: int) -> None:
    """Refuse anything but one value a box."""
    if values.ndim != 1 or values.shape[0] != count:
        raise InvalidInput(f"{name}: expected shape [{count}], got {list(values.shape)}")
