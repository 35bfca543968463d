"""Masks that a network gives on a grid over each object's box, at the pixels of the image.

So do the networks after He et al., "Mask R-CNN", ICCV 2017.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.masks import ObjectMask

THRESHOLD = 0.5
"""Probability above which a pixel belongs to the object, as the networks are trained."""


def box_mask(
    probabilities: NDArray[np.float32], box: NDArray[np.float32], size: tuple[int, int]
) -> ObjectMask:
    """The mask of one object; one with no pixel at all where it has none.

    Parameters
    ----------
    probabilities : [h, w]
        At the centres of equal cells that divide the box; outside of the box they are zero.
    box : [4]
        x1, y1, x2, y2 in pixels of the image.
    size : (int, int)
        Height and width of the image.
    """
    height, width = size
    left, top = (max(int(edge), 0) for edge in np.floor(box[:2]))
    right, bottom = (int(edge) for edge in np.minimum(np.ceil(box[2:]), (width, height)))
    box_width, box_height = (float(side) for side in box[2:] - box[:2])
    if right <= left or bottom <= top or box_width <= 0 or box_height <= 0:
        return ObjectMask(left, top, np.zeros((0, 0), np.uint8))
    rows, columns = probabilities.shape
    scale_x, scale_y = columns / box_width, rows / box_height
    # From the centre of a pixel to the centres of the cells.
    to_cells = np.array(
        [
            [scale_x, 0, (left + 0.5 - float(box[0])) * scale_x - 0.5],
            [0, scale_y, (top + 0.5 - float(box[1])) * scale_y - 0.5],
        ]
    )
    sampled = cv2.warpAffine(
        probabilities,
        to_cells,
        (right - left, bottom - top),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=0,
    )
    return ObjectMask(left, top, (sampled > THRESHOLD).astype(np.uint8))
