"""Tables of pairs: every row is in one block, no block is too large, set cells come by row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays

from tracker import blocks as module
from tracker.blocks import BLOCK, FEW_CELLS, pairs_in, row_blocks
from tracker.types import Mask


@pytest.mark.parametrize(
    ("rows", "width"), [(0, 5), (7, 0), (4, BLOCK // 4), (100, 1000), (5, 2 * BLOCK), (64, 257)]
)
def test_blocks_cover_each_row_once_and_fit(rows: int, width: int) -> None:
    blocks = row_blocks(rows, width)
    taken = [np.arange(rows)[block] for block in blocks]
    assert np.concatenate(taken).tolist() == list(range(rows))
    assert all(len(part) <= max(1, BLOCK // max(1, width)) or width == 0 for part in taken)
    # As few as fit: what is small is not cut at all.
    assert len(blocks) == max(1, -(-rows // max(1, min(rows, BLOCK // max(1, width)))))


@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=7)))
def test_set_cells_come_by_row(table: Mask) -> None:
    expected = table.nonzero()
    for few in (0, FEW_CELLS):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "FEW_CELLS", few)
            for got, wanted in zip(pairs_in(table), expected, strict=True):
                assert got.tolist() == wanted.tolist()
