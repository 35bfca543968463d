"""The boxes of an image cut out and brought to one size, for the embedders."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.errors import InvalidInput
from models.types import Image


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
    for crop, (left, top, right, bottom) in zip(crops, edges.tolist(), strict=True):
        cv2.resize(image[top:bottom, left:right], (width, height), dst=crop)
    return crops


def pixel_boxes(boxes: ArrayLike, height: int, width: int) -> NDArray[np.int64]:
    """Boxes as ranges of whole pixels inside an image, none of them empty.

    Returns
    -------
    int64 [N, 4]
        left, top, right, bottom; right and bottom are the first pixels outside.

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
        corners = corners.reshape(0, 4)
    if corners.ndim != 2 or corners.shape[1] != 4:
        raise InvalidInput(f"boxes: expected shape [N, 4], got {list(corners.shape)}")
    if not np.isfinite(corners).all():
        row = int(np.flatnonzero(~np.isfinite(corners).all(axis=1))[0])
        raise InvalidInput(f"boxes: expected finite corners, got {corners[row].tolist()}")
    last = np.array([width - 1, height - 1])
    low = np.clip(np.floor(corners[:, :2]), 0, last)
    high = np.clip(np.ceil(corners[:, 2:]), low + 1, last + 1)
    return np.concatenate([low, high], axis=1).astype(np.int64)


def unit_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows scaled to length 1, float32 [N, D]; a row of zeros stays one."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: NDArray[np.float32] = rows / np.maximum(lengths, np.finfo(np.float32).tiny)
    return scaled
