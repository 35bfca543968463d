"""MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381) without its classifier."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from models.errors import ModelError

FEATURES = 1280
"""Numbers that the network says of an image."""

# Table 2 of the paper: expansion, channels out, blocks, stride of the first block.
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class InvertedResidual(nn.Module):
    """Widen by 1x1, filter each channel by 3x3, narrow by 1x1; added to the input where it fits."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        widen = [] if expansion == 1 else _conv(inputs, hidden, 1)
        filtered = _conv(hidden, hidden, 3, stride, groups=hidden)
        # The narrow end is linear: a ReLU there would lose information (section 3.2).
        self.conv = nn.Sequential(*widen, *filtered, *_conv(hidden, outputs, 1)[:2])
        self.residual = stride == 1 and inputs == outputs

    def forward(self, images: Tensor) -> Tensor:
        """Feature maps [N, C, H, W] to feature maps."""
        filtered: Tensor = self.conv(images)
        return images + filtered if self.residual else filtered


class MobileNetV2(nn.Module):
    """Images float32 [N, 3, H, W], normalised as for ImageNet, to features [N, 1280]."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Sequential(*_conv(3, 32, 3, 2))]
        channels = 32
        for expansion, outputs, blocks, stride in _STAGES:
            for block in range(blocks):
                step = stride if block == 0 else 1
                layers.append(InvertedResidual(channels, outputs, step, expansion))
                channels = outputs
        layers.append(nn.Sequential(*_conv(channels, FEATURES, 1)))
        self.features = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """Mean of the last feature maps over the image."""
        maps: Tensor = self.features(images)
        return maps.mean(dim=(2, 3))


def load_mobilenet(weights: Path) -> MobileNetV2:
    """The network with the weights of a state dict.

    Raises
    ------
    ModelError
        The file is no state dict of this network. Nothing but tensors is unpickled.
    """
    network = MobileNetV2()
    try:
        network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    except Exception as error:  # torch raises what its reader happens to meet
        raise ModelError(f"{weights}: expected a state dict of MobileNetV2: {error}") from error
    return network.eval()


def _conv(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(inplace=True),
    ]
