"""The rows that refinement takes and answers: scores, ids, frames, and the edge of the image."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import InvalidInput
from tests.tracker.paths import walk
from tracker.refine import refine

SIZE = (1000.0, 600.0)


def test_a_score_that_is_not_known_counts_as_sure_and_none_is_above_one() -> None:
    rows = walk(1, range(1, 31), (200, 300), (5, 0))
    rows[:, 6] = np.where(np.arange(30) % 2, -1.0, 7.0)
    assert set(refine(rows, size=SIZE)[:, 6]) == {1.0}
    rows[:, 6] = 0.75
    assert set(refine(rows, size=SIZE)[:, 6]) == {0.75}


def test_a_filled_box_has_the_score_of_the_one_before_it() -> None:
    rows = np.delete(walk(1, range(1, 31), (200, 300), (5, 0)), range(10, 15), axis=0)
    rows[:, 6] = rows[:, 0] / 100 + 0.6
    better = refine(rows, size=SIZE)
    assert better[10:15, 6].tolist() == pytest.approx([0.7] * 5)
    assert better[10:15, 8].tolist() == [1.0] * 5


def test_the_longer_half_of_a_track_keeps_its_id_and_the_other_one_is_new() -> None:
    """The tracker went on with somebody else, five heights away."""
    one = walk(3, range(1, 41), (200, 300), (2, 0))
    other = walk(3, range(60, 80), (900, 300), (-2, 0))
    third = walk(8, range(1, 80), (200, 100), (2, 0))
    better = refine(np.concatenate((one, other, third)), size=SIZE)
    assert sorted(set(better[:, 1])) == [3.0, 8.0, 9.0]
    assert set(better[better[:, 1] == 3, 0]) == set(range(1, 41))
    assert set(better[better[:, 1] == 9, 0]) == set(range(60, 80))


@pytest.mark.parametrize(("shift", "adopted"), [(9.9, True), (10.1, False)])
def test_a_box_of_the_tracker_stands_for_what_it_overlaps_by_six_tenths(
    shift: float, adopted: bool
) -> None:
    """Boxes 40 wide, 10 apart, have an IoU of 30 / 50."""
    detections = walk(-1, range(1, 41), (200, 300), (0, 0))
    tracked = walk(1, range(1, 41), (200 + shift, 300), (0, 0))
    assert bool(len(refine(tracked, detections=detections, size=SIZE))) == adopted


@pytest.mark.parametrize(("x", "kept"), [(994.9, False), (986.1, False), (985.9, True)])
def test_who_is_out_by_more_than_a_seventh_of_himself_is_not_shown(x: float, kept: bool) -> None:
    """Of 40 pixels, 34 have to be inside; the image is as wide as the boxes reach or as given."""
    rows = walk(1, range(1, 41), (x, 300), (0, 0))
    assert bool(len(refine(rows, size=SIZE))) == kept
    assert len(refine(rows)) == 40


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ((4, 0), 2.5, "whole frames, ids and classes.* in row 4"),
        ((4, 1), 1.5, "whole frames, ids and classes.* in row 4"),
        ((4, 7), 0.5, "whole frames, ids and classes.* in row 4"),
        ((4, 5), -0.1, "width and height of at least 0.* in row 4"),
        ((4, 1), -1.0, "ids from 0, got -1 in row 4"),
    ],
)
def test_each_column_is_checked(place: tuple[int, int], value: float, message: str) -> None:
    rows = np.hstack((walk(1, range(1, 11), (200, 300), (5, 0)), np.zeros((10, 1))))
    assert len(refine(rows, size=SIZE)) == 10
    rows[place] = value
    with pytest.raises(InvalidInput, match=message):
        refine(rows, size=SIZE)


def test_ids_from_zero_and_boxes_without_area_are_taken() -> None:
    rows = walk(0, range(1, 11), (200, 300), (5, 0))
    assert set(refine(rows, size=SIZE)[:, 1]) == {0.0}
    flat = walk(2, range(1, 11), (200, 300), (5, 0))
    flat[4, 4:6] = 0.0
    assert len(refine(flat, size=SIZE)) == 10


def test_motion_is_needed_for_every_frame_from_the_first() -> None:
    still = np.tile(np.eye(2, 3), (10, 1, 1))
    assert len(refine(walk(1, range(1, 11), (200, 300), (5, 0)), size=SIZE, motion=still)) == 10
    for frames in (range(0, 10), range(2, 12)):
        with pytest.raises(InvalidInput, match=f"frames {frames[0]} to {frames[-1]}"):
            refine(walk(1, frames, (200, 300), (5, 0)), size=SIZE, motion=still)


def test_where_nothing_was_detected_no_row_is_left() -> None:
    rows = walk(1, range(1, 11), (200, 300), (5, 0))
    nothing = refine(rows, detections=[], detection_embeddings=np.zeros((0, 4)), size=SIZE)
    assert nothing.shape == (0, 10)
