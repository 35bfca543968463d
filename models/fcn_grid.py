"""The grid of the FCN detector: how cells say boxes, and which cells answer for an object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from models.arrays import AnyArray, Array, namespace

if TYPE_CHECKING:
    from torch import Tensor

RADIUS = 1.0
"""Cells within so many strides of an object's middle answer for it, as long as they lie in it."""

_LOG_SIZE = (-4.0, 6.0)
"""Limits of a side's logarithm: a sixteenth of a pixel's worth to some thousands of pixels."""


def decode_boxes(values: Array, columns: AnyArray, rows: AnyArray, stride: int) -> Array:
    """Boxes x1, y1, x2, y2 in the input's pixels, of what the box head says.

    Parameters
    ----------
    values : [M, 4]
        Offset of the box's middle from that of the cell, x and y, and the logarithms of width and
        height, all in strides.
    columns, rows : [M]
        Where the cells are in the grid.
    stride : int
        Pixels from one cell to the next.
    """
    xp = namespace(values)
    cells = xp.astype(xp.stack([columns, rows], axis=1), values.dtype)
    middle: Any = cells + values[:, :2] + 0.5
    half = xp.exp(xp.clip(values[:, 2:], min=_LOG_SIZE[0], max=_LOG_SIZE[1])) / 2
    boxes: Array = xp.concat([middle - half, middle + half], axis=1) * stride
    return boxes


class Cells(NamedTuple):
    """The cells of one image's grid that answer for an object."""

    rows: Tensor
    columns: Tensor
    objects: Tensor
    """Which object each answers for, a row of the boxes."""


def assign_cells(boxes: Tensor, shape: tuple[int, int], stride: int) -> Cells:
    """Cells that answer for objects: the one with the middle of the box, and those around it.

    A cell that could answer for several objects takes the smallest.

    Parameters
    ----------
    boxes : [M, 4]
        Objects, x1, y1, x2, y2 in the input's pixels.
    shape : (int, int)
        Rows and columns of the grid.
    stride : int
        Pixels from one cell to the next.
    """
    import torch  # which detecting with an exported network goes without

    if not len(boxes):
        none = torch.zeros(0, dtype=torch.int64, device=boxes.device)
        return Cells(none, none, none)
    x, y = ((torch.arange(count, device=boxes.device) + 0.5) * stride for count in reversed(shape))
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    # The cell of the middle is at most half a stride away, however small the object is.
    reach = half.clamp(min=stride / 2, max=RADIUS * stride)
    near_x = (x - middle[:, 0, None]).abs() <= reach[:, 0, None]  # [M, columns]
    near_y = (y - middle[:, 1, None]).abs() <= reach[:, 1, None]  # [M, rows]
    area = 4 * half.prod(dim=1)
    cost = torch.where(near_y[:, :, None] & near_x[:, None, :], area[:, None, None], torch.inf)
    least, objects = cost.min(dim=0)
    rows, columns = torch.nonzero(least.isfinite(), as_tuple=True)
    return Cells(rows, columns, objects[rows, columns])
