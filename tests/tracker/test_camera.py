"""Camera motion: found where there is some, none where there is none, whoever walks by."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from models.types import Image
from tracker.camera import CameraMotion

Array = NDArray[np.float64]

NOBODY = np.zeros((0, 4))
IDENTITY = np.eye(2, 3)
SCENE = (800, 1200)


def texture(seed: int = 0) -> Image:
    """A picture full of corners, of which views are cut."""
    noise = np.random.default_rng(seed).normal(size=(*SCENE, 3))
    smooth = cv2.GaussianBlur(noise, (0, 0), 4.0)
    return np.asarray(np.clip(128 + 60 * smooth / smooth.std(), 0, 255), np.uint8)


def view(scene: Image, x: float, y: float, zoom: float = 1.0) -> Image:
    """What a camera of 960 x 540 sees whose upper left corner is at x, y of the scene."""
    affine = np.array([[zoom, 0.0, -x * zoom], [0.0, zoom, -y * zoom]])
    return np.asarray(cv2.warpAffine(scene, affine, (960, 540)), np.uint8)


def displaced(affine: Array, truth: Array) -> float:
    """Greatest error in pixels at the corners of the image."""
    corners = np.array([[0, 0, 1], [960, 0, 1], [0, 540, 1], [960, 540, 1]], np.float64).T
    return float(np.abs((affine - truth) @ corners).max())


def test_a_pan_is_found_to_a_fraction_of_a_pixel() -> None:
    scene, camera = texture(), CameraMotion()
    camera.estimate(view(scene, 20, 20), NOBODY)

    for step in range(1, 8):
        affine = camera.estimate(view(scene, 20 + 9 * step, 20 + 4 * step), NOBODY)
        assert camera.moving
        assert displaced(affine, np.array([[1.0, 0, -9], [0, 1, -4]])) < 0.7


def test_a_zoom_is_found() -> None:
    scene, camera = texture(), CameraMotion()
    camera.estimate(view(scene, 100, 100, 1.0), NOBODY)

    affine = camera.estimate(view(scene, 100, 100, 1.03), NOBODY)

    assert displaced(affine, np.array([[1.03, 0, 0], [0, 1.03, 0]])) < 0.7


@pytest.mark.parametrize(
    ("x", "y", "zoom", "roll"),
    [
        (3.3, -1.6, 1.0, 0.0),
        (-0.7, 0.4, 1.0, 0.0),
        (25.0, 18.0, 1.0, 0.0),
        (0.0, 0.0, 1.02, 0.0),
        (2.5, 1.0, 0.98, 0.01),
    ],
)
def test_the_motion_of_a_picture_is_found_within_a_tenth_of_a_pixel(
    x: float, y: float, zoom: float, roll: float
) -> None:
    noise = np.random.default_rng(2).normal(size=(480, 720, 3))
    smooth = cv2.GaussianBlur(noise, (0, 0), 3.0)
    scene = np.clip(128 + 60 * smooth / smooth.std(), 0, 255).astype(np.uint8)
    cosine, sine = zoom * np.cos(roll), zoom * np.sin(roll)
    truth = np.array([[cosine, -sine, x], [sine, cosine, y]])
    # What the frame shows begins at 120, 120 of the scene, so that nothing comes in from outside.
    placed = truth.copy()
    placed[:, 2] += 120.0 - truth[:, :2] @ [120.0, 120.0]
    moved = np.asarray(cv2.warpAffine(scene, placed, (720, 480), flags=cv2.INTER_CUBIC))
    camera = CameraMotion()
    camera.estimate(scene[120:360, 120:600], NOBODY)
    affine = camera.estimate(moved[120:360, 120:600], NOBODY)
    edges = np.array([[0.0, 0, 1], [480, 0, 1], [0, 240, 1], [480, 240, 1]]).T
    assert np.abs((affine - truth) @ edges).max() < 0.1


def test_corners_are_apart_and_none_is_a_hundred_times_weaker() -> None:
    """How strong a corner is grows with the square of its contrast: 22² / 200² is above 1 %."""
    frame = np.zeros((240, 480, 3), np.uint8)
    for left, contrast in ((40, 200), (160, 22), (280, 18)):
        frame[100:140, left : left + 40] = contrast
    followed: list[Array] = []
    flow = cv2.calcOpticalFlowPyrLK

    def watched(*args: Any, **keywords: Any) -> Any:
        followed.append(args[2])
        return flow(*args, **keywords)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cv2, "calcOpticalFlowPyrLK", watched)
        camera = CameraMotion()
        for _ in range(2):
            camera.estimate(frame, NOBODY)
    x = np.sort(followed[0][:, 0])
    assert len(x) == 8
    assert x.max() < 240
    assert (x > 150).sum() == 4


def test_a_camera_that_stands_still_is_answered_with_exactly_no_motion() -> None:
    scene, camera = texture(), CameraMotion()
    rng = np.random.default_rng(1)

    for _ in range(20):
        noisy = view(scene, 50, 50) + rng.normal(0.0, 4.0, (540, 960, 3))
        affine = camera.estimate(np.clip(noisy, 0, 255).astype(np.uint8), NOBODY)
        np.testing.assert_array_equal(affine, IDENTITY)
        assert not camera.moving


def test_people_who_fill_half_the_image_are_not_taken_for_the_camera() -> None:
    scene, crowd, camera = texture(), texture(1), CameraMotion()
    box = np.array([[100.0, 40.0, 800.0, 500.0]])

    for step in range(10):
        frame = view(scene, 50, 50)
        frame[40:500, 100:800] = view(crowd, 10.0 * step, 0)[40:500, 100:800]
        affine = camera.estimate(frame, box)
        np.testing.assert_array_equal(affine, IDENTITY)


def test_it_switches_off_after_some_stillness_and_on_again_at_once() -> None:
    scene, camera = texture(), CameraMotion()
    for step in range(5):
        camera.estimate(view(scene, 20 + 6 * step, 20), NOBODY)
    states = [camera.moving]
    for _ in range(15):
        camera.estimate(view(scene, 44, 20), NOBODY)
        states.append(camera.moving)
    affine = camera.estimate(view(scene, 56, 20), NOBODY)

    states.append(camera.moving)

    assert states[:2] == [True, True]
    assert states[-2:] == [False, True]
    assert displaced(affine, np.array([[1.0, 0, -12], [0, 1, 0]])) < 0.7


def test_without_background_nothing_is_claimed() -> None:
    camera = CameraMotion()
    blank = np.full((540, 960, 3), 90, np.uint8)
    everything = np.array([[-5.0, -5.0, 2000.0, 2000.0]])
    for step in range(4):
        np.testing.assert_array_equal(camera.estimate(blank, NOBODY), IDENTITY)
        frame = view(texture(), 10.0 * step, 0)
        np.testing.assert_array_equal(camera.estimate(frame, everything), IDENTITY)


def test_another_size_of_frame_starts_anew() -> None:
    scene, camera = texture(), CameraMotion()
    camera.estimate(view(scene, 20, 20), NOBODY)
    smaller = view(scene, 30, 20)[:400, :700]

    np.testing.assert_array_equal(camera.estimate(smaller, NOBODY), IDENTITY)


def test_a_copy_goes_on_the_same_and_reset_forgets() -> None:
    scene, camera = texture(), CameraMotion()
    camera.estimate(view(scene, 20, 20), NOBODY)
    camera.estimate(view(scene, 30, 20), NOBODY)
    other = copy.deepcopy(camera)

    following = view(scene, 40, 20)
    np.testing.assert_array_equal(
        camera.estimate(following, NOBODY), other.estimate(following, NOBODY)
    )
    camera.reset()
    np.testing.assert_array_equal(camera.estimate(following, NOBODY), IDENTITY)


def test_opencv_is_imported_only_when_a_frame_comes() -> None:
    code = "import sys, tracker.camera; sys.exit('cv2' in sys.modules)"
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


@pytest.mark.parametrize("name", ["TUD-Campus", "TUD-Stadtmitte", "KITTI-17", "PETS09-S2L1"])
def test_real_footage_of_a_fixed_camera_has_no_motion(mot_dir: Path, name: str) -> None:
    ready = np.load(mot_dir / name / "yolo26n-osnet.npz")
    found, offsets = ready["det"].astype(np.float64), ready["off"]
    video, camera = cv2.VideoCapture(str(mot_dir / name / f"{name}.mp4")), CameraMotion()
    for t in range(60):
        read, frame = video.read()
        assert read
        affine = camera.estimate(frame, found[offsets[t] : offsets[t + 1], :4])
        np.testing.assert_array_equal(affine, IDENTITY)
    video.release()


def test_real_footage_seen_through_a_moving_window_has_the_motion_of_the_window(
    mot_dir: Path,
) -> None:
    ready = np.load(mot_dir / "PETS09-S2L1" / "yolo26n-osnet.npz")
    found, offsets = ready["det"].astype(np.float64), ready["off"]
    video, camera = (
        cv2.VideoCapture(str(mot_dir / "PETS09-S2L1" / "PETS09-S2L1.mp4")),
        CameraMotion(),
    )
    errors, last = [], None
    for t in range(60):
        read, frame = video.read()
        assert read
        x, y = 80 + 70 * np.sin(t / 9), 60 + 50 * np.sin(t / 13)
        shift = np.array([x, y, x, y])
        window = frame[round(y) : round(y) + 440, round(x) : round(x) + 600]
        affine = camera.estimate(window, found[offsets[t] : offsets[t + 1], :4] - shift)
        corner = np.array([round(x), round(y)])
        if last is not None and camera.moving:
            errors.append(np.abs(affine[:, 2] - (last - corner)).max())
        last = corner
    video.release()
    assert len(errors) > 50
    assert np.median(errors) < 0.5
