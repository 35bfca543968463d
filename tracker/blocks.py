"""Rows in blocks whose temporary arrays stay small: memory costs more than the arithmetic."""

from __future__ import annotations

from collections.abc import Iterator

BLOCK = 1 << 14
"""Numbers in a temporary array, 128 KiB: a larger one is mapped into fresh pages every time."""


def row_blocks(rows: int, width: int) -> Iterator[slice]:
    """Slices that cover all rows; ``width`` numbers a row go into the largest temporary."""
    step = max(1, BLOCK // max(1, width))
    for start in range(0, rows, step):
        yield slice(start, start + step)
