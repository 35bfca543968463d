"""Masks of objects from prototypes and coefficients, and their outlines.

A segmenting YOLO network gives some prototypes for the whole image, at a quarter of its input's
resolution, and for each object one coefficient a prototype: YOLACT, https://arxiv.org/abs/1904.02689.
Their weighted sum is positive where the object is. It is sampled at the pixels of the image
itself, inside of the object's box alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.preprocess import Letterbox

PROTOTYPE_STRIDE = 4
"""Pixels of the network's input between two values of a prototype."""


@dataclass(frozen=True, slots=True)
class ObjectMask:
    """Where an object is, inside of its box.

    Attributes
    ----------
    left, top : int
        Pixel of the image at which the mask begins.
    inside : uint8 [h, w]
        1 where the object is, else 0.
    """

    left: int
    top: int
    inside: NDArray[np.uint8]

    def outline(self) -> NDArray[np.float32]:
        """Its outline [P, 2], x and y in pixels of the image, as one closed polygon.

        Parts that do not touch are joined by a line that is walked there and back, so that the
        polygon encloses all of them and nothing else.
        """
        parts, _ = cv2.findContours(
            self.inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(self.left, self.top)
        )
        loops = [np.asarray(part, np.float32).reshape(-1, 2) for part in parts]
        if len(loops) == 1:
            return loops[0]
        start = loops[0][:1]
        path = [step for loop in loops for step in (loop, loop[:1], start)]
        return np.concatenate(path[:-1])

    def paint(self, height: int, width: int) -> NDArray[np.bool_]:
        """The mask of the whole image, bool [height, width]."""
        canvas = np.zeros((height, width), bool)
        rows, columns = self.inside.shape
        canvas[self.top : self.top + rows, self.left : self.left + columns] = self.inside
        return canvas


def object_masks(
    coefficients: NDArray[np.float32],
    prototypes: NDArray[np.float32],
    boxes: NDArray[np.float32],
    letterbox: Letterbox,
) -> list[ObjectMask]:
    """The mask of each object; one with no pixel at all where the object has none.

    Parameters
    ----------
    coefficients : [N, M]
        Of each object.
    prototypes : [M, h, w]
        Of the image they are in.
    boxes : [N, 4]
        xyxy, in pixels of the image and inside of it.
    letterbox : Letterbox
        How the image lay in the network's input.
    """
    count, height, width = prototypes.shape
    logits = (coefficients @ prototypes.reshape(count, -1)).reshape(-1, height, width)
    return [_sampled(*pair, letterbox) for pair in zip(logits, boxes, strict=True)]


def _sampled(
    logits: NDArray[np.float32], box: NDArray[np.float32], letterbox: Letterbox
) -> ObjectMask:
    """Where the bilinear interpolation of the logits is positive, at the pixels in a box."""
    left, top, right, bottom = (int(edge) for edge in np.ceil(box))
    if right <= left or bottom <= top:
        return ObjectMask(left, top, np.zeros((0, 0), np.uint8))
    scale_y, scale_x = (
        inner / image / PROTOTYPE_STRIDE
        for inner, image in zip(letterbox.inner_size, letterbox.image_size, strict=True)
    )
    # From the centre of a pixel of the box to the centres of the prototypes' cells.
    to_logits = np.array(
        [
            [scale_x, 0, (left + 0.5) * scale_x + letterbox.left / PROTOTYPE_STRIDE - 0.5],
            [0, scale_y, (top + 0.5) * scale_y + letterbox.top / PROTOTYPE_STRIDE - 0.5],
        ]
    )
    sampled = cv2.warpAffine(
        logits,
        to_logits,
        (right - left, bottom - top),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return ObjectMask(left, top, (sampled > 0).astype(np.uint8))
