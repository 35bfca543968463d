"""Who is whom: assignment of least cost, solved only where more than one answer is possible."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tracker.blocks import pairs_in
from tracker.number import number
from tracker.types import Float, Integer, Mask

ONCE = number(1)
"""How often a row and a column of a pair without rivals occur."""

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
    rows, columns = pairs_in(cost <= limit)
    return assign_pairs(rows, columns, cost[rows, columns], limit)


def assign_pairs(
    rows: Integer, columns: Integer, cost: Float, limit: float
) -> tuple[Integer, Integer]:
    """:func:`assign` where the possible pairs are listed; all others are impossible.

    Parameters
    ----------
    rows, columns : int64 [P]
        Ordered by row.
    cost : float64 [P]
    limit : float
        Highest cost of a pair.
    """
    allowed = (cost <= limit).nonzero()[0]
    if len(allowed) < len(cost):
        rows, columns, cost = rows[allowed], columns[allowed], cost[allowed]
    if len(rows) < 2:
        return rows, columns
    alone = unrivalled(rows, columns)
    rivals = ~alone
    if not len(rivals.nonzero()[0]):
        return rows, columns
    r, c = _contested(rows[rivals], columns[rivals], cost[rivals], limit)
    rows = np.concatenate([rows[alone], r])
    columns = np.concatenate([columns[alone], c])
    order = rows.argsort()
    return rows[order], columns[order]


def unrivalled(rows: Integer, columns: Integer) -> Mask:
    """Which of some pairs, int64 [P] both, have a row and a column that no other has."""
    often = np.bincount(rows)[rows]
    often *= np.bincount(columns)[columns]
    alone: Mask = often == ONCE
    return alone


def _contested(
    rows: Integer, columns: Integer, cost: Float, limit: float
) -> tuple[Integer, Integer]:
    """Pairs of least cost among rows and columns of which some have several choices."""
    # Which rows there are, ascending; for so few numbers faster than np.unique.
    open_rows = np.bincount(rows).nonzero()[0]
    open_columns = np.bincount(columns).nonzero()[0]
    dense = np.full((len(open_rows), len(open_columns)), np.inf)
    dense[open_rows.searchsorted(rows), open_columns.searchsorted(columns)] = cost
    solve = _solve if len(open_rows) < SPLIT_FROM else _solve_groups
    r, c = solve(dense, limit)
    return open_rows[r], open_columns[c]


def _solve(cost: Float, limit: float) -> tuple[Integer, Integer]:
    # Impossible pairs cost as much as leaving both alone, so that none of them is worth a detour.
    capped = np.minimum(cost, limit)
    rows, columns = linear_sum_assignment(capped)
    real = cost[rows, columns] <= limit
    return rows[real], columns[real]


def _solve_groups(cost: Float, limit: float) -> tuple[Integer, Integer]:
    count_rows, count_columns = cost.shape
    rows, columns = pairs_in(cost <= limit)
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
