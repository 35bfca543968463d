"""Tracks of a frame: fields of equal length that are selected together."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from tracker import Tracks

THREE = Tracks(
    np.array([1, 2, 5]),
    np.arange(12, dtype=np.float32).reshape(3, 4),
    np.array([0.9, 0.8, 0.7], np.float32),
    np.array([0, 2, 0]),
    np.array([False, True, False]),
    np.array([1, -1, 0]),
)


@pytest.mark.parametrize(
    ("rows", "picked"),
    [
        (np.array([True, False, True]), [0, 2]),
        ([2, 0], [2, 0]),
        (slice(1, None), [1, 2]),
        ([], []),
        (np.zeros(3, np.bool_), []),
    ],
)
def test_all_fields_are_selected_together(rows: Any, picked: list[int]) -> None:
    chosen = THREE[rows]
    assert len(chosen) == len(picked)
    for field in fields(Tracks):
        expected = getattr(THREE, field.name)[np.array(picked, np.int64)]
        np.testing.assert_array_equal(getattr(chosen, field.name), expected)


def test_no_track_has_the_shapes_and_types_of_some() -> None:
    none = Tracks.empty()
    for field in fields(Tracks):
        some, got = getattr(THREE, field.name), getattr(none, field.name)
        assert (got.shape, got.dtype) == ((0, *some.shape[1:]), some.dtype)
