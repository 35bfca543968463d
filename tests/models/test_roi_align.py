"""RoI align against its definition: bilinear samples, averaged."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from models.errors import InvalidInput
from models.roi_align import roi_align


def by_definition(features: Tensor, box: Tensor, size: int, scale: float, ratio: int) -> Tensor:
    """One region's features, sample by sample."""
    _, height, width = features.shape
    left, top, right, bottom = (box * scale).tolist()
    cell_x = max(right - left, 1.0) / size
    cell_y = max(bottom - top, 1.0) / size
    answer = torch.zeros(len(features), size, size)
    for row, column, i, j in np.ndindex(size, size, ratio, ratio):
        y = min(max(top + (row + (i + 0.5) / ratio) * cell_y, 0), height - 1)
        x = min(max(left + (column + (j + 0.5) / ratio) * cell_x, 0), width - 1)
        below, beside = min(int(y) + 1, height - 1), min(int(x) + 1, width - 1)
        share_y, share_x = y - int(y), x - int(x)
        upper = features[:, int(y), int(x)] * (1 - share_x) + features[:, int(y), beside] * share_x
        lower = features[:, below, int(x)] * (1 - share_x) + features[:, below, beside] * share_x
        answer[:, row, column] += (upper * (1 - share_y) + lower * share_y) / ratio**2
    return answer


def test_samples_are_averaged_as_defined() -> None:
    torch.manual_seed(0)
    features = torch.randn(2, 3, 12, 20)
    boxes = torch.tensor(
        [
            [0, 10.0, 20.0, 90.0, 70.0],
            [1, 0.0, 0.0, 160.0, 96.0],  # the whole picture
            [0, 150.0, 90.0, 160.0, 96.0],  # in its corner
            [1, 33.0, 41.0, 35.0, 42.0],  # smaller than a cell
        ]
    )
    found = roi_align(features, boxes, (4, 4), 1 / 8, 2)
    for row, box in enumerate(boxes):
        expected = by_definition(features[int(box[0])], box[1:], 4, 1 / 8, 2)
        torch.testing.assert_close(found[row], expected, atol=1e-4, rtol=1e-4)


def test_more_regions_than_are_done_at_once_keep_their_order() -> None:
    features = torch.arange(40.0).repeat(8, 1)[None, None]  # the value is the column
    starts = torch.linspace(1, 30, 300)
    boxes = torch.stack([0 * starts, starts, 0 * starts + 2, starts + 4, 0 * starts + 6], 1)
    found = roi_align(features, boxes, (2, 2), 1.0, 2)
    torch.testing.assert_close(found[:, 0, 0, 0], starts + 1)
    torch.testing.assert_close(found[:, 0, 1, 1], starts + 3)


def test_alignment_moves_by_half_a_cell() -> None:
    features = torch.arange(40.0).repeat(8, 1)[None, None]
    boxes = torch.tensor([[0, 10.0, 2.0, 14.0, 6.0]])
    plain, aligned = (roi_align(features, boxes, (1, 1), 1.0, 2, way) for way in (False, True))
    assert float(plain - aligned) == pytest.approx(0.5, abs=1e-4)


def test_no_region_is_no_answer() -> None:
    assert roi_align(torch.zeros(1, 5, 4, 4), torch.zeros(0, 5), (7, 7), 1.0, 2).shape == (
        0,
        5,
        7,
        7,
    )


def test_a_number_of_samples_is_needed() -> None:
    with pytest.raises(InvalidInput, match="sampling_ratio: expected at least 1, got -1"):
        roi_align(torch.zeros(1, 1, 4, 4), torch.zeros(1, 5), (7, 7))
