"""Free detections: which a track claims, and which box of a tracker stands for which detection."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tracker.claiming import Claiming, adopt, claim
from tracker.smoothing import Smoothing
from tracker.tracklets import NOBODY, Observations

ONCE = Claiming(rounds=1)


def walk(
    frames: list[int], *, speed: float = 10.0, embeddings: list[list[float]] | None = None
) -> Observations:
    """One who walks to the right: his detections in some frames."""
    moments = np.array(frames)
    left = speed * moments
    boxes = np.column_stack((left, 0 * left, left + 40.0, 0 * left + 100.0))
    return Observations(
        moments,
        boxes,
        np.full(len(frames), 0.9),
        np.zeros(len(frames), np.int64),
        None if embeddings is None else np.array(embeddings, np.float32),
    )


def claimed(found: Observations, owned: list[int], rule: Claiming = ONCE) -> list[int]:
    """Frames whose detection has an owner after it, where some have one before."""
    owner = np.where(np.isin(found.frames, owned), 0, NOBODY)
    after: NDArray[np.int64] = claim(found, owner, rule, Smoothing())
    return [int(frame) for frame in found.frames[after == 0]]


def test_what_lies_in_a_gap_is_claimed_from_the_first_to_the_last() -> None:
    found = walk([*range(1, 21)])
    assert claimed(found, [*range(6, 11), *range(14, 16)], replace(ONCE, ahead=0)) == [
        *range(6, 16)
    ]


@pytest.mark.parametrize(("rounds", "more"), [(1, 5), (2, 10), (3, 12)])
def test_each_round_goes_some_frames_further_to_both_sides(rounds: int, more: int) -> None:
    found = walk([*range(1, 31)])
    got = claimed(found, [*range(13, 19)], replace(ONCE, rounds=rounds))
    assert got == [*range(13 - more, 19 + more)]


def test_two_detections_tell_where_a_track_goes() -> None:
    assert claimed(walk([1, 2, 3, 4, 5], speed=40.0), [2, 3]) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(("shift", "taken"), [(17.0, True), (17.3, False)])
def test_a_detection_has_to_overlap_what_is_expected(shift: float, taken: bool) -> None:
    found = walk([1, 2, 3, 4, 5], speed=0.0)
    found.boxes[4, (0, 2)] += shift
    assert (5 in claimed(found, [1, 2, 3, 4])) == taken


@pytest.mark.parametrize(("score", "taken"), [(0.1, True), (0.09, False)])
def test_a_detection_has_to_be_sure_enough(score: float, taken: bool) -> None:
    found = walk([1, 2, 3, 4, 5])
    found.scores[4] = score
    assert (5 in claimed(found, [1, 2, 3, 4])) == taken


@pytest.mark.parametrize(
    ("look", "taken"), [([0.8, 0.6], True), ([0.5, 0.866], False), ([0.0, 0.0], True)]
)
def test_who_looks_another_is_not_claimed(look: list[float], taken: bool) -> None:
    found = walk([1, 2, 3, 4, 5], embeddings=[[1.0, 0.0]] * 4 + [look])
    assert (5 in claimed(found, [1, 2, 3, 4])) == taken


def test_what_has_an_owner_is_not_claimed_and_nobody_claims_nothing() -> None:
    found = walk([1, 2, 3, 4, 5])
    owner = np.array([3, 3, 3, 8, NOBODY])
    assert claim(found, owner, ONCE, Smoothing()).tolist()[:4] == [0, 0, 0, 1]
    assert claimed(found, []) == []


def test_a_track_claims_no_second_detection_of_a_frame() -> None:
    found = walk([1, 1, 2, 2, 3, 4])
    owner = np.array([0, NOBODY, 0, NOBODY, 0, 0])
    assert claim(found, owner, ONCE, Smoothing()).tolist() == owner.tolist()


def test_a_box_of_a_tracker_stands_for_the_detection_on_which_it_lies() -> None:
    found = walk([1, 1, 2, 4], speed=0.0)
    found.boxes[1, (0, 2)] += 500
    boxes = found.boxes[[2, 1, 0, 3]]
    boxes[0, (0, 2)] += 10.0  # an overlap of 0.6
    boxes[2, (0, 2)] += 10.5
    owner = adopt(found, np.array([2, 1, 1, 3]), boxes, np.array([7, 9, 7, 7]), 0.6)
    assert owner.tolist() == [NOBODY, 9, 7, NOBODY]


@pytest.mark.parametrize(("gap", "claimed_back"), [(10, True), (11, False)])
def test_a_gap_of_up_to_ten_frames_is_looked_into(gap: int, claimed_back: bool) -> None:
    frames = [*range(1, 15 + gap)]
    got = claimed(walk(frames), [*range(1, 8), *range(8 + gap, 15 + gap)], replace(ONCE, ahead=1))
    assert (got == frames) == claimed_back


def test_by_default_there_are_three_rounds() -> None:
    assert claimed(walk([*range(1, 51)]), [*range(23, 29)], Claiming()) == [*range(8, 44)]


def test_the_limit_of_looks_belongs_to_what_is_allowed() -> None:
    found = walk([1, 2, 3, 4, 5], embeddings=[[1.0, 0.0]] * 4 + [[0.0, 1.0]])
    assert 5 in claimed(found, [1, 2, 3, 4], replace(ONCE, look_alike=1.0))


def test_a_free_detection_is_found_behind_those_that_have_an_owner() -> None:
    """One who is far away stands first in every frame."""
    one, other = walk([1, 2, 3, 4, 5]), walk([1, 2, 3, 4, 5])
    other.boxes[:, (1, 3)] += 300.0
    frames = np.repeat(one.frames, 2)
    boxes = np.stack((other.boxes, one.boxes), axis=1).reshape(-1, 4)
    found = Observations(frames, boxes, np.full(10, 0.9), np.zeros(10, np.int64), None)
    owner = np.array([1, 0] * 4 + [1, NOBODY])
    assert claim(found, owner, ONCE, Smoothing()).tolist() == [1, 0] * 5


def test_where_no_track_is_expected_anywhere_nothing_is_claimed() -> None:
    found = walk([0, 1, 2, 3])
    assert claimed(found, [0, 1, 2, 3], replace(ONCE, ahead=0)) == [0, 1, 2, 3]
