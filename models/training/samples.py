"""A picture to learn from: its pixels, its objects, and the class of each pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidInput
from models.ground_truth import Outline, Picture
from models.types import Image

IGNORED = 255
"""Stands for a pixel whose class is not known: padding, and crowds."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture to learn from.

    Attributes
    ----------
    image : uint8 [H, W, 3]
        BGR.
    boxes : float32 [M, 4]
        x1, y1, x2, y2 in its pixels.
    classes : int64 [M]
        Numbers of the classes, from 0.
    labels : uint8 [H, W]
        Of each pixel: 0 for background, the number of a class plus one, or `IGNORED`.
    """

    image: Image
    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]
    labels: NDArray[np.uint8]


def read_picture(path: Path) -> Image:
    """The pixels of a picture file, the right way up.

    Raises
    ------
    InvalidInput
        There is none, or it cannot be read.
    """
    try:
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error) as error:
        raise InvalidInput(f"{path}: a picture that can be read expected: {error}") from error
    if image is None:
        raise InvalidInput(f"{path}: a picture that can be read expected, its bytes are none")
    return np.asarray(image, np.uint8)


def read_sample(picture: Picture, numbers: Mapping[int, int]) -> Sample:
    """A labelled picture as it is.

    Parameters
    ----------
    picture : Picture
        With its labels.
    numbers : mapping of int to int
        From the class ids of the labels to the numbers of the classes.

    Raises
    ------
    InvalidInput
        The file cannot be read, or has another size than its labels say.
    """
    image, truth = read_picture(picture.path), picture.truth
    picture.check_size(image)
    classes = np.array([numbers[int(class_id)] for class_id in truth.classes], np.int64)
    labels = np.zeros(image.shape[:2], np.uint8)
    areas = np.prod(truth.boxes[:, 2:] - truth.boxes[:, :2], axis=1)
    for row in np.argsort(-areas, kind="stable"):  # what is small is in front
        paint(labels, picture.outlines[row], IGNORED if truth.ignored[row] else classes[row] + 1)
    counted = ~truth.ignored
    return Sample(image, truth.boxes[counted].astype(np.float32), classes[counted], labels)


def paint(labels: NDArray[np.uint8], outline: Outline, value: int) -> None:
    """Set the pixels inside of an object's polygons."""
    for polygon in outline:
        cv2.fillPoly(labels, [np.round(polygon).astype(np.int32)], int(value))
