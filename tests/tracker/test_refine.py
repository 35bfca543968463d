"""Refinement after the last frame: who is one, who stays two, what is filled and what goes."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import InvalidInput
from tests.tracker.paths import centres, looks, walk
from tracker.refine import refine

SIZE = (1000.0, 600.0)


def test_a_gap_is_filled_by_boxes_on_the_line_between() -> None:
    whole = walk(4, range(1, 41), (200, 300), (5, 1))
    seen = np.concatenate((whole[:15], whole[25:]))

    better = refine(seen, size=SIZE)

    assert better[:, 0].tolist() == list(range(1, 41))
    assert set(better[:, 1]) == {4.0}
    np.testing.assert_allclose(centres(better), centres(whole), atol=1e-4)
    np.testing.assert_allclose(better[:, 4:6], whole[:, 4:6], atol=1e-4)
    assert better[better[:, 8] == 1, 0].tolist() == list(range(16, 26))
    assert set(better[better[:, 0] <= 15, 8]) == {0.0}


def test_a_person_behind_a_post_is_one() -> None:
    rows = np.concatenate(
        (
            walk(1, range(1, 31), (200, 300), (4, 0)),
            walk(2, range(56, 90), (200, 300), (4, 0)),
        )
    )

    better = refine(rows, embeddings=looks(rows, {1: 0, 2: 0}), size=SIZE)

    assert len(set(better[:, 1])) == 1
    assert better[:, 0].tolist() == list(range(1, 90))


def test_another_who_comes_out_behind_the_post_is_another() -> None:
    rows = np.concatenate(
        (
            walk(1, range(1, 31), (200, 300), (4, 0)),
            walk(2, range(56, 90), (200, 300), (4, 0)),
        )
    )

    better = refine(rows, embeddings=looks(rows, {1: 0, 2: 1}), size=SIZE)

    assert set(better[:, 1]) == {1.0, 2.0}


def test_two_who_cross_are_not_merged_and_each_finds_his_own_other_half() -> None:
    to_the_right = walk(1, range(1, 81), (200, 300), (5, 0))
    to_the_left = walk(2, range(1, 81), (600, 305), (-5, 0))
    # Lost while they hide each other; the tracker gave both a new ID after it.
    halves = [to_the_right[:35], to_the_left[:35], to_the_right[45:], to_the_left[45:]]
    for identity, half in enumerate(halves, start=1):
        half[:, 1] = identity
    rows = np.concatenate(halves)

    better = refine(rows, embeddings=looks(rows, {1: 0, 2: 1, 3: 0, 4: 1}), size=SIZE)

    found = {identity: better[better[:, 1] == identity] for identity in set(better[:, 1])}
    assert len(found) == 2
    for path in found.values():
        assert path[:, 0].tolist() == list(range(1, 81))
        steps = np.diff(centres(path)[:, 0])
        assert (steps > 0).all() or (steps < 0).all()


@pytest.mark.parametrize(("reenter", "people"), [(False, 2), (True, 1)])
def test_one_who_left_and_one_who_enters_at_the_same_place(reenter: bool, people: int) -> None:
    rows = np.concatenate(
        (
            walk(1, range(1, 41), (780, 300), (5, 0)),
            walk(2, range(50, 90), (1220, 300), (-5, 0)),
        )
    )

    better = refine(rows, embeddings=looks(rows, {1: 0, 2: 0}), size=SIZE, reenter=reenter)

    assert len(set(better[:, 1])) == people


def test_who_is_cut_off_by_someone_nearer_keeps_his_height() -> None:
    behind = walk(1, range(1, 41), (200, 300), (5, 0))
    before = walk(2, range(1, 41), (300, 330), (0, 0))
    seen = behind.copy()
    # While the other one stands before his legs, the detector boxes what is above.
    covered = np.abs(centres(behind)[:, 0] - 300) < 15
    seen[covered, 5] *= 0.75

    better = refine(np.concatenate((seen, before)), size=SIZE)

    heights = better[better[:, 1] == 1, 5]
    assert covered.sum() >= 5
    np.testing.assert_allclose(heights, behind[:, 5], rtol=0.03)


def test_who_stood_behind_something_for_long_is_there_all_the_time() -> None:
    stands = walk(1, [*range(1, 30), *range(110, 140)], (400, 300), (0, 0))
    walks = walk(2, [*range(1, 30), *range(110, 140)], (100, 100), (5, 0))

    better = refine(
        np.concatenate((stands, walks)),
        embeddings=looks(np.concatenate((stands, walks)), {1: 0, 2: 1}),
        size=SIZE,
    )

    frames = {identity: set(better[better[:, 1] == identity, 0]) for identity in (1.0, 2.0)}
    assert 70 in frames[1.0]
    assert 70 not in frames[2.0]


def test_who_is_some_way_out_of_the_image_has_left() -> None:
    leaves = walk(1, range(1, 111), (500, 300), (5, 0))
    enters = walk(2, range(1, 111), (-90, 200), (5, 0))

    better = refine(np.concatenate((leaves, enters)), size=SIZE)

    # Of a width of 40, at least 34 pixels are inside up to 986 and from 14.
    assert better[better[:, 1] == 1, 0].max() == 98
    assert better[better[:, 1] == 2, 0].min() == 22


@pytest.mark.parametrize(
    "ghost",
    [
        walk(9, range(10, 13), (800, 100), (0, 0)),
        walk(9, range(10, 40), (800, 100), (0, 0), score=0.25),
        walk(9, range(10, 90, 8), (800, 100), (0, 0)),
    ],
    ids=["short", "never sure", "rarely seen"],
)
def test_ghosts_are_dropped(ghost: np.ndarray) -> None:
    person = walk(1, range(1, 91), (200, 300), (5, 0))

    better = refine(np.concatenate((person, ghost)), size=SIZE)

    assert set(better[:, 1]) == {1.0}


def test_detections_left_alone_by_the_tracker_extend_a_track_to_both_sides() -> None:
    detections = walk(-1, range(1, 61), (200, 300), (5, 0))
    detections[:10, 6] = detections[50:, 6] = 0.3
    tracked = walk(1, range(11, 51), (200, 300), (5, 0))
    clutter = walk(-1, range(1, 61), (700, 100), (0, 0), score=0.3)

    better = refine(tracked, detections=np.concatenate((detections, clutter)), size=SIZE)

    assert better[:, 0].tolist() == list(range(1, 61))
    np.testing.assert_allclose(centres(better), centres(detections), atol=1e-4)


def test_boxes_of_the_tracker_give_way_to_the_detections_they_stand_for() -> None:
    detections = walk(-1, range(1, 41), (200, 300), (5, 0))
    lagging = walk(1, range(1, 41), (192, 300), (5, 0))

    better = refine(lagging, detections=detections, size=SIZE)

    np.testing.assert_allclose(centres(better), centres(detections), atol=1e-4)


def test_a_shaking_camera_neither_bends_paths_nor_breaks_gaps_when_its_motion_is_given() -> None:
    frames = range(1, 81)
    rng = np.random.default_rng(5)
    place = np.cumsum(rng.normal(0.0, 15.0, (80, 2)), axis=0)
    motion = np.tile(np.eye(2, 3), (80, 1, 1))
    motion[1:, :, 2] = np.diff(place, axis=0)
    whole = walk(1, frames, (300, 300), (4, 0))
    whole[:, 2:4] += place
    seen = np.delete(whole, range(30, 45), axis=0)

    better = refine(seen, size=SIZE, motion=motion)
    unaware = refine(seen, size=SIZE)

    assert better[:, 0].tolist() == list(frames)
    np.testing.assert_allclose(centres(better), centres(whole), atol=1e-4)
    assert np.abs(centres(unaware) - centres(whole)[unaware[:, 0].astype(int) - 1]).max() > 10


def test_who_stands_while_the_camera_pans_is_filled_through_a_long_gap() -> None:
    frames = np.arange(1, 141)
    motion = np.tile(np.array([[1.0, 0.0, -3.0], [0.0, 1.0, 0.0]]), (140, 1, 1))
    whole = walk(1, frames, (800, 300), (-3, 0))
    seen = np.delete(whole, range(40, 100), axis=0)
    one = looks(seen, {1: 0})

    better = refine(seen, embeddings=one, size=SIZE, motion=motion)

    assert better[:, 0].tolist() == frames.tolist()
    np.testing.assert_allclose(centres(better), centres(whole), atol=1e-4)
    assert len(refine(seen, embeddings=one, size=SIZE)) == len(seen)


def test_a_camera_that_stands_makes_no_difference() -> None:
    rows = np.concatenate(
        (walk(1, range(1, 61), (200, 300), (5, 1)), walk(2, range(5, 40), (600, 300), (-3, 0)))
    )
    rows[:, 2:6] += np.random.default_rng(2).normal(0.0, 2.0, (len(rows), 4))

    still = refine(rows, size=SIZE, motion=np.tile(np.eye(2, 3), (60, 1, 1)))

    np.testing.assert_allclose(still, refine(rows, size=SIZE), atol=1e-9)


@pytest.mark.parametrize(
    ("motion", "message"),
    [
        (np.zeros((10, 3, 2)), r"expected shape \[T, 2, 3\], got \[10, 3, 2\]"),
        (np.full((10, 2, 3), np.nan), "expected finite affine transforms.* in row 0"),
        (np.tile(np.array([[1.0, 0, 0], [0, -1, 0]]), (10, 1, 1)), "mirror.* in row 0"),
        (np.tile(np.eye(2, 3), (9, 1, 1)), "each of the frames 1 to 10, counted from 1, got 9"),
    ],
    ids=["shape", "not finite", "mirrored", "too few"],
)
def test_motion_that_cannot_be_used_is_refused(motion: np.ndarray, message: str) -> None:
    with pytest.raises(InvalidInput, match="motion: .*" + message):
        refine(walk(1, range(1, 11), (200, 300), (5, 0)), size=SIZE, motion=motion)


def test_the_order_of_the_rows_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    rows = np.concatenate(
        [walk(i, range(1, 60), (100 + 90 * i, 300), (rng.normal(), 0)) for i in range(1, 7)]
    )
    rows = rows[rng.random(len(rows)) > 0.2]
    rows[:, 2:6] += rng.normal(0.0, 2.0, (len(rows), 4))
    embeddings = rng.normal(size=(len(rows), 16))
    shuffled = rng.permutation(len(rows))

    straight = refine(rows, embeddings=embeddings, size=SIZE)
    mixed = refine(rows[shuffled], embeddings=embeddings[shuffled], size=SIZE)

    np.testing.assert_allclose(mixed, straight, atol=1e-9)


def test_the_class_of_a_track_is_that_of_most_of_its_rows() -> None:
    rows = np.hstack((walk(1, range(1, 31), (200, 300), (5, 0)), np.full((30, 1), 2.0)))
    rows[:4, 7] = 7.0

    assert set(refine(rows, size=SIZE)[:, 7]) == {2.0}


def test_pieces_of_different_classes_are_not_linked() -> None:
    rows = np.concatenate(
        (
            walk(1, range(1, 31), (200, 300), (4, 0)),
            walk(2, range(36, 66), (200, 300), (4, 0)),
        )
    )
    rows = np.hstack((rows, np.repeat([[0.0], [2.0]], 30, axis=0)))

    assert len(set(refine(rows, size=SIZE)[:, 1])) == 2


def test_a_span_of_time_is_as_long_at_sixty_frames_a_second() -> None:
    whole = walk(1, range(1, 201), (200, 300), (2, 0))
    seen = np.concatenate((whole[:70], whole[130:]))

    assert len(refine(seen, size=SIZE, fps=25.0)) == len(seen)
    assert len(refine(seen, size=SIZE, fps=60.0)) == len(whole)


def test_no_rows_make_no_rows() -> None:
    assert refine(np.zeros((0, 7))).shape == (0, 10)
    assert refine([]).shape == (0, 10)
    assert refine(walk(1, range(3), (200, 300), (0, 0))).shape == (0, 10)


def test_what_cannot_be_used_is_refused_by_name_and_row() -> None:
    rows = walk(1, range(1, 11), (200, 300), (5, 0))

    broken = rows.copy()
    broken[3, 2] = np.nan
    with pytest.raises(InvalidInput, match=r"rows: expected finite numbers.* in row 3"):
        refine(broken)
    broken = rows.copy()
    broken[5, 4] = -1.0
    with pytest.raises(InvalidInput, match=r"width and height of at least 0.* in row 5"):
        refine(broken)
    with pytest.raises(InvalidInput, match="each id once in a frame, got id 1 in frame 1 2 times"):
        refine(np.concatenate((rows, rows)))
    with pytest.raises(InvalidInput, match=r"expected shape \[N, 7 to 10\].*got \[10, 5\]"):
        refine(rows[:, :5])
    with pytest.raises(InvalidInput, match=r"embeddings: expected shape \[10, D\].*got \[9, 4\]"):
        refine(rows, embeddings=np.ones((9, 4)))
    with pytest.raises(InvalidInput, match=r"embeddings: expected finite numbers.* row 2"):
        refine(rows, embeddings=np.where(np.arange(10)[:, None] == 2, np.inf, np.ones((10, 4))))
