"""Tracks as owners of observations: numbering, cutting, and what speaks for each of them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tracker.smoothing import Smoothing
from tracker.tracklets import (
    NOBODY,
    Observations,
    appearance,
    classes,
    cut_at_gaps,
    evidence,
    paths,
    renumber,
    uncut_paths,
    without,
)


def owners(*who: int) -> NDArray[np.int64]:
    return np.array(who, np.int64)


def observed(
    frames: list[int],
    *,
    x: list[float] | None = None,
    scores: list[float] | None = None,
    kinds: list[int] | None = None,
    embeddings: list[list[float]] | None = None,
) -> Observations:
    """Boxes of 40 x 100, far apart unless their left edges are given."""
    count = len(frames)
    left = np.arange(count) * 500.0 if x is None else np.array(x)
    boxes = np.column_stack((left, np.zeros(count), left + 40.0, np.full(count, 100.0)))
    return Observations(
        np.array(frames),
        boxes,
        np.array(scores or [0.9] * count),
        np.array(kinds or [0] * count),
        None if embeddings is None else np.array(embeddings, np.float32),
    )


def test_numbers_have_no_holes_and_keep_their_order() -> None:
    assert renumber(owners(7, NOBODY, 3, 7, 9)).tolist() == [1, -1, 0, 1, 2]
    assert renumber(owners()).tolist() == []


def test_a_track_is_cut_where_it_was_not_seen_for_too_long() -> None:
    found = observed([1, 1, 2, 5, 6, 9, 12])
    pieces = cut_at_gaps(found, owners(4, 2, 4, 4, NOBODY, 4, 2), gap=2)
    assert pieces.tolist() == [2, 0, 2, 2, -1, 3, 1]
    assert cut_at_gaps(found, owners(4, 2, 4, 4, NOBODY, 4, 2), gap=10).max() == 1


def test_the_observations_of_some_tracks_are_given_free() -> None:
    owner = owners(0, NOBODY, 1, 0, 2)
    assert without(owner, np.array([True, False, True])).tolist() == [-1, -1, 1, -1, -1]
    nobody = owners(NOBODY, NOBODY)
    assert without(nobody, np.zeros(0, np.bool_)).tolist() == [-1, -1]


def test_what_speaks_for_a_track_are_number_density_and_confidence() -> None:
    found = observed([1, 2, 2, 3, 8], scores=[0.5, 0.9, 0.1, 0.7, 0.8])
    known = evidence(found, owners(0, 1, NOBODY, 0, 1))
    assert known.seen.tolist() == [2, 2]
    np.testing.assert_allclose(known.density, [2 / 3, 2 / 7])
    np.testing.assert_allclose(known.confidence, [0.6, 0.85])


def test_the_class_is_that_of_the_larger_confidence_in_sum() -> None:
    found = observed([1, 2, 3, 4, 5], scores=[0.9, 0.5, 0.5, 0.3, 0.0], kinds=[7, 2, 2, 7, 5])
    assert classes(found, owners(0, 0, 0, 1, 2)).tolist() == [2, 7, 5]
    assert classes(found, owners(*[NOBODY] * 5)).tolist() == []


def test_the_mean_look_is_weighted_by_what_the_observations_are_worth() -> None:
    found = observed(
        [1, 2, 3], scores=[0.81, 0.16, 0.5], embeddings=[[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]
    )
    mean = appearance(found, owners(0, 0, 1))
    assert mean is not None
    # The square of the fourth root of the score: 0.9 and 0.4.
    np.testing.assert_allclose(mean, [[0.9 / 0.97**0.5, 0.4 / 0.97**0.5], [0, 0]], rtol=1e-6)
    assert appearance(observed([1]), owners(0)) is None


def test_paths_name_the_rows_of_their_observations() -> None:
    found = observed([1, 2, 2, 4], x=[0.0, 500.0, 5.0, 15.0])
    path = paths(found, owners(0, NOBODY, 0, 0), 5, Smoothing())
    assert path.frames.tolist() == [1, 2, 3, 4]
    assert path.source.tolist() == [0, 2, -1, 3]
    np.testing.assert_allclose(path.boxes[:, 0], [0.0, 5.0, 10.0, 15.0], atol=1e-6)


@pytest.mark.parametrize(
    ("share", "whole"), [(0.75, True), (0.51, True), (0.49, False), (0.91, True), (0.93, False)]
)
def test_only_a_box_that_may_be_cut_off_gets_the_height_of_its_track(
    share: float, whole: bool
) -> None:
    frames = np.arange(1, 31)
    stands = np.tile([100.0, 0.0, 140.0, 100.0], (30, 1))
    stands[15, 3] = 100 * share
    # Someone nearer stands before it in that frame alone.
    boxes = np.vstack((stands[:16], [[100.0, 20.0, 140.0, 130.0]], stands[16:]))
    found = Observations(
        np.insert(frames, 16, 16), boxes, np.full(31, 0.9), np.zeros(31, np.int64), None
    )
    owner = owners(*[0] * 16, NOBODY, *[0] * 14)
    path = uncut_paths(found, owner, 5, Smoothing())
    height = path.boxes[15, 3] - path.boxes[15, 1]
    assert (height == pytest.approx(100.0, abs=0.1)) == whole


@pytest.mark.parametrize(("hidden", "whole"), [(13.0, True), (11.0, False)])
def test_a_box_is_doubted_where_more_than_a_fifth_is_hidden(hidden: float, whole: bool) -> None:
    """So many of the sixty rows that are left of him."""
    stands = np.tile([100.0, 0.0, 140.0, 100.0], (30, 1))
    stands[15, 3] = 60.0
    boxes = np.vstack((stands[:16], [[100.0, 60.0 - hidden, 140.0, 130.0]], stands[16:]))
    frames = np.insert(np.arange(1, 31), 16, 16)
    found = Observations(frames, boxes, np.full(31, 0.9), np.zeros(31, np.int64), None)
    path = uncut_paths(found, owners(*[0] * 16, NOBODY, *[0] * 14), 5, Smoothing())
    assert (path.boxes[15, 3] == pytest.approx(100.0, abs=0.1)) == whole


def test_who_is_cut_off_for_long_keeps_his_height_by_the_frames_in_full_view() -> None:
    """Cut boxes count a tenth: over ten frames of 75 rows the height sinks by little."""
    boxes = np.tile([100.0, 0.0, 140.0, 100.0], (40, 1))
    boxes[15:25, 3] = 75.0
    nearer = np.tile([100.0, 20.0, 140.0, 130.0], (10, 1))
    frames = np.concatenate((np.arange(40), np.arange(15, 25)))
    order = np.argsort(frames, kind="stable")
    owner = np.repeat([0, NOBODY], [40, 10])[order]
    found = Observations(
        frames[order],
        np.vstack((boxes, nearer))[order],
        np.full(50, 0.9),
        np.zeros(50, np.int64),
        None,
    )
    path = uncut_paths(found, owner, 5, Smoothing())
    heights = path.boxes[:, 3] - path.boxes[:, 1]
    assert heights.min() > 98.5
