"""Overlap of all pairs: the textbook's numbers, whichever way the pairs are found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.boxes import box_iou
from tracker import overlap as module
from tracker.overlap import hidden, overlap, ratios, surroundings, touching
from tracker.types import Float


@st.composite
def boxes(draw: st.DrawFn) -> Float:
    count = draw(st.integers(0, 12))
    corner = draw(arrays(np.float64, (count, 2), elements=st.integers(-20, 100)))
    size = draw(arrays(np.float64, (count, 2), elements=st.integers(0, 60)))
    return np.concatenate((corner, corner + size), axis=1)


def cells(a: Float, b: Float) -> dict[tuple[int, int], float]:
    """Shared area by row and column."""
    rows, columns, shared = touching(np.ascontiguousarray(a.T), np.ascontiguousarray(b.T))
    assert (np.diff(rows) >= 0).all()
    pairs = list(zip(rows.tolist(), columns.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    return dict(zip(pairs, shared, strict=True))


@given(boxes(), boxes())
def test_is_intersection_over_union(a: Float, b: Float) -> None:
    np.testing.assert_allclose(overlap(a, b), box_iou(a, b), atol=1e-12)


@given(boxes(), boxes())
def test_a_sweep_finds_the_pairs_that_a_look_at_all_of_them_finds(a: Float, b: Float) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "FEW_PAIRS", 10**9)
        everything = cells(a, b)
        patch.setattr(module, "FEW_PAIRS", 0)
        assert cells(a, b) == everything


def test_one_box_as_wide_as_the_picture_hides_no_pair_from_the_sweep() -> None:
    generator = np.random.default_rng(2)
    corner = generator.uniform(0, 900, (120, 2))
    many = np.concatenate((corner, corner + 60), axis=1)
    many[7] = [0, 0, 1000, 1000]
    np.testing.assert_allclose(overlap(many, many), box_iou(many, many), atol=1e-12)


@given(boxes(), boxes())
def test_surroundings_are_what_the_single_questions_answer(a: Float, b: Float) -> None:
    near, among, covered = surroundings(np.ascontiguousarray(a.T), np.ascontiguousarray(b.T))
    dense = np.zeros((len(a), len(b)))
    dense[near.rows, near.columns] = near.share
    np.testing.assert_array_equal(dense, overlap(a, b))
    np.testing.assert_array_equal(covered, hidden(b, b))
    shares = ratios(among, np.ascontiguousarray(b.T))
    dense = np.zeros((len(b), len(b)))
    dense[shares.rows, shares.columns] = shares.share
    np.testing.assert_array_equal(dense, overlap(b, b))


def test_the_box_that_stands_lower_hides_the_other() -> None:
    behind, before = [0.0, 0, 40, 100], [20.0, 50, 60, 150]
    both = np.array([behind, before])
    np.testing.assert_allclose(hidden(both, both), [20 * 50 / 4000, 0.0])


def test_only_the_largest_cover_counts() -> None:
    one = np.array([[0.0, 0, 40, 100]])
    covers = np.array([[0.0, 60, 40, 160], [0.0, 80, 40, 180], [100.0, 0, 140, 500]])
    np.testing.assert_allclose(hidden(one, covers), [0.4])
