"""The closed-form filter equals the textbook one, for every box, step and noise."""

from __future__ import annotations

import numpy as np
import pytest
from filterpy.kalman import KalmanFilter
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tracker.kalman import DRIFT, VALUE, VARIANCE, VELOCITY, BoxFilter, Form, gating_distance
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
    corner = draw(arrays(np.float64, (2, count), elements=st.floats(-100, 2000)))
    size = draw(arrays(np.float64, (2, count), elements=st.floats(2, 500)))
    return np.concatenate((corner, corner + size))


def box(*corners: float) -> Float:
    """One box as a column."""
    return np.array(corners, np.float64)[:, None]


def dense(state: Float) -> tuple[Float, Float]:
    """One track's state [5, 4] as mean [8, 1] and covariance [8, 8]."""
    value, cross, speed = (np.diag(row) for row in state[VARIANCE:])
    return state[:VARIANCE].reshape(8, 1), np.block([[value, cross], [cross, speed]])


def oracle(box_filter: BoxFilter, state: Float, dt: float) -> KalmanFilter:
    """filterpy's filter with eight states, in the state of one track, with its process noise."""
    kalman = KalmanFilter(dim_x=8, dim_z=4)
    kalman.x, kalman.P = dense(state)
    kalman.F = np.eye(8) + dt * np.eye(8, k=4)
    kalman.H = np.eye(4, 8)
    expected = state[VALUE]
    width = expected[2] * expected[3] if box_filter.form == "xyah" else expected[2]
    height = max(expected[3], 1.0)
    x_scale = max(width if box_filter.form == "xywh" else expected[2] * height, 1.0)
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
    state = box_filter.initiate(box_filter.measure(tracks))
    for dt, seen, confidence in steps:
        oracles = [oracle(box_filter, track, dt) for track in np.moveaxis(state, 2, 0)]
        state = box_filter.predict(state, dt)
        noise = box_filter.noise(state[VALUE], np.full(3, confidence))
        measured = box_filter.measure(seen)
        distance = gating_distance(state[VALUE], state[VARIANCE] + noise, measured)
        state = box_filter.update(state, measured, noise)
        for i, kalman in enumerate(oracles):
            kalman.predict()
            for j in range(3):
                innovation = measured[:, j] - kalman.x[:4, 0]
                spread = kalman.P[:4, :4] + np.diag(noise[:, i])
                expected = innovation @ np.linalg.solve(spread, innovation)
                assert distance[i, j] == pytest.approx(expected, rel=TOLERANCE, abs=TOLERANCE)
            # An update takes most of a large variance away: what is left is exact to a share of it.
            before = np.sqrt(kalman.P.diagonal())
            kalman.update(measured[:, i], R=np.diag(noise[:, i]))
            mean, covariance = dense(state[:, :, i])
            np.testing.assert_allclose(mean, kalman.x, rtol=TOLERANCE, atol=TOLERANCE)
            assert np.all(abs(covariance - kalman.P) <= TOLERANCE * np.outer(before, before))


@given(box_filter=filters, seen=boxes(4))
def test_a_measurement_is_turned_back_into_its_box(box_filter: BoxFilter, seen: Float) -> None:
    restored = box_filter.boxes(box_filter.measure(seen))
    np.testing.assert_allclose(restored, seen, atol=1e-8)


@pytest.mark.parametrize("form", ["xyah", "xywh"])
def test_two_half_steps_move_as_far_as_one(form: Form) -> None:
    box_filter = BoxFilter(form=form)
    state = box_filter.initiate(box_filter.measure(box(10, 10, 50, 110)))
    state[VELOCITY, :2] = [[3.0], [-2.0]]
    once = box_filter.predict(state, 1.0)
    half = box_filter.predict(box_filter.predict(state, 0.5), 0.5)
    np.testing.assert_allclose(half[: VELOCITY + 1], once[: VELOCITY + 1])


def test_a_step_is_one_frame_where_no_time_is_given() -> None:
    box_filter = BoxFilter()
    state = box_filter.initiate(box_filter.measure(box(10, 10, 50, 110)))
    np.testing.assert_array_equal(box_filter.predict(state), box_filter.predict(state, 1.0))


def test_a_confident_measurement_weighs_more_under_nsa() -> None:
    box_filter = BoxFilter()
    state = box_filter.initiate(box_filter.measure(box(10, 10, 50, 110)))
    target = box_filter.measure(box(20, 10, 60, 110))
    unsure, sure = (
        box_filter.update(state, target, box_filter.noise(state[VALUE], np.array([confidence])))
        for confidence in (0.2, 0.9)
    )
    assert unsure[VALUE, 0, 0] < sure[VALUE, 0, 0] < target[0, 0]


def test_what_was_not_measured_stays_as_it_is() -> None:
    box_filter = BoxFilter()
    seen = box_filter.measure(np.hstack((box(10, 10, 50, 110), box(200, 10, 240, 110))))
    state = box_filter.predict(box_filter.initiate(seen))
    noise = box_filter.noise(state[VALUE])
    noise[:, 1] = np.inf
    updated = box_filter.update(state, seen + 5.0, noise)
    np.testing.assert_array_equal(updated[:, :, 1], state[:, :, 1])
    assert (updated[VALUE, :2, 0] > state[VALUE, :2, 0]).all()


def test_noise_by_side_narrows_with_the_width() -> None:
    box_filter = BoxFilter(form="xywh", side=True)
    noise = box_filter.noise(box_filter.measure(box(0, 0, 20, 100)))
    np.testing.assert_allclose(noise[:, 0], [1.0, 25.0, 1.0, 25.0])


def test_noise_of_the_paper_is_a_twentieth_of_the_height_and_a_tenth_of_aspect_ratio() -> None:
    box_filter = BoxFilter()
    noise = box_filter.noise(box_filter.measure(box(0, 0, 20, 100)))
    np.testing.assert_allclose(noise[:, 0], [25.0, 25.0, 0.01, 25.0])


@pytest.mark.parametrize("dt", [1.0, 2.0, 3.0])
def test_process_noise_grows_with_time(dt: float) -> None:
    box_filter = BoxFilter()
    state = box_filter.initiate(box_filter.measure(box(0, 0, 20, 100)))
    state[VARIANCE:] = 0.0
    spread = box_filter.predict(state, dt)[VARIANCE:, :, 0]
    np.testing.assert_allclose(spread[0], np.array([25.0, 25.0, 1e-4, 25.0]) * dt)
    np.testing.assert_allclose(spread[2], np.array([0.625, 0.625, 1e-5, 0.625]) ** 2 * dt)


@pytest.mark.parametrize("form", ["xyah", "xywh"])
def test_warp_carries_a_box_as_the_pixels_are_carried(form: Form) -> None:
    box_filter = BoxFilter(form=form)
    corners = box(100, 50, 140, 150)
    affine = np.array([[1.5, 0.0, -20.0], [0.0, 1.5, 7.0]])
    state = box_filter.initiate(box_filter.measure(corners))
    state[VELOCITY, 0] = 2.0
    moved = box_filter.warp(state, affine)
    expected = corners.reshape(2, 2) * 1.5 + affine[:, 2]
    np.testing.assert_allclose(box_filter.boxes(moved[VALUE])[:, 0], expected.reshape(4))
    assert moved[VELOCITY, 0, 0] == pytest.approx(3.0)
    assert moved[VARIANCE, 0, 0] == pytest.approx(state[VARIANCE, 0, 0] * 2.25)


def test_a_box_without_area_has_finite_noise() -> None:
    box_filter = BoxFilter()
    state = box_filter.predict(box_filter.initiate(box_filter.measure(box(5, 5, 5, 5))))
    assert np.isfinite(state).all()
    assert (state[VARIANCE] > 0).all()


@pytest.mark.parametrize("form", ["xyah", "xywh"])
def test_depth_slows_what_nears_and_not_what_crosses(form: Form) -> None:
    plain, slow = BoxFilter(form=form), BoxFilter(form=form, depth=0.5)
    state = np.zeros((5, 4, 1))
    state[VALUE, :, 0] = [50.0, 50.0, 0.4 if form == "xyah" else 40.0, 100.0]
    share = slow.predict(state)[DRIFT, :, 0] / plain.predict(state)[DRIFT, :, 0]
    np.testing.assert_allclose(share, [1.0, 0.25, 1.0 if form == "xyah" else 0.25, 0.25])
