"""What is remembered of looks: the nearest of the last samples, and means that stay unit rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tracker.gallery import Gallery, blend, cosine_distances

LEFT, UP, BETWEEN, NONE = [1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [0.0, 0.0]


def looks(*rows: list[float]) -> NDArray[np.float32]:
    return np.array(rows, np.float32)


def places(*numbers: int) -> NDArray[np.int64]:
    return np.array(numbers, np.int64)


@given(seed=st.integers(0, 10**6), pairs=st.integers(0, 40))
def test_a_cosine_distance_is_one_less_the_product(seed: int, pairs: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(5, 3)).astype(np.float32), rng.normal(size=(8, 3)).astype(np.float32)
    rows, columns = rng.integers(0, 5, pairs), rng.integers(0, 8, pairs)
    expected = [1 - float(np.dot(a[i], b[j])) for i, j in zip(rows, columns, strict=True)]
    got = cosine_distances(a, b, rows, columns)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_a_mean_keeps_its_share_of_the_old_and_has_length_1() -> None:
    mixed = blend(looks(LEFT, LEFT), looks(UP, UP), looks([0.75], [0.0]))
    np.testing.assert_allclose(mixed, [[0.75 / 0.625**0.5, 0.25 / 0.625**0.5], UP], rtol=1e-6)


def test_who_has_no_look_takes_the_new_one_and_none_at_all_stays_none() -> None:
    mixed = blend(looks(NONE, NONE), looks(UP, NONE), looks([0.9], [0.9]))
    np.testing.assert_allclose(mixed, [UP, NONE], rtol=1e-6)


def test_the_nearest_of_the_samples_counts() -> None:
    gallery = Gallery(budget=2)
    gallery.append(2)
    gallery.add(places(0), looks(LEFT))
    gallery.add(places(0), looks(UP))
    far = gallery.distances(looks(LEFT, BETWEEN), places(0, 0, 1), places(0, 1, 0))
    np.testing.assert_allclose(far, [0.0, 0.2, 2.0], atol=1e-6)


def test_the_oldest_sample_gives_way() -> None:
    gallery = Gallery(budget=2)
    gallery.append(1)
    for sample in (LEFT, UP, UP):
        gallery.add(places(0), looks(sample))
    assert gallery.distances(looks(LEFT), places(0), places(0))[0] == pytest.approx(1.0)


def test_tracks_keep_their_samples_when_others_die_and_are_born() -> None:
    gallery = Gallery(budget=3)
    gallery.append(2)
    gallery.add(places(0, 1), looks(LEFT, UP))
    gallery.keep(np.array([False, True]))
    gallery.append(3)
    gallery.add(places(2), looks(LEFT))
    gallery.add(places(), looks())
    assert len(gallery) == 4
    far = gallery.distances(looks(UP), places(0, 1, 2, 3), places(0, 0, 0, 0))
    np.testing.assert_allclose(far, [0.0, 2.0, 1.0, 2.0], atol=1e-6)


def test_many_births_and_deaths_need_no_more_room_than_live_at_once() -> None:
    gallery = Gallery(budget=1)
    for _ in range(50):
        gallery.append(4)
        gallery.add(np.arange(4), looks(LEFT, UP, LEFT, UP))
        gallery.keep(places())
    assert sum(part.nbytes for part in vars(gallery).values() if hasattr(part, "nbytes")) < 1000
