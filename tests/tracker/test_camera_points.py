"""Which corners the camera's motion is read from, and how many have to agree on it.

Corners and flow are given here, so that every count and threshold is known by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tracker.camera import CameraMotion, CameraSettings

Array = NDArray[np.float64]
Moves = Callable[[Array], Array]

NOBODY = np.zeros((0, 4))
IDENTITY = np.eye(2, 3)
FRAME = np.zeros((240, 480, 3), np.uint8)
"""As wide as the copy may be: pixels of the copy are pixels of the frame."""
LARGE = np.zeros((480, 960, 3), np.uint8)
"""Twice as wide: its copy is half of it."""
HUGE = np.zeros((960, 1920, 3), np.uint8)
"""Four times as wide."""
GRID = np.array([[10.0 * x, 10.0 * y] for y in range(1, 11) for x in range(1, 13)])
"""120 points, ten pixels apart."""


@dataclass
class Seen:
    """Stands in for OpenCV: gives out corners, moves them, and notes what it was asked."""

    corners: Array = field(default_factory=GRID.copy)
    shift: float = 0.0
    move: Moves | None = None
    lost: int = 0
    followed: list[Array] = field(default_factory=list)
    masks: list[NDArray[np.uint8]] = field(default_factory=list)

    def find(self, grey: Any, most: int, *_: Any, mask: NDArray[np.uint8]) -> Any:
        self.masks.append(mask.copy())
        return self.corners[:most, None].astype(np.float32)

    def flow(self, before: Any, after: Any, points: Array, *_: Any, **__: Any) -> Any:
        self.followed.append(points.astype(float))
        moved = points + np.array([self.shift, 0.0]) if self.move is None else self.move(points)
        found = np.arange(len(points)) >= self.lost
        return moved.astype(np.float32), found[:, None].astype(np.uint8), None


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """What OpenCV is asked by the camera under test."""
    stand_in = Seen()
    monkeypatch.setattr(cv2, "goodFeaturesToTrack", stand_in.find)
    monkeypatch.setattr(cv2, "calcOpticalFlowPyrLK", stand_in.flow)
    return stand_in


def moving(seen: Seen, settings: CameraSettings | None = None) -> CameraMotion:
    """A camera that was seen to move by two pixels, with all corners in place again."""
    camera = CameraMotion(settings)
    camera.estimate(FRAME, NOBODY)
    seen.shift = 2.0
    camera.estimate(FRAME, NOBODY)
    assert camera.moving
    seen.shift = 0.0
    return camera


@pytest.mark.parametrize(("frame", "scale"), [(FRAME, 1.0), (LARGE, 2.0), (HUGE, 4.0)])
def test_points_that_come_under_a_box_are_not_followed_on(
    seen: Seen, frame: NDArray[np.uint8], scale: float
) -> None:
    camera, box = CameraMotion(), np.array([[300.0, 0, 400, 200], [20, 10, 40, 30]])
    seen.corners = GRID[:36]
    camera.estimate(frame, NOBODY)
    camera.estimate(frame, scale * box)
    camera.estimate(frame, NOBODY)
    # Its border belongs to the box.
    under = np.isin(GRID[:36, 0], [20, 30, 40]) & np.isin(GRID[:36, 1], [10, 20, 30])
    np.testing.assert_array_equal(seen.followed[0], GRID[:36])
    np.testing.assert_array_equal(seen.followed[1], GRID[:36][~under])


@pytest.mark.parametrize(("frame", "scale"), [(FRAME, 1.0), (LARGE, 2.0), (HUGE, 4.0)])
def test_no_corner_is_looked_for_under_a_box(
    seen: Seen, frame: NDArray[np.uint8], scale: float
) -> None:
    boxes = np.array([[20.0, 10, 40, 30], [470, 200, 600, 300], [-9, 100, 3, 110]])
    CameraMotion().estimate(frame, scale * boxes)
    free = np.ones((240, 480), bool)
    free[10:31, 20:41] = free[200:, 470:] = free[100:111, :4] = False
    np.testing.assert_array_equal(seen.masks[0] == 255, free)
    np.testing.assert_array_equal(seen.masks[0] == 0, ~free)


@pytest.mark.parametrize(("count", "every"), [(120, 5), (100, 4), (30, 1)])
def test_a_standing_camera_is_watched_by_few_of_the_points(
    seen: Seen, count: int, every: int
) -> None:
    camera = CameraMotion()
    seen.corners = GRID[:count]
    camera.estimate(FRAME, NOBODY)
    camera.estimate(FRAME, NOBODY)
    np.testing.assert_array_equal(seen.followed[0], GRID[:count][::every])


def test_a_moving_camera_is_followed_by_all_of_them(seen: Seen) -> None:
    """And more than 120 are not looked for."""
    seen.corners = np.vstack((GRID, GRID + 5.0))
    camera = moving(seen)
    camera.estimate(FRAME, NOBODY)
    np.testing.assert_array_equal(seen.followed[-1], GRID)


@pytest.mark.parametrize(("lost", "searches"), [(60, 2), (61, 3)])
def test_a_moving_camera_looks_for_others_when_half_are_left(
    seen: Seen, lost: int, searches: int
) -> None:
    camera = moving(seen)
    # Two searches so far: at first, and for the many that it needs once it moves.
    assert len(seen.masks) == 2
    seen.lost = lost
    camera.estimate(FRAME, NOBODY)
    assert len(seen.masks) == searches


@pytest.mark.parametrize(("left", "searches"), [(8, 1), (7, 2)])
def test_a_standing_camera_makes_do_with_eight(seen: Seen, left: int, searches: int) -> None:
    camera = CameraMotion()
    camera.estimate(FRAME, NOBODY)
    seen.lost = 24 - left
    camera.estimate(FRAME, NOBODY)
    assert len(seen.masks) == searches


@pytest.mark.parametrize(("left", "told"), [(8, True), (7, False)])
def test_fewer_than_eight_points_tell_nothing(seen: Seen, left: int, told: bool) -> None:
    standing, walking = CameraMotion(), moving(seen)
    standing.estimate(FRAME, NOBODY)
    seen.shift, seen.lost = 2.0, 24 - left
    standing.estimate(FRAME, NOBODY)
    assert standing.moving == told
    seen.lost = 120 - left
    affine = walking.estimate(FRAME, NOBODY)
    assert affine[0, 2] == pytest.approx(2.0 if told else 0.0, abs=1e-4)
    assert walking.moving


@pytest.mark.parametrize(("shift", "starts"), [(0.34, False), (0.36, True)])
def test_more_than_a_third_of_a_pixel_is_motion(seen: Seen, shift: float, starts: bool) -> None:
    camera = CameraMotion()
    camera.estimate(FRAME, NOBODY)
    seen.shift = shift
    affine = camera.estimate(FRAME, NOBODY)
    assert camera.moving == starts
    assert affine[0, 2] == pytest.approx(shift if starts else 0.0, abs=1e-4)


def test_the_median_counts_and_in_any_direction(seen: Seen) -> None:
    camera = CameraMotion()
    camera.estimate(FRAME, NOBODY)
    # Eleven of the 24 run away, thirteen move by hardly anything.
    seen.move = lambda points: points + np.where(np.arange(len(points))[:, None] < 11, 9.0, 0.1)
    camera.estimate(FRAME, NOBODY)
    assert not camera.moving
    seen.move = lambda points: points - [0.0, 0.5]
    camera.estimate(FRAME, NOBODY)
    assert camera.moving


def test_what_moves_by_exactly_a_threshold_changes_nothing(seen: Seen) -> None:
    settings = CameraSettings(starts=0.5, stops=0.25, patience=1)
    standing, walking = CameraMotion(settings), moving(seen, settings)
    standing.estimate(FRAME, NOBODY)
    seen.shift = 0.5
    standing.estimate(FRAME, NOBODY)
    seen.shift = 0.25
    walking.estimate(FRAME, NOBODY)
    assert (standing.moving, walking.moving) == (False, True)


@pytest.mark.parametrize(("shift", "frames"), [(0.14, 10), (0.16, None)])
def test_ten_quiet_frames_end_it(seen: Seen, shift: float, frames: int | None) -> None:
    camera = moving(seen)
    seen.shift = shift
    states = []
    for _ in range(20):
        camera.estimate(FRAME, NOBODY)
        states.append(camera.moving)
    assert (states.index(False) + 1 if False in states else None) == frames


def test_quiet_frames_have_to_follow_each_other(seen: Seen) -> None:
    camera = moving(seen)
    for shift in [*[0.0] * 9, 0.2, *[0.0] * 9]:
        seen.shift = shift
        camera.estimate(FRAME, NOBODY)
        assert camera.moving
    camera.estimate(FRAME, NOBODY)
    assert not camera.moving
    # And it counts from none when it moves again.
    seen.shift = 2.0
    camera.estimate(FRAME, NOBODY)
    seen.shift = 0.0
    for _ in range(9):
        camera.estimate(FRAME, NOBODY)
    assert camera.moving


@pytest.mark.parametrize(("agree", "known"), [(51, True), (45, False)])
def test_two_fifths_of_the_points_have_to_agree(seen: Seen, agree: int, known: bool) -> None:
    camera, rng = moving(seen), np.random.default_rng(3)
    astray = rng.uniform(-60.0, 60.0, (120 - agree, 2))
    seen.move = lambda points: points + np.vstack((np.full((agree, 2), 5.0), astray))
    affine = camera.estimate(FRAME, NOBODY)
    expected = [5.0, 5.0] if known else [0.0, 0.0]
    np.testing.assert_allclose(affine[:, 2], expected, atol=0.5)


@pytest.mark.parametrize(("off", "counted"), [(1.2, True), (1.8, False)])
def test_a_point_agrees_up_to_a_pixel_and_a_half(seen: Seen, off: float, counted: bool) -> None:
    camera = moving(seen)
    # A quarter of the points, all over the grid, is off to one side.
    side = np.where(np.arange(120)[:, None] % 4 == 1, [0.0, off], [0.0, 0.0])
    seen.move = lambda points: points + (side + np.array([5.0, 0.0]))
    affine = camera.estimate(FRAME, NOBODY)
    middle = affine @ [*GRID.mean(axis=0), 1.0] - GRID.mean(axis=0)
    assert middle[1] == pytest.approx(off / 4 if counted else 0.0, abs=0.02)


@pytest.mark.parametrize(("frame", "scale"), [(FRAME, 1.0), (LARGE, 2.0), (HUGE, 4.0)])
def test_a_turn_with_zoom_and_shift_is_told_in_pixels_of_the_frame(
    seen: Seen, frame: NDArray[np.uint8], scale: float
) -> None:
    cosine, sine = 1.02 * np.cos(0.03), 1.02 * np.sin(0.03)
    truth = np.array([[cosine, -sine, 7.0], [sine, cosine, -4.0]])
    seen.move = lambda points: points @ truth[:, :2].T + truth[:, 2]
    camera = CameraMotion()
    camera.estimate(frame, NOBODY)
    affine = camera.estimate(frame, NOBODY)
    np.testing.assert_allclose(affine, truth * [[1, 1, scale]], atol=1e-3)


def test_reset_forgets_motion_and_quiet_frames(seen: Seen) -> None:
    camera = moving(seen)
    for _ in range(6):
        camera.estimate(FRAME, NOBODY)
    camera.reset()
    assert not camera.moving
    searches = len(seen.masks)
    np.testing.assert_array_equal(camera.estimate(FRAME, NOBODY), IDENTITY)
    assert len(seen.masks) == searches + 1


def test_a_cut_to_another_scene_is_no_motion() -> None:
    scenes = np.random.default_rng(1).normal(size=(2, 240, 480, 3))
    camera = CameraMotion()
    for noise in scenes:
        smooth = cv2.GaussianBlur(noise, (0, 0), 3.0)
        frame = np.clip(128 + 60 * smooth / smooth.std(), 0, 255).astype(np.uint8)
        affine = camera.estimate(frame, NOBODY)
    np.testing.assert_array_equal(affine, IDENTITY)


@pytest.mark.parametrize(
    ("shape", "copy"),
    [
        ((240, 480), (240, 480)),
        ((251, 501), (125, 250)),
        ((543, 962), (271, 481)),
        ((1081, 1921), (270, 480)),
        ((2160, 3840), (270, 480)),
    ],
)
def test_the_copy_is_some_480_wide_and_of_green_alone(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int], copy: tuple[int, int]
) -> None:
    greys: list[NDArray[np.uint8]] = []

    def find(grey: NDArray[np.uint8], *_: Any, **__: Any) -> None:
        greys.append(grey)

    monkeypatch.setattr(cv2, "goodFeaturesToTrack", find)
    frame = np.zeros((*shape, 3), np.uint8)
    frame[..., 0], frame[..., 2] = 50, 90
    frame[: shape[0] // 2, :, 1] = 200
    CameraMotion().estimate(frame, NOBODY)
    assert greys[0].shape == copy
    assert (greys[0][: copy[0] // 2 - 1] == 200).all()
    assert (greys[0][copy[0] // 2 + 1 :] == 0).all()
