"""Variations of a sample: cut out at another scale, mirrored, put together, coloured otherwise.

A mosaic shows four pictures at once, so that a batch has more objects and more scales:
Bochkovskiy, Wang and Liao, "YOLOv4", arXiv:2004.10934, section 3.3.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.random import Generator

from models.preprocess import PADDING
from models.training.samples import IGNORED, Sample
from models.types import Image

ZOOM = (0.4, 1.6)
"""Least and greatest scale, relative to the one at which the network is to see a picture."""
MOSAIC_ZOOM = 0.5
"""Pictures of a mosaic are smaller by this."""
SQUEEZE = 0.15
"""Greatest logarithm by which width and height are scaled apart."""
VISIBLE = 0.3
"""An object counts while this share of its box is in the picture."""
LEAST_SIDE = 3.0
"""Pixels of a box's shorter side below which an object no longer counts."""

_HUE, _SATURATION, _VALUE = 0.02, 0.6, 0.4
_GREY, _BLUR = 0.05, 0.15


def window(sample: Sample, size: tuple[int, int], longer: float, rng: Generator) -> Sample:
    """A part of a sample at a random scale, mirrored every other time, in a canvas of a size.

    Parameters
    ----------
    sample : Sample
        Of any size.
    size : (int, int)
        Height and width of the canvas; what the picture does not fill is grey.
    longer : float
        Pixels of the picture's longer side at a scale of 1.
    rng : Generator
        Decides.
    """
    rows, columns = sample.labels.shape
    zoom = longer / max(rows, columns) * np.exp(rng.uniform(*np.log(ZOOM)))
    squeeze = np.exp(rng.uniform(-SQUEEZE, SQUEEZE))
    height, width = max(round(rows * zoom / squeeze), 1), max(round(columns * zoom * squeeze), 1)
    # Networks meet pictures that were made smaller with and without averaging.
    way = cv2.INTER_AREA if rng.random() < 0.5 else cv2.INTER_LINEAR
    image = cv2.resize(sample.image, (width, height), interpolation=way)
    labels = cv2.resize(sample.labels, (width, height), interpolation=cv2.INTER_NEAREST)
    boxes = sample.boxes * np.array([width / columns, height / rows] * 2, np.float32)
    if rng.random() < 0.5:
        image, labels = image[:, ::-1], labels[:, ::-1]
        boxes = np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)
    top, left = (_offset(*sides, rng) for sides in ((size[0], height), (size[1], width)))
    canvas = np.full((*size, 3), PADDING, np.uint8)
    canvas_labels = np.full(size, IGNORED, np.uint8)
    here = slice(max(top, 0), top + height), slice(max(left, 0), left + width)
    there = slice(max(-top, 0), size[0] - top), slice(max(-left, 0), size[1] - left)
    canvas[here], canvas_labels[here] = image[there], labels[there]
    moved = boxes + np.array([left, top] * 2, np.float32)
    return visible(Sample(canvas, moved, sample.classes, canvas_labels))


def mosaic(samples: Sequence[Sample], side: int, longer: float, rng: Generator) -> Sample:
    """Parts of four samples around a random point of a square; else as for `window`."""
    y, x = (int(rng.uniform(0.3, 0.7) * side) for _ in range(2))
    image = np.empty((side, side, 3), np.uint8)
    labels = np.empty((side, side), np.uint8)
    boxes = []
    corners = ((0, 0, y, x), (0, x, y, side), (y, 0, side, x), (y, x, side, side))
    for sample, (top, left, bottom, right) in zip(samples, corners, strict=True):
        part = window(sample, (bottom - top, right - left), MOSAIC_ZOOM * longer, rng)
        image[top:bottom, left:right] = part.image
        labels[top:bottom, left:right] = part.labels
        boxes.append((part.boxes + np.array([left, top] * 2, np.float32), part.classes))
    return Sample(
        image,
        np.concatenate([part for part, _ in boxes]),
        np.concatenate([classes for _, classes in boxes]),
        labels,
    )


def visible(sample: Sample) -> Sample:
    """The sample with its boxes clipped, without those of which too little is left."""
    height, width = sample.labels.shape
    clipped = np.clip(sample.boxes, 0, np.array([width, height] * 2, np.float32))
    sides = clipped[:, 2:] - clipped[:, :2]
    whole = np.prod(sample.boxes[:, 2:] - sample.boxes[:, :2], axis=1)
    keep = (sides.min(axis=1, initial=np.inf) >= LEAST_SIDE) & (sides.prod(1) >= VISIBLE * whole)
    return Sample(sample.image, clipped[keep], sample.classes[keep], sample.labels)


def recolour(image: Image, rng: Generator) -> Image:
    """Another hue, saturation and brightness; now and then grey, or out of focus."""
    gains = 1 + rng.uniform(-1, 1, 3) * (_HUE, _SATURATION, _VALUE)
    steps = np.arange(256)
    hue = (steps * gains[0] % 180).astype(np.uint8)
    others = [np.clip(steps * gain, 0, 255).astype(np.uint8) for gain in gains[1:]]
    channels = cv2.split(cv2.cvtColor(image, cv2.COLOR_BGR2HSV))
    changed = [cv2.LUT(*pair) for pair in zip(channels, (hue, *others), strict=True)]
    if rng.random() < _GREY:
        changed[1][:] = 0
    answer = cv2.cvtColor(cv2.merge(changed), cv2.COLOR_HSV2BGR)
    if rng.random() < _BLUR:
        answer = cv2.GaussianBlur(answer, (0, 0), rng.uniform(0.5, 1.5))
    return np.asarray(answer, np.uint8)


def _offset(canvas: int, picture: int, rng: Generator) -> int:
    """Where the picture begins: anywhere that leaves no more of the canvas empty than it must."""
    slack = canvas - picture
    return int(rng.integers(min(slack, 0), max(slack, 0) + 1))
