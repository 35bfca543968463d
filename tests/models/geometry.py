"""What the tests of boxes draw: boxes of all kinds, and the definitions, written out plainly."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

Floats = NDArray[Any]

coordinates = st.floats(-1e4, 1e4, allow_nan=False, width=32)


@st.composite
def any_boxes(draw: st.DrawFn, least: int = 0, most: int = 8) -> Floats:
    """Boxes float64 [N, 4] of any shape, also without size and turned inside out."""
    count = draw(st.integers(least, most))
    return draw(hnp.arrays(np.float64, (count, 4), elements=coordinates))


@st.composite
def proper_boxes(draw: st.DrawFn, least: int = 0, most: int = 8, side: int = 24) -> Floats:
    """Boxes float64 [N, 4] with an area on a small grid, so that they touch, nest and repeat."""
    count = draw(st.integers(least, most))
    corner = draw(hnp.arrays(np.int64, (count, 2), elements=st.integers(-side, side)))
    size = draw(hnp.arrays(np.int64, (count, 2), elements=st.integers(1, side)))
    return np.concatenate([corner, corner + size], axis=1).astype(np.float64)


@st.composite
def scored_boxes(draw: st.DrawFn, most: int = 24) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Boxes, scores with ties, and classes."""
    boxes = draw(proper_boxes(most=most, side=8))
    scores = draw(hnp.arrays(np.float64, len(boxes), elements=st.sampled_from([0.1, 0.5, 0.9])))
    classes = draw(hnp.arrays(np.int64, len(boxes), elements=st.integers(0, 2)))
    return boxes, scores, classes


def iou_by_definition(a: Floats, b: Floats) -> float:
    """IoU of two boxes, by the definition."""
    width = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    shared = width * height
    areas = [max(c[2] - c[0], 0) * max(c[3] - c[1], 0) for c in (a, b)]
    union = sum(areas) - shared
    return float(shared / union) if union > 0 else 0.0


def greedy_by_definition(
    boxes: Floats, scores: Floats, classes: NDArray[np.int64], threshold: float
) -> list[int]:
    """Greedy suppression as it is told: take the best, drop what overlaps it, repeat.

    The threshold is rounded as the overlaps are, so that 2/40 is not above 0.05.
    """
    most = float(boxes.dtype.type(threshold))
    rest = sorted(range(len(boxes)), key=lambda row: (-scores[row], row))
    kept = []
    while rest:
        best, *rest = rest
        kept.append(best)
        rest = [
            row
            for row in rest
            if classes[row] != classes[best] or iou_by_definition(boxes[best], boxes[row]) <= most
        ]
    return kept
