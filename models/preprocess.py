"""Letterbox: an image scaled into the network's input with its aspect kept, and the way back.

The picture is resized once, straight into the canvas that the network reads: uint8, rows of BGR
pixels. Changing colour order, layout and range is part of the network (see `models.yolo_network`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidInput
from models.types import Image

MAX_IMGSZ = 8192
"""Largest side of a network's input, in pixels; 8K footage fits."""

PADDING = 114
"""Grey of the border, the value that YOLO networks are trained with."""


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How an image lies in the network's input.

    Attributes
    ----------
    image_size : (int, int)
        Height and width of the image, in pixels.
    inner_size : (int, int)
        Height and width of the image after scaling.
    input_size : (int, int)
        Height and width of the network's input, padding included.
    top, left : int
        Where the scaled image begins in the input.
    """

    image_size: tuple[int, int]
    inner_size: tuple[int, int]
    input_size: tuple[int, int]
    top: int
    left: int

    @classmethod
    def fit(
        cls, image_size: tuple[int, int], imgsz: int, *, stride: int = 32, square: bool = False
    ) -> Letterbox:
        """Place an image of ``image_size`` (height, width) centred in an input of side ``imgsz``.

        ``imgsz`` counts rounded up to a multiple of ``stride``. The longer side becomes that;
        the other is padded to the next multiple, or likewise where ``square`` is wanted.

        Raises
        ------
        InvalidInput
            ``imgsz`` is below 1 or above `MAX_IMGSZ`.
        """
        if not 1 <= imgsz <= MAX_IMGSZ:
            raise InvalidInput(f"imgsz: expected 1 to {MAX_IMGSZ} pixels, got {imgsz}")
        imgsz += -imgsz % stride
        height, width = image_size
        scale = min(imgsz / height, imgsz / width)
        inner = max(round(height * scale), 1), max(round(width * scale), 1)
        gaps = [imgsz - side if square else -side % stride for side in inner]
        return cls(
            image_size=(height, width),
            inner_size=inner,
            input_size=(inner[0] + gaps[0], inner[1] + gaps[1]),
            # The odd pixel of an uneven gap goes to the bottom and to the right.
            top=gaps[0] // 2,
            left=gaps[1] // 2,
        )

    def apply(self, image: Image) -> Image:
        """The network's input: uint8 [H, W, 3], contiguous, the image resized bilinearly."""
        (height, width), (bottom, right) = self.inner_size, self.end
        canvas: Image = np.empty((*self.input_size, 3), np.uint8)
        canvas[: self.top] = canvas[bottom:] = PADDING
        canvas[self.top : bottom, : self.left] = canvas[self.top : bottom, right:] = PADDING
        inner = canvas[self.top : bottom, self.left : right]
        if (height, width) == self.image_size:
            inner[...] = image
        else:
            cv2.resize(image, (width, height), dst=inner, interpolation=cv2.INTER_LINEAR)
        return canvas

    @property
    def end(self) -> tuple[int, int]:
        """Row below and column right of the scaled image."""
        return self.top + self.inner_size[0], self.left + self.inner_size[1]

    def to_image(self, boxes: NDArray[Any]) -> NDArray[np.float32]:
        """Boxes [N, 4] xyxy in the input's pixels, in the image's pixels and clipped to it."""
        offset = np.array([self.left, self.top] * 2, np.float32)
        limit = np.array([self.image_size[1], self.image_size[0]] * 2, np.float32)
        inner = np.array([self.inner_size[1], self.inner_size[0]] * 2, np.float32)
        moved = (np.asarray(boxes, np.float32).reshape(-1, 4) - offset) * (limit / inner)
        return np.clip(moved, 0, limit)


def check_image(image: Any) -> Image:
    """The image itself, when it is one that a detector takes.

    Raises
    ------
    InvalidInput
        Not a NumPy array of uint8 [H, W, 3] with at least one pixel.
    """
    expected = "expected a uint8 array [H, W, 3] in BGR order"
    if not isinstance(image, np.ndarray):
        raise InvalidInput(f"image: {expected}, got {type(image).__name__}")
    if image.dtype != np.uint8:
        raise InvalidInput(f"image: {expected}, got dtype {image.dtype}")
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise InvalidInput(f"image: {expected}, got shape {list(image.shape)}")
    return image
