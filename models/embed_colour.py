"""Appearance without weights: histograms of colour in horizontal stripes."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.embed_crops import cut_crops, unit_rows
from models.types import Image

HEIGHT, WIDTH = 96, 48
"""Size of the crops: colours need no more, and equal sizes make every histogram weigh the same."""

STRIPES = 6
"""From head to feet; what is worn changes with height, how a person turns changes it little."""

BINS = (8, 4, 4)
"""Of hue, saturation and value."""


class ColourEmbedder:
    """Square roots of HSV histograms, stripe by stripe; any number of threads may call it.

    The dot product of two rows is the mean of the stripes' Bhattacharyya coefficients.
    """

    name = "colour"
    dim = STRIPES * BINS[0] * BINS[1] * BINS[2]

    def __call__(self, image: Image, boxes: ArrayLike) -> NDArray[np.float32]:
        """Unit rows float32 [N, dim] for boxes [N, 4] x1, y1, x2, y2 in pixels of the image."""
        crops = cut_crops(image, boxes, HEIGHT, WIDTH)
        if not len(crops):
            return np.empty((0, self.dim), np.float32)
        hsv = cv2.cvtColor(crops.reshape(-1, WIDTH, 3), cv2.COLOR_BGR2HSV_FULL)
        per_bin = [np.asarray(256 // bins, np.uint8) for bins in BINS]
        cells = hsv // np.array(per_bin)
        hue, saturation, value = np.moveaxis(cells.astype(np.int64), -1, 0)
        colours = (hue * BINS[1] + saturation) * BINS[2] + value
        stripes = np.arange(len(crops) * STRIPES).repeat(HEIGHT // STRIPES * WIDTH)
        count = BINS[0] * BINS[1] * BINS[2]
        flat = np.bincount(stripes * count + colours.reshape(-1), minlength=len(crops) * self.dim)
        return unit_rows(np.sqrt(flat.reshape(len(crops), self.dim)).astype(np.float32))

    def close(self) -> None:
        """Nothing is held."""
