"""What the FCN detector is trained on: cross-entropy, binary cross-entropy and CIoU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from models.boxes import ciou
from models.errors import InvalidInput
from models.fcn_grid import assign_cells, decode_boxes
from models.fcn_network import FcnAnswer

_BOX_WEIGHT = 2.0
"""How much more than the others the CIoU counts: it alone is bounded."""


class Target(NamedTuple):
    """The objects of one image."""

    boxes: Tensor
    """Float [M, 4], x1, y1, x2, y2 in the input's pixels."""
    classes: Tensor
    """Int64 [M]."""


class Losses(NamedTuple):
    """The three parts, each a mean over the cells that answer for an object."""

    classes: Tensor
    objectness: Tensor
    boxes: Tensor

    @property
    def total(self) -> Tensor:
        """What is minimised."""
        return self.classes + self.objectness + _BOX_WEIGHT * self.boxes


def detection_loss(answer: FcnAnswer, targets: Sequence[Target], stride: int) -> Losses:
    """The losses of a batch.

    Cells that answer for an object learn its class and its box; all cells learn whether they do.

    Raises
    ------
    InvalidInput
        Not one target an image.
    """
    if len(targets) != len(answer.logits):
        raise InvalidInput(
            f"targets: one an image expected, got {len(targets)} for {len(answer.logits)} images"
        )
    wanted = torch.zeros_like(answer.objectness)
    logits, classes, decoded, boxes = [], [], [], []
    for image, target in enumerate(targets):
        shape = answer.objectness.shape[2], answer.objectness.shape[3]
        rows, columns, objects = assign_cells(target.boxes, shape, stride)
        wanted[image, 0, rows, columns] = 1
        logits.append(answer.logits[image, :, rows, columns].T)
        classes.append(target.classes[objects])
        values = answer.boxes[image, :, rows, columns].T
        decoded.append(decode_boxes(values, columns, rows, stride))
        boxes.append(target.boxes[objects])
    count = max(int(wanted.sum()), 1)
    overlap = ciou(torch.cat(decoded), torch.cat(boxes), aligned=True)
    return Losses(
        functional.cross_entropy(torch.cat(logits), torch.cat(classes), reduction="sum") / count,
        functional.binary_cross_entropy_with_logits(answer.objectness, wanted, reduction="sum")
        / count,
        (1 - overlap).sum() / count,
    )
