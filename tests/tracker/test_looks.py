"""What each track looks like: means that are learnt, age, and tracks without a look."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tracker.looks import Looks
from tracker.observation import Appearance

LEFT, UP = [1.0, 0.0], [0.0, 1.0]


def places(*numbers: int) -> NDArray[np.int64]:
    return np.array(numbers, np.int64)


def given(*rows: list[float]) -> NDArray[np.float32]:
    return np.array(rows, np.float32)


def learnt() -> Looks:
    """Three tracks, of which the middle one has no look yet."""
    looks = Looks()
    looks.append(3)
    looks.learn(places(0, 2), given(LEFT, UP), keep=0.5)
    return looks


def test_the_distance_to_a_track_without_a_look_is_none() -> None:
    detections = Appearance(2, given(LEFT, [0.6, 0.8]))
    far = learnt().distances(detections, places(0, 1, 2), places(0, 1, 1))
    np.testing.assert_allclose(far, [0.0, 0.0, 0.2], atol=1e-6)
    fresh = Looks()
    fresh.append(1)
    assert fresh.distances(detections, places(0), places(1)).tolist() == [0.0]
    assert fresh.width == 0


def test_only_the_detections_that_are_compared_are_asked_for() -> None:
    asked: list[int] = []

    def embed(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        asked.extend(rows.tolist())
        return given(LEFT, UP, LEFT, UP)[rows]

    far = learnt().distances(Appearance(4, embed), places(0, 2, 0), places(3, 1, 1))
    assert asked == [1, 3]
    np.testing.assert_allclose(far, [1.0, 0.0, 1.0], atol=1e-6)


@pytest.mark.parametrize(("frames", "share"), [(1, 0.5), (3, 0.125), (5, 0.5**5), (9, 0.5**5)])
def test_a_late_lesson_makes_up_for_some_missed_ones(frames: int, share: float) -> None:
    looks = learnt()
    for _ in range(frames):
        looks.grow_older(1.0)
    looks.learn(places(0), given(UP), keep=0.5)
    expected = np.array([share, 1 - share]) / np.hypot(share, 1 - share)
    np.testing.assert_allclose(looks.means[0], expected, rtol=1e-5)
    assert looks.age.tolist() == [0.0, np.inf, frames]


def test_no_lesson_changes_nothing_and_tracks_go_with_their_looks() -> None:
    looks = learnt()
    looks.learn(places(), given(), keep=0.5)
    assert looks.width == 2
    looks.keep(np.array([False, True, True]))
    looks.append(1)
    assert looks.means.tolist() == [[0, 0], UP, [0, 0]]
    assert looks.age.tolist() == [np.inf, 0.0, np.inf]
