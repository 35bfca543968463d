"""Pictures with coloured shapes, whose boxes and masks are known, and a backbone that fits them."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.fcn_backbone import Backbone

NAMES = ("red", "green")
COLOURS = ((40, 40, 220), (40, 200, 40))


def picture(
    seed: int, side: int = 128, shapes: int = 2
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64]]:
    """Image uint8 [side, side, 3] in BGR, boxes [M, 4] of the rectangles in it, and classes [M].

    The rectangles lie apart: each has a cell of a grid of 2x2 for itself.
    """
    rng = np.random.default_rng(seed)
    image = rng.integers(90, 130, (side, side, 3), dtype=np.uint8)
    half = side // 2
    boxes, classes = [], []
    for cell in rng.permutation(4)[:shapes]:
        width, height = rng.integers(side // 6, side // 3, 2)
        left = half * (cell % 2) + rng.integers(2, half - width)
        top = half * (cell // 2) + rng.integers(2, half - height)
        kind = int(rng.integers(len(NAMES)))
        image[top : top + height, left : left + width] = COLOURS[kind]
        boxes.append([left, top, left + width, top + height])
        classes.append(kind)
    return image, np.asarray(boxes, np.float32), np.asarray(classes)


def discs(seed: int, side: int = 96) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Image uint8 [side, side, 3] with a disc of each colour, and the class of each pixel."""
    rng = np.random.default_rng(seed)
    image = rng.integers(90, 130, (side, side, 3), dtype=np.uint8)
    mask = np.zeros((side, side), np.uint8)
    for label, colour in enumerate(COLOURS, start=1):
        centre = tuple(int(value) for value in rng.integers(16, side - 16, 2))
        radius = int(rng.integers(9, 15))
        cv2.circle(image, centre, radius, colour, -1)
        cv2.circle(mask, centre, radius, label, -1)
    return image, mask.astype(np.int64)


def tiny_backbone(seed: int = 0) -> Backbone:
    """Eight convolutions, down to a stride of 32."""
    torch.manual_seed(seed)

    def block(inputs: int, outputs: int) -> list[nn.Module]:
        layer = nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False)
        return [layer, nn.BatchNorm2d(outputs), nn.ReLU()]

    first = nn.Sequential(*block(3, 16), *block(16, 24), *block(24, 32))
    return Backbone(
        (first, nn.Sequential(*block(32, 48)), nn.Sequential(*block(48, 64))), (32, 48, 64)
    )
