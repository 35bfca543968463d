"""RoI align in plain torch, for a TorchVision whose compiled operators cannot be loaded.

TorchVision has a second implementation of its own, but compiles it when it is first used, which
takes a C++ compiler and half a minute. Source: He et al., "Mask R-CNN", ICCV 2017, section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from models.errors import InvalidInput

_AT_ONCE = 128
"""Regions whose samples are in memory at the same time."""


def roi_align(
    input: Tensor,
    boxes: Tensor,
    output_size: tuple[int, int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:
    """Features of each region, averaged over a grid of bilinear samples.

    Parameters
    ----------
    input : [B, C, H, W]
        Feature maps of a batch.
    boxes : [K, 5]
        Row of the batch, then x1, y1, x2, y2 in pixels of the picture, inside of it.
    output_size : (int, int)
        Rows and columns of the answer.
    spatial_scale : float
        Cells of the feature map a pixel.
    sampling_ratio : int
        Samples along each side of a cell of the answer, at least 1.
    aligned : bool
        A cell's centre lies at one half, not at zero.

    Returns
    -------
    [K, C, rows, columns]

    Raises
    ------
    InvalidInput
        A ``sampling_ratio`` below 1; numbers that differ from box to box are not done here.
    """
    if sampling_ratio < 1:
        raise InvalidInput(f"sampling_ratio: expected at least 1, got {sampling_ratio}")
    rows, columns = output_size
    answer = input.new_zeros(len(boxes), input.shape[1], rows, columns)
    for row, features in enumerate(input):
        own = torch.nonzero(boxes[:, 0] == row).flatten()
        for first in range(0, len(own), _AT_ONCE):
            chosen = own[first : first + _AT_ONCE]
            regions = boxes[chosen, 1:] * spatial_scale - (0.5 if aligned else 0.0)
            sides = regions[:, 2:] - regions[:, :2]
            if not aligned:
                sides = sides.clamp(min=1)
            x = _samples(regions[:, 0], sides[:, 0], columns * sampling_ratio)
            y = _samples(regions[:, 1], sides[:, 1], rows * sampling_ratio)
            sampled = _sampled(features, x, y)
            answer[chosen] = functional.avg_pool2d(sampled, sampling_ratio)
    return answer


def _samples(start: Tensor, side: Tensor, count: int) -> Tensor:
    """Positions [K, count] at the middles of equal parts of each side, in cells."""
    middles = (torch.arange(count, dtype=start.dtype, device=start.device) + 0.5) / count
    return start[:, None] + side[:, None] * middles


def _sampled(features: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Features [C, H, W] at every x [K, I] of every y [K, J]: [K, C, J, I]."""
    channels, height, width = features.shape
    # -1 and 1 are the outer edges of the map; position 0 is the centre of its first cell.
    across = (2 * x + 1) / width - 1
    down = (2 * y + 1) / height - 1
    count, lines = down.shape
    grid = torch.stack(
        [across[:, None].expand(-1, lines, -1), down[..., None].expand(-1, -1, x.shape[1])], dim=-1
    )
    flat = functional.grid_sample(
        features[None],
        grid.reshape(1, count * lines, -1, 2),
        padding_mode="border",
        align_corners=False,
    )
    return flat[0].reshape(channels, count, lines, -1).transpose(0, 1)
