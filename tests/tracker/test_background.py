"""Steady coordinates: what stands on the ground stays where it is, however the camera moves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tracker.background import Background

FRAMES = 60


def camera(
    shifts: NDArray[np.float64], zoom: float = 1.0, roll: float = 0.0
) -> NDArray[np.float64]:
    """Motion between frames: a shift, and the same zoom and roll every time, about the origin."""
    motion = np.zeros((len(shifts), 2, 3))
    motion[:, :, :2] = zoom * np.array(
        [[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]]
    )
    motion[:, :, 2] = shifts
    return motion


def post(motion: NDArray[np.float64]) -> NDArray[np.float64]:
    """What every frame shows of a box that stands in the background, 40 x 100 in the first."""
    centre, size, boxes = np.array([300.0, 200.0]), np.array([40.0, 100.0]), []
    for step, affine in enumerate(motion):
        if step:
            centre = affine[:, :2] @ centre + affine[:, 2]
            size = size * np.sqrt(np.linalg.det(affine[:, :2]))
        boxes.append(np.hstack((centre - size / 2, centre + size / 2)))
    return np.array(boxes)


def test_what_stands_in_the_background_stands_in_the_steady_picture() -> None:
    shifts = np.random.default_rng(1).normal(0.0, 20.0, (FRAMES, 2))
    motion = camera(shifts)

    steady = Background(motion).steady(np.arange(FRAMES), post(motion))

    np.testing.assert_allclose(steady, np.tile([280.0, 150.0, 320.0, 250.0], (FRAMES, 1)))


@pytest.mark.parametrize(("zoom", "roll"), [(1.01, 0.0), (1.0, 0.005), (0.99, -0.005)])
def test_zoom_and_roll_are_taken_out_but_for_a_slow_drift(zoom: float, roll: float) -> None:
    motion = camera(np.zeros((FRAMES, 2)), zoom, roll)
    shown = post(motion)

    steady = Background(motion).steady(np.arange(FRAMES), shown)

    def steps(boxes: NDArray[np.float64]) -> float:
        return float(np.linalg.norm(np.diff(boxes, axis=0), axis=1).mean())

    assert steps(steady) < 0.25 * steps(shown)
    # No jump: what remains is smooth.
    assert np.abs(np.diff(steady, 2, axis=0)).max() < 0.1


def test_an_endless_zoom_neither_overflows_nor_vanishes() -> None:
    frames = 20_000
    background = Background(camera(np.zeros((frames, 2)), 1.02), pivot=(320.0, 240.0))

    last = background.steady(np.array([frames - 1]), np.array([[280.0, 150.0, 320.0, 250.0]]))

    assert 1e-3 < last[0, 3] - last[0, 1] < 1e3


@given(
    shifts=st.lists(st.tuples(*[st.floats(-50, 50)] * 2), min_size=2, max_size=20),
    zoom=st.floats(0.9, 1.1),
    roll=st.floats(-0.1, 0.1),
    first=st.integers(0, 5),
)
def test_boxes_come_back_as_they_went(
    shifts: list[tuple[float, float]], zoom: float, roll: float, first: int
) -> None:
    background = Background(camera(np.array(shifts), zoom, roll), first=first, pivot=(320, 240))
    frames = first + np.arange(len(shifts))
    boxes = np.tile([280.0, 150.0, 320.0, 250.0], (len(shifts), 1))

    there = background.steady(frames, boxes)

    np.testing.assert_allclose(background.seen(frames, there), boxes, atol=1e-6)


@pytest.mark.parametrize("pivot", [(0.0, 0.0), (300.0, 200.0)])
def test_a_zoom_fades_around_the_pivot_by_a_250th_of_what_is_left_each_frame(
    pivot: tuple[float, float],
) -> None:
    zoom, motion = 2.0, camera(np.zeros((FRAMES, 2)))
    motion[10, :, :2] *= zoom
    motion[10, :, 2] = (1.0 - zoom) * np.array(pivot)
    box = np.array([[*pivot, *pivot]]) + np.array([-20.0, -50.0, 20.0, 50.0])
    background = Background(motion, first=1, pivot=pivot)
    for frame, share in ((10, 0.0), (11, 0.996), (12, 0.996**2), (FRAMES, 0.996 ** (FRAMES - 10))):
        steady = background.steady(np.array([frame]), box)[0]
        assert (steady[3] - steady[1]) == pytest.approx(100.0 / zoom**share)
        assert (steady[:2] + steady[2:]) / 2 == pytest.approx(pivot)
