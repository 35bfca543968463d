"""The network of the FCN detector: a backbone and three heads, all of them convolutions.

Each cell of the grid says what it sees (class logits), whether the middle of an object is there
(objectness), and where the object reaches (box). Coarser maps are added to finer ones on the way,
as the skip connections of Long et al. (CVPR 2015) do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from models.errors import InvalidInput
from models.fcn_backbone import STRIDES, Backbone

_PRIOR = 0.01
"""Share of cells with an object that the objectness head starts from, so that training is calm."""


class FcnAnswer(NamedTuple):
    """What the heads say of a batch, one value a cell."""

    logits: Tensor
    """Float [N, K, rows, columns]."""
    objectness: Tensor
    """Float [N, 1, rows, columns], before the sigmoid."""
    boxes: Tensor
    """Float [N, 4, rows, columns]; `models.fcn_grid.decode_boxes` reads them."""


class FcnNetwork(nn.Module):
    """The FCN detector's network.

    Parameters
    ----------
    backbone : Backbone
        Gives the maps.
    names : sequence of str
        The classes, at least one.
    stride : {8, 16, 32}
        Pixels of the input from one cell to the next.
    width : int
        Channels in front of the heads.
    """

    def __init__(
        self, backbone: Backbone, names: Sequence[str], *, stride: int = 16, width: int = 96
    ) -> None:
        super().__init__()
        if stride not in STRIDES:
            raise InvalidInput(f"stride: one of {STRIDES} expected, got {stride}")
        if not names:
            raise InvalidInput("names: at least one class expected, got none")
        self.backbone = backbone
        self.names = tuple(names)
        self.stride = stride
        self._first = STRIDES.index(stride)
        used = backbone.channels[self._first :]
        self.lateral = nn.ModuleList(nn.Conv2d(channels, width, 1) for channels in used)
        self.neck = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )
        self.classify = nn.Conv2d(width, len(names), 1)
        self.find = nn.Conv2d(width, 1, 1)
        self.locate = nn.Conv2d(width, 4, 1)
        nn.init.constant_(self.find.bias, math.log(_PRIOR / (1 - _PRIOR)))  # type: ignore[arg-type]

    def forward(self, pixels: Tensor) -> FcnAnswer:
        """Answers for images uint8 [N, H, W, 3] in BGR order, H and W multiples of 32."""
        maps = self.backbone(pixels)[self._first :]
        fused: Tensor | None = None
        for layer, values in zip(reversed(self.lateral), reversed(maps), strict=True):
            here = layer(values)
            fused = here if fused is None else here + functional.interpolate(fused, scale_factor=2)
        cells = self.neck(fused)
        return FcnAnswer(self.classify(cells), self.find(cells), self.locate(cells))
