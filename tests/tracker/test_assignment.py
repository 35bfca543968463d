"""Assignment: least cost, whatever way the problem is taken apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from tracker.assignment import SPLIT_FROM, assign
from tracker.types import Float

LIMIT = 1.0


def total(cost: Float, rows: np.ndarray, columns: np.ndarray) -> float:
    """Cost of an answer: a pair saves what leaving both alone would cost."""
    return float((cost[rows, columns] - LIMIT).sum())


def least(cost: Float) -> float:
    """The least total, from one assignment of everything."""
    capped = np.minimum(cost, LIMIT)
    return float((capped[linear_sum_assignment(capped)] - LIMIT).sum())


costs = arrays(
    np.float64,
    st.tuples(st.integers(0, 12), st.integers(0, 12)),
    elements=st.one_of(st.floats(0, 2), st.just(np.inf)),
)


@given(costs)
def test_cost_is_least_and_no_pair_is_beyond_the_limit(cost: Float) -> None:
    rows, columns = assign(cost, LIMIT)
    assert len(set(rows.tolist())) == len(rows)
    assert len(set(columns.tolist())) == len(columns)
    assert (cost[rows, columns] <= LIMIT).all()
    assert total(cost, rows, columns) == pytest.approx(least(cost), abs=1e-9)


@pytest.mark.parametrize("density", [0.005, 0.02, 0.3])
def test_large_problems_are_split_without_loss(density: float) -> None:
    generator = np.random.default_rng(5)
    size = 4 * SPLIT_FROM
    cost = generator.random((size, size + 7))
    cost[generator.random(cost.shape) > density] = np.inf
    rows, columns = assign(cost, LIMIT)
    assert total(cost, rows, columns) == pytest.approx(least(cost), abs=1e-9)


def test_rows_come_in_order() -> None:
    rows, columns = assign(np.array([[0.5, 0.2], [0.1, 0.5], [np.inf, np.inf]]), LIMIT)
    assert rows.tolist() == [0, 1]
    assert columns.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("cost", "pairs"),
    [([[LIMIT]], [(0, 0)]), ([[0.5, LIMIT], [0.2, np.inf]], [(0, 1), (1, 0)])],
)
def test_a_pair_that_costs_the_limit_is_made(
    cost: list[list[float]], pairs: list[tuple[int, int]]
) -> None:
    rows, columns = assign(np.array(cost), LIMIT)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == pairs


def test_a_pair_that_costs_the_limit_is_made_in_a_large_problem_too() -> None:
    cost = np.full((2 * SPLIT_FROM, 2 * SPLIT_FROM), np.inf)
    for i in range(0, len(cost), 2):
        cost[i : i + 2, i : i + 2] = [[0.5, LIMIT], [0.2, np.inf]]
    rows, columns = assign(cost, LIMIT)
    assert rows.tolist() == list(range(len(cost)))
    assert columns.tolist() == [i ^ 1 for i in range(len(cost))]


def test_nothing_to_pair() -> None:
    rows, columns = assign(np.zeros((0, 3)), LIMIT)
    assert len(rows) == len(columns) == 0
