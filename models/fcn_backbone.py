"""What fully convolutional detectors and segmenters see with: maps at strides of 8, 16 and 32."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.mobilenet import MobileNetV2, load_mobilenet

STRIDES = (8, 16, 32)


class Colours(NamedTuple):
    """How images are normalised: red, green and blue, on a scale of 0 to 1."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


IMAGENET = Colours((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""What nearly all published networks are used to."""


class Maps(NamedTuple):
    """Feature maps [N, C, H / stride, W / stride] of a batch of images."""

    stride8: Tensor
    stride16: Tensor
    stride32: Tensor


class Backbone(nn.Module):
    """Camera pixels to feature maps.

    Parameters
    ----------
    parts : three modules
        From the normalised image to the map of stride 8, from there to 16, and to 32.
    channels : (int, int, int)
        Of the three maps.
    colours : Colours
        How images are normalised for the first part.
    """

    def __init__(
        self,
        parts: tuple[nn.Module, nn.Module, nn.Module],
        channels: tuple[int, int, int],
        colours: Colours = IMAGENET,
    ) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.channels = channels
        scale = torch.tensor([1 / (255 * std) for std in colours.std])
        offset = torch.tensor([-mean / std for mean, std in zip(*colours, strict=True)])
        self.register_buffer("scale", scale[:, None, None], persistent=False)
        self.register_buffer("offset", offset[:, None, None], persistent=False)

    def forward(self, pixels: Tensor) -> Maps:
        """Maps of images uint8 [N, H, W, 3] in BGR order, H and W multiples of 32."""
        scale, offset = self.get_buffer("scale"), self.get_buffer("offset")
        maps = []
        values = pixels.permute(0, 3, 1, 2).flip(1).to(scale.dtype) * scale + offset
        for part in self.parts:
            values = part(values)
            maps.append(values)
        return Maps(*maps)


def mobilenet_backbone(weights: Path | None = None) -> Backbone:
    """MobileNetV2 as a backbone, 2.2 million weights; those of a file, or random ones.

    Raises
    ------
    ModelError
        The file is no state dict of this network.
    """
    network = MobileNetV2() if weights is None else load_mobilenet(weights)
    layers = network.features
    return Backbone((layers[:7], layers[7:14], layers[14:]), (32, 96, 1280))
