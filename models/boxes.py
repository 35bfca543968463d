"""Geometry of boxes: formats, areas, and the overlap measures that detectors are trained on.

Every function takes NumPy arrays or torch tensors and answers the same kind, dtype and device;
integers are answered as float64. On tensors all of it is differentiable, so ``1 - ciou(a, b,
aligned=True)`` is the loss. Nothing here imports torch.

A box is x1, y1, x2, y2 unless a format is named; units are the caller's (pixels as a rule), y
points down. A box whose x2 is below its x1 counts as having no width, at the middle of the two; so
with its height. The overlap of anything with a box without area is 0.

Sources: GIoU, Rezatofighi et al., "Generalized Intersection over Union", CVPR 2019; DIoU and CIoU,
Zheng et al., "Distance-IoU Loss", AAAI 2020.
"""

from __future__ import annotations

import math
from typing import Any, Generic, Literal, NamedTuple, TypeAlias, get_args

from models.arrays import AnyArray, Array, constant, magnitude, namespace, precision
from models.errors import InvalidInput

Format: TypeAlias = Literal["xyxy", "xywh", "cxcywh", "xyah"]
"""Corners; top-left corner and size; centre and size; centre, width over height, and height."""


def convert(boxes: Array, source: Format, target: Format) -> Array:
    """Boxes in another format.

    Parameters
    ----------
    boxes : [..., 4]
        In the format ``source``.
    source, target : {"xyxy", "xywh", "cxcywh", "xyah"}
        Corners; top-left corner and size; centre and size; centre, aspect (width over height) and
        height. The aspect of a box without height is 0.

    Raises
    ------
    InvalidInput
        An unknown format, a last axis that is not 4 long, NaN or infinity.
    """
    for name in (source, target):
        if name not in get_args(Format):
            known = ", ".join(get_args(Format))
            raise InvalidInput(f"box format {name!r}: one of {known} expected")
    checked = _checked(boxes)
    x, y, w, h = _centred(checked.values, source)
    if target == "xyxy":
        return checked.answer((x - w / 2, y - h / 2, x + w / 2, y + h / 2))
    if target == "xywh":
        return checked.answer((x - w / 2, y - h / 2, w, h))
    if target == "cxcywh":
        return checked.answer((x, y, w, h))
    where = checked.xp.where
    return checked.answer((x, y, where(h == 0, 0.0, w) / where(h == 0, 1.0, h), h))


def _centred(boxes: Any, source: Format) -> tuple[Any, Any, Any, Any]:
    """Centre and size of boxes in any format, as four arrays."""
    a, b, c, d = (boxes[..., i] for i in range(4))
    if source == "xyxy":
        # Halves first: the sum of two huge coordinates is not finite.
        return a / 2 + c / 2, b / 2 + d / 2, c - a, d - b
    if source == "xywh":
        return a + c / 2, b + d / 2, c, d
    return (a, b, c, d) if source == "cxcywh" else (a, b, c * d, d)


def clip(boxes: Array, width: float, height: float) -> Array:
    """Boxes [..., 4] cut at the border of an image of ``width`` by ``height`` pixels."""
    checked = _checked(boxes)
    limits = (width, height, width, height)
    return checked.answer(
        [
            checked.xp.clip(checked.values[..., i], min=0.0, max=float(limit))
            for i, limit in enumerate(limits)
        ]
    )


def scale(boxes: Array, x: float, y: float | None = None) -> Array:
    """Boxes [..., 4], x coordinates times ``x``, y coordinates times ``y`` (as ``x`` if None)."""
    checked = _checked(boxes)
    factors = (x, x if y is None else y) * 2
    return checked.answer([checked.values[..., i] * factor for i, factor in enumerate(factors)])


def area(boxes: Array) -> Array:
    """Area [...] of boxes [..., 4] in square units; 0 where a side is negative."""
    checked = _checked(boxes)
    xp, values = checked.xp, checked.values
    width = xp.maximum(values[..., 2] - values[..., 0], 0.0)
    height = xp.maximum(values[..., 3] - values[..., 1], 0.0)
    answer: Array = xp.astype(width * height, checked.dtype, copy=False)
    return answer


def box_iou(a: Array, b: AnyArray, *, aligned: bool = False) -> Array:
    """Intersection over union.

    Parameters
    ----------
    a : [N, 4]
        Boxes, x1, y1, x2, y2.
    b : [M, 4]
        Boxes in the same frame.
    aligned : bool
        Compare row with row (N = M) instead of all pairs.

    Returns
    -------
    [N, M], or [N] if aligned
        0 to 1; 0 where a box has no area.

    Raises
    ------
    InvalidInput
        Wrong shapes, NaN or infinity (the message names the row), or two kinds of arrays.
    """
    pair = _pair(a, b, aligned)
    return pair.answer(_overlap(pair)[0])


def giou(a: Array, b: AnyArray, *, aligned: bool = False) -> Array:
    """Generalised IoU, -1 to 1 (Rezatofighi 2019): IoU less the empty share of the hull.

    Arguments, shapes and errors as for :func:`box_iou`.
    """
    pair = _pair(a, b, aligned)
    xp = pair.xp
    overlap, union = _overlap(pair)
    width, height = _hull(pair)
    hull = width * height
    empty = xp.maximum(hull - union, 0.0)
    return pair.answer(overlap - pair.share(empty, hull))


def diou(a: Array, b: AnyArray, *, aligned: bool = False) -> Array:
    """Distance IoU, -1 to 1 (Zheng 2020): IoU less the squared distance of centres over hull.

    Arguments, shapes and errors as for :func:`box_iou`.
    """
    pair = _pair(a, b, aligned)
    return pair.answer(_overlap(pair)[0] - _distance(pair))


def ciou(a: Array, b: AnyArray, *, aligned: bool = False) -> Array:
    """Complete IoU, -2 to 1 (Zheng 2020): DIoU less a penalty for another aspect ratio.

    The weight of the penalty is a constant to the gradient, as in the paper. Arguments, shapes and
    errors as for :func:`box_iou`.
    """
    pair = _pair(a, b, aligned)
    overlap = _overlap(pair)[0]
    turn = _angle(pair, pair.a) - _angle(pair, pair.b)
    penalty = turn * turn * (4 / math.pi**2)
    weight = constant(pair.share(penalty, 1 - overlap + penalty))
    return pair.answer(overlap - _distance(pair) - weight * penalty)


class _Corners(NamedTuple):
    """Coordinates as arrays that broadcast against those of the other set of boxes."""

    x1: Any
    y1: Any
    x2: Any
    y2: Any


class _Pair(NamedTuple, Generic[Array]):
    """Two sets of boxes ready to be compared, and how to answer."""

    xp: Any
    a: _Corners
    b: _Corners
    smallest: float
    dtype: Any

    def answer(self, values: Any) -> Array:
        answer: Array = self.xp.astype(values, self.dtype, copy=False)
        return answer

    def share(self, part: Any, whole: Any) -> Any:
        """A part of something over the whole, with a finite gradient; 0 where there is nothing."""
        return part / self.xp.where(whole >= self.smallest, whole, 1.0)


class _Boxes(NamedTuple, Generic[Array]):
    """Boxes [..., 4] that were looked at, in a dtype to compute with, and how to answer."""

    xp: Any
    values: Any
    dtype: Any

    def answer(self, columns: Any) -> Array:
        answer: Array = self.xp.astype(self.xp.stack(columns, axis=-1), self.dtype, copy=False)
        return answer


def _checked(boxes: Array) -> _Boxes[Array]:
    xp = namespace(boxes)
    if boxes.ndim < 1 or boxes.shape[-1] != 4:
        raise InvalidInput(f"boxes: expected shape [..., 4], got {list(boxes.shape)}")
    kind = precision(xp, boxes.dtype)
    values = xp.astype(boxes, kind.compute, copy=False)
    magnitude(xp, values, "boxes")
    return _Boxes(xp, values, kind.answer)


def _pair(a: Array, b: AnyArray, aligned: bool) -> _Pair[Array]:
    xp = namespace(a, b)
    for name, boxes in (("first", a), ("second", b)):
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise InvalidInput(f"{name} boxes: expected shape [N, 4], got {list(boxes.shape)}")
    if aligned and a.shape[0] != b.shape[0]:
        raise InvalidInput(
            f"aligned: as many rows expected on both sides, got {a.shape[0]} and {b.shape[0]}"
        )
    kind = precision(xp, xp.result_type(a.dtype, b.dtype))
    first, second = (xp.astype(boxes, kind.compute, copy=False) for boxes in (a, b))
    largest = max(magnitude(xp, first, "first boxes"), magnitude(xp, second, "second boxes"))
    if largest > kind.largest:
        # A power of two, so that nothing is rounded.
        unit = 2.0 ** -math.frexp(largest)[1]
        first, second = first * unit, second * unit
    columns_a, columns_b = _untangled(xp, first), _untangled(xp, second)
    if not aligned:
        columns_a = _Corners(*(column[:, None] for column in columns_a))
        columns_b = _Corners(*(column[None, :] for column in columns_b))
    return _Pair(xp, columns_a, columns_b, kind.smallest, kind.answer)


def _untangled(xp: Any, boxes: Any) -> _Corners:
    """Columns of the boxes, where a negative side became a point at its middle."""
    low, high = boxes[:, :2], boxes[:, 2:]
    middle = (low + high) / 2
    tangled = high < low
    low, high = xp.where(tangled, middle, low), xp.where(tangled, middle, high)
    return _Corners(low[:, 0], low[:, 1], high[:, 0], high[:, 1])


def _overlap(pair: _Pair[Any]) -> tuple[Any, Any]:
    """IoU and area of the union."""
    xp, a, b = pair.xp, pair.a, pair.b
    width = xp.maximum(xp.minimum(a.x2, b.x2) - xp.maximum(a.x1, b.x1), 0.0)
    height = xp.maximum(xp.minimum(a.y2, b.y2) - xp.maximum(a.y1, b.y1), 0.0)
    both = width * height
    union = (a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - both
    return pair.share(both, union), union


def _hull(pair: _Pair[Any]) -> tuple[Any, Any]:
    """Width and height of the smallest box around both."""
    xp, a, b = pair.xp, pair.a, pair.b
    return (
        xp.maximum(a.x2, b.x2) - xp.minimum(a.x1, b.x1),
        xp.maximum(a.y2, b.y2) - xp.minimum(a.y1, b.y1),
    )


def _distance(pair: _Pair[Any]) -> Any:
    """Squared distance of the centres over the squared diagonal of the hull, 0 to 1."""
    a, b = pair.a, pair.b
    width, height = _hull(pair)
    x = (a.x1 + a.x2 - b.x1 - b.x2) / 2
    y = (a.y1 + a.y2 - b.y1 - b.y2) / 2
    return pair.share(x * x + y * y, width * width + height * height)


def _angle(pair: _Pair[Any], boxes: _Corners) -> Any:
    """Arc tangent of width over height; 0 for a box without size, where it has no gradient."""
    xp = pair.xp
    width, height = boxes.x2 - boxes.x1, boxes.y2 - boxes.y1
    sized = width * width + height * height >= pair.smallest
    return xp.atan2(xp.where(sized, width, 0.0), xp.where(sized, height, 1.0))
