"""Objects cut out along their outlines and pasted onto other pictures, at any scale.

What there is little of is seen more often this way, and in front of everything.

Source: Ghiasi et al., "Simple Copy-Paste is a Strong Data Augmentation Method for Instance
Segmentation", CVPR 2021.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from models.ground_truth import Picture
from models.training.augment import LEAST_SIDE, recolour, visible
from models.training.samples import Sample, paint, read_picture
from models.types import Image

LEAST_HEIGHT = 16
"""Pixels of an object worth cutting out, and of one that is pasted."""
MOST_ENLARGED = 2.0
"""How many times larger than it was an object is pasted at most."""
HIDDEN = 0.7
"""An object of which a larger share is covered no longer counts."""


class Cutouts:
    """The objects of labelled pictures that have an outline.

    Parameters
    ----------
    pictures : sequence of Picture
        Where they are.
    numbers : mapping of int to int
        From the class ids of the labels to the numbers of the classes.
    """

    def __init__(self, pictures: Sequence[Picture], numbers: Mapping[int, int]) -> None:
        found: dict[int, list[tuple[Picture, int]]] = defaultdict(list)
        seen: Counter[int] = Counter()
        for picture in pictures:
            truth = picture.truth
            seen.update(numbers[int(class_id)] for class_id in truth.classes)
            for row, outline in enumerate(picture.outlines):
                tall = truth.boxes[row, 3] - truth.boxes[row, 1] >= LEAST_HEIGHT
                if outline and tall and not truth.ignored[row]:
                    found[numbers[int(truth.classes[row])]].append((picture, row))
        self._objects = dict(sorted(found.items()))
        rarity = np.array([1 / seen[number] for number in self._objects])
        self._chances = rarity / rarity.sum()

    def __len__(self) -> int:
        return sum(map(len, self._objects.values()))

    def draw(self, rng: Generator) -> tuple[Image, NDArray[np.uint8], int]:
        """Pixels [h, w, 3], mask [h, w] of 0 and 255, and class of an object.

        The rarer a class is in all pictures, the greater its chance; then each of its objects has
        the same.
        """
        number = int(rng.choice(list(self._objects), p=self._chances))
        picture, row = self._objects[number][rng.integers(len(self._objects[number]))]
        image = read_picture(picture.path)
        mask = np.zeros(image.shape[:2], np.uint8)
        paint(mask, picture.outlines[row], 255)
        x1, y1 = np.floor(picture.truth.boxes[row, :2]).astype(int)
        x2, y2 = np.ceil(picture.truth.boxes[row, 2:]).astype(int)
        return image[y1:y2, x1:x2], mask[y1:y2, x1:x2], number


def paste(sample: Sample, cutouts: Cutouts, rng: Generator) -> Sample:
    """The sample with one object more, somewhere, in colours of its own."""
    image, mask, number = cutouts.draw(rng)
    height, width = sample.labels.shape
    most = min(MOST_ENLARGED * len(mask), 0.9 * height)
    tall = np.exp(rng.uniform(np.log(LEAST_HEIGHT), np.log(max(most, LEAST_HEIGHT))))
    squeeze = np.exp(rng.uniform(-0.2, 0.2))
    rows = max(round(tall), 1)
    columns = max(round(mask.shape[1] * tall / len(mask) * squeeze), 1)
    image = recolour(cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA), rng)
    mask = np.asarray(cv2.resize(mask, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)
    if rng.random() < 0.5:
        image, mask = image[:, ::-1], mask[:, ::-1]
    # A part may lie beyond the border.
    top = int(rng.uniform(-0.2 * rows, height - 0.7 * rows))
    left = int(rng.uniform(-0.3 * columns, width - 0.7 * columns))
    return _blended(sample, image, mask, number, (top, left))


def _blended(
    sample: Sample, image: Image, mask: NDArray[np.uint8], number: int, place: tuple[int, int]
) -> Sample:
    (top, left), (height, width) = place, sample.labels.shape
    here = slice(max(top, 0), top + len(mask)), slice(max(left, 0), left + mask.shape[1])
    there = slice(max(-top, 0), height - top), slice(max(-left, 0), width - left)
    share = mask[there][..., None] / np.float32(255)
    canvas, labels = sample.image.copy(), sample.labels.copy()
    canvas[here] = np.rint(canvas[here] * (1 - share) + image[there] * share).astype(np.uint8)
    covered = np.zeros((height, width), np.uint8)
    covered[here] = mask[there] > 127
    labels[covered > 0] = number + 1
    x, y = np.flatnonzero((mask > 127).any(0)), np.flatnonzero((mask > 127).any(1))
    if not len(x):
        return sample
    box = np.array([[x[0] + left, y[0] + top, x[-1] + 1 + left, y[-1] + 1 + top]], np.float32)
    keep = _hidden(covered, sample.boxes) <= HIDDEN
    boxes = np.concatenate([sample.boxes[keep], box])
    classes = np.append(sample.classes[keep], number)
    return visible(Sample(canvas, boxes, classes, labels))


def _hidden(covered: NDArray[np.uint8], boxes: NDArray[np.float32]) -> NDArray[np.float64]:
    """The share of each box that is covered."""
    sums = cv2.integral(covered)
    x1, y1 = np.floor(boxes[:, :2]).astype(int).T
    x2, y2 = np.ceil(boxes[:, 2:]).astype(int).T
    inside = sums[y2, x2] - sums[y1, x2] - sums[y2, x1] + sums[y1, x1]
    area = np.maximum((x2 - x1) * (y2 - y1), LEAST_SIDE)
    return np.asarray(inside / area, np.float64)
