"""FCN-32s, FCN-16s and FCN-8s: a class for every pixel.

Each map is scored by a convolution of 1x1. The scores of the coarsest are doubled by a transposed
convolution and added to those of the next, down to the finest that is used, and from there brought
to full resolution in one step. The transposed convolutions start as bilinear interpolation, and the
scores that are added start as zero, so a finer network starts as its coarser one.

Source: Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation",
CVPR 2015.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.errors import InvalidInput
from models.fcn_backbone import STRIDES, Backbone


class FcnSegmentationNetwork(nn.Module):
    """A network that answers class scores for every pixel.

    Parameters
    ----------
    backbone : Backbone
        Gives the maps.
    names : sequence of str
        The classes, background included, at least two.
    finest : {32, 16, 8}
        Stride of the finest map that is used: FCN-32s, FCN-16s or FCN-8s.
    """

    def __init__(self, backbone: Backbone, names: Sequence[str], *, finest: int = 8) -> None:
        super().__init__()
        if finest not in STRIDES:
            raise InvalidInput(f"finest: one of {STRIDES} expected, got {finest}")
        if len(names) < 2:
            raise InvalidInput(f"names: background and a class expected, got {list(names)}")
        self.backbone = backbone
        self.names = tuple(names)
        self.finest = finest
        self._first = STRIDES.index(finest)
        used = backbone.channels[self._first :]
        self.score = nn.ModuleList(nn.Conv2d(channels, len(names), 1) for channels in used)
        self.doubling = nn.ModuleList(bilinear_upsampling(len(names), 2) for _ in used[1:])
        self.enlarge = bilinear_upsampling(len(names), finest)
        for layer in self.score[:-1]:
            for weight in layer.parameters():
                nn.init.zeros_(weight)

    def forward(self, pixels: Tensor) -> Tensor:
        """Scores [N, K, H, W] for images uint8 [N, H, W, 3] BGR, H and W multiples of 32."""
        maps = self.backbone(pixels)[self._first :]
        *finer, coarsest = (layer(values) for layer, values in zip(self.score, maps, strict=True))
        scores: Tensor = coarsest
        for double, skip in zip(reversed(self.doubling), reversed(finer), strict=True):
            scores = double(scores) + skip
        answer: Tensor = self.enlarge(scores)
        return answer


def bilinear_upsampling(channels: int, factor: int) -> nn.ConvTranspose2d:
    """A transposed convolution that begins as bilinear interpolation, each channel for itself.

    Away from the border it gives what ``interpolate(..., mode="bilinear")`` gives; beyond the
    border it takes zeros.

    Parameters
    ----------
    channels : int
        Of the map.
    factor : int
        How many times larger the map becomes; even.
    """
    layer = nn.ConvTranspose2d(
        channels, channels, 2 * factor, factor, factor // 2, groups=channels, bias=False
    )
    steps = torch.arange(2 * factor) - factor + 0.5
    tent = 1 - steps.abs() / factor
    with torch.no_grad():
        layer.weight.copy_(torch.outer(tent, tent).expand_as(layer.weight))
    return layer
