"""The boxes of an image cut out and brought to one size, for the embedders."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.errors import InvalidInput
from models.types import Image

_TINY = float(np.finfo(np.float32).tiny)


def cut_crops(image: Image, boxes: ArrayLike, height: int, width: int) -> NDArray[np.uint8]:
    """Each box of an image, resized bilinearly without regard to its aspect.

    A box is widened to whole pixels and clipped at the border. One that holds no pixel of the
    image is given the pixel nearest to it, so that every box has a crop.

    Parameters
    ----------
    image : uint8 [H, W, 3]
        Blue, green, red.
    boxes : [N, 4]
        x1, y1, x2, y2 in pixels of the image; finite.
    height, width : int
        Size of the crops.

    Returns
    -------
    uint8 [N, height, width, 3]

    Raises
    ------
    InvalidInput
        The image or the boxes have another type or shape, or a box is not finite.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise InvalidInput(
            f"image: expected uint8 [H, W, 3], got {image.dtype} {list(image.shape)}"
        )
    edges = pixel_boxes(boxes, image.shape[0], image.shape[1])
    crops = np.empty((len(edges), height, width, 3), np.uint8)
    for crop, (left, top, right, bottom) in zip(crops, edges, strict=True):
        cv2.resize(image[top:bottom, left:right], (width, height), dst=crop)
    return crops


def pixel_boxes(boxes: ArrayLike, height: int, width: int) -> list[tuple[int, int, int, int]]:
    """Boxes as ranges of whole pixels inside an image, none of them empty.

    In plain Python: they are few as a rule, and for one box NumPy takes three times as long.

    Returns
    -------
    list of left, top, right, bottom
        right and bottom are the first pixels outside.

    Raises
    ------
    InvalidInput
        No numbers, another shape than [N, 4], or a box that is not finite.
    """
    try:
        corners = np.asarray(boxes, np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"boxes: expected numbers of shape [N, 4]: {error}") from error
    if corners.size == 0:
        return []
    if corners.ndim != 2 or corners.shape[1] != 4:
        raise InvalidInput(f"boxes: expected shape [N, 4], got {list(corners.shape)}")
    ranges = []
    for box in corners.tolist():
        if not all(map(math.isfinite, box)):
            raise InvalidInput(f"boxes: expected finite corners, got {box}")
        left = math.floor(min(max(box[0], 0), width - 1))
        top = math.floor(min(max(box[1], 0), height - 1))
        right = math.ceil(min(max(box[2], left + 1), width))
        bottom = math.ceil(min(max(box[3], top + 1), height))
        ranges.append((left, top, right, bottom))
    return ranges


def unit_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows scaled to length 1, float32 [N, D]; a row of zeros stays one."""
    squares = np.add.reduce(rows * rows, axis=1, keepdims=True)
    lengths: NDArray[np.float32] = np.maximum(np.sqrt(squares), _TINY)
    scaled: NDArray[np.float32] = rows / lengths
    return scaled
