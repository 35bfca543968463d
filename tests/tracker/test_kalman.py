"""The closed-form filter equals the textbook one, for every box, step and noise."""

from __future__ import annotations

import numpy as np
import pytest
from filterpy.kalman import KalmanFilter
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tracker.kalman import BoxFilter, Form, gating_distance
from tracker.types import Float

TOLERANCE = 1e-9

filters = st.builds(
    BoxFilter,
    form=st.sampled_from(("xyah", "xywh")),
    position=st.floats(0.01, 0.2),
    velocity=st.floats(0.001, 0.05),
    side=st.booleans(),
)


@st.composite
def boxes(draw: st.DrawFn, count: int) -> Float:
    corner = draw(arrays(np.float64, (count, 2), elements=st.floats(-100, 2000)))
    size = draw(arrays(np.float64, (count, 2), elements=st.floats(2, 500)))
    return np.concatenate([corner, corner + size], axis=1)


def dense(state: Float, covariance: Float) -> tuple[Float, Float]:
    """One track's mean [2, 4] and covariance [3, 4] as vector [8, 1] and matrix [8, 8]."""
    value, cross, speed = (np.diag(c) for c in covariance)
    return state.reshape(8, 1), np.block([[value, cross], [cross, speed]])


def oracle(box_filter: BoxFilter, mean: Float, covariance: Float, dt: float) -> KalmanFilter:
    """filterpy's filter with eight states, in the state of one track, with its process noise."""
    kalman = KalmanFilter(dim_x=8, dim_z=4)
    kalman.x, kalman.P = dense(mean, covariance)
    kalman.F = np.eye(8) + dt * np.eye(8, k=4)
    kalman.H = np.eye(4, 8)
    width = mean[0, 2] * mean[0, 3] if box_filter.form == "xyah" else mean[0, 2]
    height = max(mean[0, 3], 1.0)
    x_scale = max(width if box_filter.form == "xywh" else mean[0, 2] * height, 1.0)
    scale = np.array([x_scale if box_filter.side else height, height] * 2)
    position, velocity = box_filter.position * scale, box_filter.velocity * scale
    if box_filter.form == "xyah":
        position[2], velocity[2] = box_filter.aspect[1:]
    kalman.Q = np.diag(np.concatenate([position, velocity]) ** 2) * dt
    return kalman


@settings(deadline=None, max_examples=60)
@given(
    box_filter=filters,
    tracks=boxes(3),
    steps=st.lists(st.tuples(st.floats(0.2, 4.0), boxes(3), st.floats(0, 0.99)), max_size=6),
)
def test_equals_filterpy_over_any_sequence(
    box_filter: BoxFilter, tracks: Float, steps: list[tuple[float, Float, float]]
) -> None:
    mean, covariance = box_filter.initiate(box_filter.measure(tracks))
    for dt, seen, confidence in steps:
        oracles = [oracle(box_filter, m, c, dt) for m, c in zip(mean, covariance, strict=True)]
        mean, covariance = box_filter.predict(mean, covariance, dt)
        noise = box_filter.noise(mean, np.full(3, confidence))
        measured = box_filter.measure(seen)
        distance = gating_distance(*box_filter.project(mean, covariance, noise), measured)
        mean, covariance = box_filter.update(mean, covariance, measured, noise)
        for i, kalman in enumerate(oracles):
            kalman.predict()
            for j in range(3):
                innovation = measured[j] - kalman.x[:4, 0]
                spread = kalman.P[:4, :4] + np.diag(noise[i])
                expected = innovation @ np.linalg.solve(spread, innovation)
                assert distance[i, j] == pytest.approx(expected, rel=TOLERANCE, abs=TOLERANCE)
            kalman.update(measured[i], R=np.diag(noise[i]))
            state, spread = dense(mean[i], covariance[i])
            np.testing.assert_allclose(state, kalman.x, rtol=TOLERANCE, atol=TOLERANCE)
            np.testing.assert_allclose(spread, kalman.P, rtol=TOLERANCE, atol=TOLERANCE)


@given(box_filter=filters, seen=boxes(4))
def test_a_measurement_is_turned_back_into_its_box(box_filter: BoxFilter, seen: Float) -> None:
    restored = box_filter.boxes(box_filter.measure(seen))
    np.testing.assert_allclose(restored, seen, atol=1e-8)


@pytest.mark.parametrize("form", ["xyah", "xywh"])
def test_two_half_steps_move_as_far_as_one(form: Form) -> None:
    box_filter = BoxFilter(form=form)
    mean, covariance = box_filter.initiate(box_filter.measure(np.array([[10.0, 10, 50, 110]])))
    mean[:, 1, :2] = 3.0, -2.0
    once, _ = box_filter.predict(mean, covariance, 1.0)
    half = box_filter.predict(*box_filter.predict(mean, covariance, 0.5), 0.5)[0]
    np.testing.assert_allclose(half, once)


def test_a_confident_measurement_weighs_more_under_nsa() -> None:
    box_filter = BoxFilter()
    mean, covariance = box_filter.initiate(box_filter.measure(np.array([[10.0, 10, 50, 110]])))
    target = box_filter.measure(np.array([[20.0, 10, 60, 110]]))
    moved = [
        box_filter.update(mean, covariance, target, box_filter.noise(mean, np.array([c])))[0]
        for c in (0.2, 0.9)
    ]
    assert moved[0][0, 0, 0] < moved[1][0, 0, 0] < target[0, 0]


def test_noise_by_side_narrows_with_the_width() -> None:
    box_filter = BoxFilter(form="xywh", side=True)
    mean, _ = box_filter.initiate(box_filter.measure(np.array([[0.0, 0, 20, 100]])))
    noise = box_filter.noise(mean)[0]
    np.testing.assert_allclose(noise, [1.0, 25.0, 1.0, 25.0])


@pytest.mark.parametrize("form", ["xyah", "xywh"])
def test_warp_carries_a_box_as_the_pixels_are_carried(form: Form) -> None:
    box_filter = BoxFilter(form=form)
    box = np.array([[100.0, 50, 140, 150]])
    affine = np.array([[1.5, 0.0, -20.0], [0.0, 1.5, 7.0]])
    mean, covariance = box_filter.initiate(box_filter.measure(box))
    mean[:, 1, 0] = 2.0
    moved, spread = box_filter.warp(mean, covariance, affine)
    expected = box.reshape(2, 2) * 1.5 + affine[:, 2]
    np.testing.assert_allclose(box_filter.boxes(moved[:, 0].copy())[0], expected.reshape(4))
    assert moved[0, 1, 0] == pytest.approx(3.0)
    assert spread[0, 0, 0] == pytest.approx(covariance[0, 0, 0] * 2.25)


def test_a_box_without_area_has_finite_noise() -> None:
    box_filter = BoxFilter()
    mean, covariance = box_filter.initiate(box_filter.measure(np.array([[5.0, 5, 5, 5]])))
    mean, covariance = box_filter.predict(mean, covariance)
    assert np.isfinite(mean).all()
    assert (covariance[:, 0] > 0).all()
