"""Who is whom: assignment of least cost, solved only where more than one answer is possible."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tracker.types import Float, Integer, Mask

SPLIT_FROM = 48
"""Contested rows from which finding independent groups costs less than solving all at once."""


def assign(cost: Float, limit: float) -> tuple[Integer, Integer]:
    """Pair rows with columns so that the summed cost is least.

    A pair that costs more than ``limit`` is never made, and leaving both sides alone costs
    ``limit``. A row and a column that have only each other are paired at once; the Hungarian
    method (scipy) sees the rest alone, one connected group at a time when the rest is large.

    Parameters
    ----------
    cost : float64 [N, M]
        Infinite where a pair is impossible.
    limit : float
        Highest cost of a pair.

    Returns
    -------
    rows, columns : int64 [K]
        Paired, each at most once, ordered by row.
    """
    allowed = cost <= limit
    row_choices = allowed.sum(axis=1)
    column_choices = allowed.sum(axis=0)
    rows, columns = _only_choices(allowed, row_choices, column_choices)
    row_choices[rows] = 0
    column_choices[columns] = 0
    open_rows = row_choices.nonzero()[0]
    open_columns = column_choices.nonzero()[0]
    if not len(open_rows):
        return rows, columns
    contested = np.ix_(open_rows, open_columns)
    if len(open_rows) < SPLIT_FROM:
        r, c = _solve(cost[contested], limit)
    else:
        r, c = _solve_groups(cost[contested], allowed[contested], limit)
    rows = np.concatenate([rows, open_rows[r]])
    columns = np.concatenate([columns, open_columns[c]])
    order = np.argsort(rows)
    return rows[order], columns[order]


def _only_choices(
    allowed: Mask, row_choices: Integer, column_choices: Integer
) -> tuple[Integer, Integer]:
    """Pairs whose row and column have no other choice."""
    rows = (row_choices == 1).nonzero()[0]
    if not len(rows):
        return rows, rows
    columns = allowed[rows].argmax(axis=1)
    alone = column_choices[columns] == 1
    return rows[alone], columns[alone]


def _solve(cost: Float, limit: float) -> tuple[Integer, Integer]:
    # Impossible pairs cost as much as leaving both alone, so that none of them is worth a detour.
    capped = np.minimum(cost, limit)
    rows, columns = linear_sum_assignment(capped)
    real = cost[rows, columns] <= limit
    return rows[real], columns[real]


def _solve_groups(cost: Float, allowed: Mask, limit: float) -> tuple[Integer, Integer]:
    count_rows, count_columns = cost.shape
    rows, columns = np.nonzero(allowed)
    size = count_rows + count_columns
    links = coo_array((np.ones(len(rows), np.int8), (rows, columns + count_rows)), (size, size))
    count, group = connected_components(links, directed=False)
    if count == 1:
        return _solve(cost, limit)
    by_row = np.argsort(group[:count_rows], kind="stable")
    by_column = np.argsort(group[count_rows:], kind="stable")
    row_ends = np.cumsum(np.bincount(group[:count_rows], minlength=count))[:-1]
    column_ends = np.cumsum(np.bincount(group[count_rows:], minlength=count))[:-1]
    found = [
        (r[i], c[j])
        for r, c in zip(np.split(by_row, row_ends), np.split(by_column, column_ends), strict=True)
        for i, j in [_solve(cost[np.ix_(r, c)], limit)]
    ]
    return np.concatenate([r for r, _ in found]), np.concatenate([c for _, c in found])
