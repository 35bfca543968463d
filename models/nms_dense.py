"""Greedy suppression for some hundred boxes: all pairs, by ONNX Runtime's operator.

At this size the calls of any array library cost more than the arithmetic: NumPy needs 150 µs or
more for 300 boxes, the compiled operator 20. It computes the IoU in float32 by the same operations
as ``models.boxes.box_iou``, so that both engines agree to the last bit.

With cold caches, as after a forward, every Python and NumPy function costs microseconds to fetch.
So what a detector hands on, float32 arrays of ordinary boxes, is told by the fewest calls.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.scored import best_first

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


_LARGEST = 2.0**60
"""Coordinates and scores up to here have finite squares, and sums of a few of them."""
_SHORTEST = math.sqrt(np.finfo(np.float32).smallest_normal)
"""Sides from here on make an area that can be divided by."""


def is_plain(boxes: Any, scores: Any, most: int) -> bool:
    """Whether these are float32 arrays of 1 to ``most`` rows that :func:`suppress_dense` can take.

    What is not plain may be right all the same; ``models.scored`` looks at it in full.
    """
    if not (isinstance(boxes, np.ndarray) and isinstance(scores, np.ndarray)):
        return False
    count = len(scores) if scores.ndim == 1 else 0
    if not 0 < count <= most or boxes.shape != (count, 4):
        return False
    if not boxes.dtype == scores.dtype == np.float32:
        return False
    least, largest = np.minimum.reduce, np.maximum.reduce
    # NaN comes out of each and fails the comparison. Differences are of finite numbers alone.
    return bool(
        least(boxes, None) >= -_LARGEST
        and largest(boxes, None) <= _LARGEST
        and least(scores) >= -_LARGEST
        and largest(scores) <= _LARGEST
        and least(boxes[:, 2] - boxes[:, 0]) >= _SHORTEST
        and least(boxes[:, 3] - boxes[:, 1]) >= _SHORTEST
    )


def suppress_dense(
    boxes: NDArray[np.float32],
    scores: NDArray[Any],
    groups: NDArray[np.intp] | None,
    threshold: float,
) -> NDArray[np.int64]:
    """Rows that stay when each kept box suppresses later ones that overlap it.

    Parameters
    ----------
    boxes : float32 [N, 4]
        x1, y1, x2, y2; finite, with finite squares, and each with an area.
    scores : [N]
        Finite. The operator, too, takes the earlier row of two equal ones first.
    groups : int [N] or None
        From 0; boxes of different groups do not meet. None where all are of one.
    threshold : float
        Overlaps above this suppress, 0 to 1.

    Returns
    -------
    int64 [K]
        Rows, best first.
    """
    if scores.dtype != np.float32:
        # The place in the order instead: exact in float32.
        order, scores = best_first(scores), np.empty(len(scores), np.float32)
        scores[order] = np.arange(len(order), 0, -1)
    each = scores[None, None]
    if groups is not None:
        each = np.full((1, int(groups.max()) + 1, len(boxes)), -np.inf, np.float32)
        each[0, groups, np.arange(len(boxes))] = scores
    inputs = {
        "boxes": boxes[None],
        "scores": each,
        "threshold": _operand(float(threshold)),
    }
    rows: NDArray[np.int64] = _session().run(["rows"], inputs)[0][:, 2]
    if groups is None:
        return rows
    rows.sort()
    return rows.take(best_first(scores.take(rows)))


@lru_cache(64)
def _operand(threshold: float) -> NDArray[np.float32]:
    return np.asarray([threshold], np.float32)


@cache
def _session() -> InferenceSession:
    """A network of the one operator; running it is safe from any thread."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    def value(name: str, kind: int, *shape: int | str) -> Any:
        return helper.make_tensor_value_info(name, kind, list(shape))

    inputs = [
        value("boxes", TensorProto.FLOAT, 1, "N", 4),
        value("scores", TensorProto.FLOAT, 1, "C", "N"),
        value("threshold", TensorProto.FLOAT, 1),
    ]
    settings: dict[str, NDArray[Any]] = {
        "most": np.asarray([np.iinfo(np.int32).max], np.int64),
        "above": np.asarray([-np.inf], np.float32),
    }
    node = helper.make_node(
        "NonMaxSuppression", ["boxes", "scores", "most", "threshold", "above"], ["rows"]
    )
    graph = helper.make_graph(
        [node],
        "nms",
        inputs,
        [value("rows", TensorProto.INT64, "K", 3)],
        [numpy_helper.from_array(array, name) for name, array in settings.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
