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
"""From head to feet: what is worn changes with height, and little as a person turns."""

BINS = (8, 4, 8)
"""Of hue, saturation and value."""

CENTRE = 0.4
"""Standard deviation of a pixel's weight around the middle of the box, in half widths.

The edges of a box show background. With this the rank-1 rate on people is 1 to 8 points better
than with equal weights, and distances between people are on the scale of OSNet's.
"""

_PER_STRIPE = BINS[0] * BINS[1] * BINS[2]


class ColourEmbedder:
    """Square roots of HSV histograms, stripe by stripe; any number of threads may call it.

    The dot product of two rows is the mean of the stripes' Bhattacharyya coefficients.
    """

    name = "colour"
    dim = STRIPES * _PER_STRIPE

    def __init__(self) -> None:
        across = (np.arange(WIDTH) + 0.5) / WIDTH * 2 - 1
        weights = np.exp(-0.5 * (across / CENTRE) ** 2)
        self._weights = np.broadcast_to(weights, (HEIGHT, WIDTH))
        stripes = np.arange(HEIGHT) * STRIPES // HEIGHT
        self._first_bins = (stripes * _PER_STRIPE)[:, None]

    def __call__(self, image: Image, boxes: ArrayLike) -> NDArray[np.float32]:
        """Unit rows float32 [N, dim] for boxes [N, 4] x1, y1, x2, y2 in pixels of the image."""
        crops = cut_crops(image, boxes, HEIGHT, WIDTH)
        rows = np.empty((len(crops), self.dim), np.float32)
        for row, crop in zip(rows, crops, strict=True):
            hue, saturation, value = cv2.split(cv2.cvtColor(crop, cv2.COLOR_BGR2HSV_FULL))
            bins = hue.astype(np.int64) * BINS[0] // 256
            bins = bins * BINS[1] + saturation.astype(np.int64) * BINS[1] // 256
            bins = bins * BINS[2] + value.astype(np.int64) * BINS[2] // 256
            bins += self._first_bins
            row[:] = np.bincount(bins.ravel(), self._weights.ravel(), minlength=self.dim)
        return unit_rows(np.sqrt(rows))

    def close(self) -> None:
        """Nothing is held."""
