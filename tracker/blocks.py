"""Tables of all pairs at little cost: in blocks of rows, and which of their cells are set."""

from __future__ import annotations

import numpy as np

from tracker.types import Integer, Mask

BLOCK = 1 << 14
"""Numbers in a temporary array, 128 KiB: a larger one is mapped into fresh pages every time."""

FEW_CELLS = 256
"""Up to so many cells, numpy finds those that are set as fast in two dimensions as in one."""


def row_blocks(rows: int, width: int) -> list[slice]:
    """Slices that cover all rows; ``width`` numbers a row go into the largest temporary."""
    if rows * width <= BLOCK:
        return [slice(rows)]
    step = max(1, BLOCK // max(1, width))
    return [slice(start, start + step) for start in range(0, rows, step)]


def pairs_in(table: Mask) -> tuple[Integer, Integer]:
    """Rows and columns of the cells that are true, ordered by row.

    What ``table.nonzero()`` answers; in one dimension numpy finds them several times faster where
    they are many.
    """
    if table.size <= FEW_CELLS:
        rows, columns = table.nonzero()
    else:
        rows, columns = np.divmod(table.ravel().nonzero()[0], max(1, table.shape[1]))
    return rows, columns
