"""The first step from classifying to detecting: what the one object is, and where.

A backbone and two heads: one says the class, the other four numbers, the object's box. It can
say one object an image and no more, and it always says one; the FCN detector asks the same of
every cell of a grid instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.batch_detector import PreparedImage
from models.boxes import ciou, convert
from models.errors import InvalidInput
from models.fcn_backbone import Backbone
from models.fcn_runtime import INPUT_STRIDE
from models.types import Image

_GRID = 4
"""Rows and columns that the map is averaged to before the box is read: it keeps where things are,
whatever the size of the image."""


class LocatorAnswer(NamedTuple):
    """What the heads say of a batch."""

    logits: Tensor
    """Float [N, K]."""
    boxes: Tensor
    """Float [N, 4], x1, y1, x2, y2 in the input's pixels."""


class Located(NamedTuple):
    """The object of one image."""

    name: str
    class_id: int
    score: float
    """Probability of the class, 0 to 1."""
    box: NDArray[np.float32]
    """[4], x1, y1, x2, y2 in pixels of the image."""


class Locator(nn.Module):
    """A network for images of one object each.

    Parameters
    ----------
    backbone : Backbone
        Its coarsest map is used.
    names : sequence of str
        The classes, at least one.
    imgsz : int
        Longer side of the input that `predict` makes of an image, in pixels.
    """

    def __init__(self, backbone: Backbone, names: Sequence[str], *, imgsz: int = 224) -> None:
        super().__init__()
        if not names:
            raise InvalidInput("names: at least one class expected, got none")
        self.backbone = backbone
        self.names = tuple(names)
        self.imgsz = imgsz
        channels = backbone.channels[-1]
        self.classify = nn.Linear(channels, len(names))
        self.locate = nn.Linear(channels * _GRID * _GRID, 4)

    def forward(self, pixels: Tensor) -> LocatorAnswer:
        """Answers for images uint8 [N, H, W, 3] in BGR order, H and W multiples of 32."""
        values = self.backbone(pixels).stride32
        height, width = pixels.shape[1:3]
        size = torch.tensor([width, height] * 2, dtype=values.dtype, device=values.device)
        cells = functional.adaptive_avg_pool2d(values, _GRID)
        shares = torch.sigmoid(self.locate(cells.flatten(1)))  # middle, width, height
        boxes: Tensor = convert(shares * size, "cxcywh", "xyxy")
        return LocatorAnswer(self.classify(values.mean(dim=(2, 3))), boxes)

    @torch.inference_mode()
    def predict(self, images: Sequence[Image]) -> list[Located]:
        """The object of each image, in order, in evaluation mode.

        Raises
        ------
        InvalidInput
            No image, or something that is not one: uint8 [H, W, 3], BGR.
        """
        if not len(images):
            raise InvalidInput("images: expected at least one uint8 array [H, W, 3], got none")
        training = self.training
        self.eval()
        try:
            return [self._located(image) for image in images]
        finally:
            self.train(training)

    def _located(self, image: Image) -> Located:
        prepared = PreparedImage.letterboxed(image, self.imgsz, INPUT_STRIDE)
        device = self.classify.weight.device
        answer = self(torch.from_numpy(prepared.data)[None].to(device))
        probabilities = answer.logits[0].softmax(0)
        best = int(probabilities.argmax())
        box = prepared.letterbox.to_image(answer.boxes.cpu().numpy())[0]
        return Located(self.names[best], best, float(probabilities[best]), box)


def locator_loss(answer: LocatorAnswer, classes: Tensor, boxes: Tensor) -> Tensor:
    """Cross-entropy of the classes and CIoU of the boxes, the mean of a batch.

    Parameters
    ----------
    answer : LocatorAnswer
        For N images.
    classes : int64 [N]
        The class of each image's object.
    boxes : float [N, 4]
        Where it is, x1, y1, x2, y2 in the input's pixels.

    Raises
    ------
    InvalidInput
        Not one class and one box an image.
    """
    count = len(answer.logits)
    if classes.shape != (count,) or boxes.shape != (count, 4):
        raise InvalidInput(
            f"expected classes [{count}] and boxes [{count}, 4], got {list(classes.shape)} "
            f"and {list(boxes.shape)}"
        )
    overlap = ciou(answer.boxes, boxes, aligned=True)
    return functional.cross_entropy(answer.logits, classes) + (1 - overlap).mean()
