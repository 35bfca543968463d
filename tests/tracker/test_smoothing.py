"""Two-way smoothing: what it must leave alone, what it must not depend on, and its oracle."""

from __future__ import annotations

import numpy as np
import pytest
from filterpy.kalman import KalmanFilter
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tracker.smoothing import Smoothing, hidden_shares, smooth, weigh, whittaker

Array = NDArray[np.float64]

seeds = st.integers(0, 2**32 - 1)


def noisy_track(seed: int, length: int = 40) -> tuple[Array, Array]:
    """Boxes of a random walk with noise, and weights."""
    rng = np.random.default_rng(seed)
    centre = np.cumsum(rng.normal(3.0, 1.0, (length, 2)), axis=0) + 300.0
    half = rng.uniform(20.0, 40.0, (length, 2))
    return np.hstack((centre - half, centre + half)), rng.uniform(0.05, 1.0, length)


def as_track(boxes: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    frames = np.arange(1, len(boxes) + 1)
    return frames, np.zeros(len(boxes), np.int64)


@given(
    seed=seeds,
    velocity=st.tuples(st.floats(-20, 20), st.floats(-20, 20)),
    growth=st.floats(-0.02, 0.02),
)
def test_a_straight_walk_and_a_steady_approach_come_out_as_they_went_in(
    seed: int, velocity: tuple[float, float], growth: float
) -> None:
    rng = np.random.default_rng(seed)
    frames = np.unique(rng.integers(0, 60, 30))
    centre = 500.0 + frames[:, None] * np.array(velocity)
    half = np.array([20.0, 50.0]) * np.exp(growth * frames)[:, None]
    boxes = np.hstack((centre - half, centre + half))
    weights = rng.uniform(0.05, 1.0, len(frames))

    path = smooth(frames, np.zeros(len(frames), np.int64), boxes, weights, max_gap=60)

    assert path.frames.tolist() == list(range(frames[0], frames[-1] + 1))
    middle = 500.0 + path.frames[:, None] * np.array(velocity)
    size = np.array([20.0, 50.0]) * np.exp(growth * path.frames)[:, None]
    np.testing.assert_allclose(path.boxes, np.hstack((middle - size, middle + size)), atol=1e-5)


@given(
    seed=seeds,
    shift=st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)),
    scale=st.floats(0.1, 10),
)
def test_moving_and_scaling_the_image_moves_and_scales_the_answer(
    seed: int, shift: tuple[float, float], scale: float
) -> None:
    boxes, weights = noisy_track(seed)
    frames, ids = as_track(boxes)
    offset = np.tile(shift, 2)

    plain = smooth(frames, ids, boxes, weights)
    changed = smooth(frames, ids, boxes * scale + offset, weights)

    np.testing.assert_allclose(changed.boxes, plain.boxes * scale + offset, rtol=1e-7, atol=1e-5)


@given(seed=seeds)
def test_forwards_and_backwards_in_time_are_the_same(seed: int) -> None:
    boxes, weights = noisy_track(seed)
    frames, ids = as_track(boxes)

    # The speed, and with it the stiffness, is measured in one direction of time.
    rigid = Smoothing(shortest=3.0, longest=3.0)

    forwards = smooth(frames, ids, boxes, weights, smoothing=rigid)
    backwards = smooth(frames, ids, boxes[::-1], weights[::-1], smoothing=rigid)
    np.testing.assert_allclose(backwards.boxes[::-1], forwards.boxes, atol=1e-6)


@given(seed=seeds)
def test_tracks_do_not_touch_each_other_and_rows_may_come_in_any_order(seed: int) -> None:
    first, second = noisy_track(seed), noisy_track(seed + 1, 25)
    frames = np.concatenate((np.arange(40), np.arange(25)))
    ids = np.repeat([7, 3], [40, 25])
    boxes = np.concatenate((first[0], second[0]))
    weights = np.concatenate((first[1], second[1]))
    shuffled = np.random.default_rng(seed).permutation(65)

    both = smooth(frames[shuffled], ids[shuffled], boxes[shuffled], weights[shuffled])

    for track, (alone, weight) in ((7, first), (3, second)):
        single = smooth(*as_track(alone), alone, weight)
        np.testing.assert_allclose(both.boxes[both.ids == track], single.boxes, atol=1e-6)
    observed = both.source >= 0
    np.testing.assert_array_equal(ids[shuffled][both.source[observed]], both.ids[observed])


def test_a_gap_is_filled_on_the_line_between_and_a_longer_one_is_left_open() -> None:
    frames = np.array([1, 2, 3, 4, 5, 16, 17, 18, 19, 20, 60, 61])
    boxes = np.array([10.0, 20.0, 50.0, 120.0]) + 4.0 * frames[:, None]

    path = smooth(frames, np.zeros(12, np.int64), boxes, np.ones(12), max_gap=30)

    assert path.frames.tolist() == [*range(1, 21), 60, 61]
    np.testing.assert_allclose(
        path.boxes, np.array([10.0, 20.0, 50.0, 120.0]) + 4.0 * path.frames[:, None], atol=1e-6
    )
    assert (path.source < 0).tolist() == [5 < frame < 16 for frame in path.frames]


@pytest.mark.parametrize(("max_gap", "filled"), [(10, 10), (9, 0)])
def test_the_longest_gap_is_filled_and_no_longer_one(max_gap: int, filled: int) -> None:
    frames = np.array([1, 2, 13, 14])
    boxes = np.tile([10.0, 20.0, 50.0, 120.0], (4, 1))
    path = smooth(frames, np.zeros(4, np.int64), boxes, np.ones(4), max_gap=max_gap)
    assert (path.source < 0).sum() == filled


def test_noise_around_a_walk_shrinks_at_high_and_at_low_frame_rates() -> None:
    rng = np.random.default_rng(5)
    for velocity, least in ((0.03, 2.0), (0.2, 1.1)):
        truth = np.tile([500.0, 300.0, 540.0, 400.0], (200, 1))
        truth[:, (0, 2)] += (np.arange(200) * velocity * 100.0)[:, None]
        noisy = truth + rng.normal(0.0, 4.0, truth.shape)
        path = smooth(*as_track(noisy), noisy, np.ones(200))

        error = np.abs(path.boxes - truth).mean()

        assert error * least < np.abs(noisy - truth).mean()


def test_the_answer_is_that_of_the_rauch_tung_striebel_smoother() -> None:
    rng = np.random.default_rng(11)
    length = 3.0
    values = np.cumsum(np.cumsum(rng.normal(0.0, 0.5, 50))) + rng.normal(0.0, 2.0, 50)
    weights = rng.uniform(0.2, 1.0, 50)

    ours = whittaker(values[:, None], weights, np.full(48, length**4), order=2)[:, 0]

    # The same model as a Kalman filter: a random walk of second order, x_t and x_{t-1} its state.
    oracle = KalmanFilter(dim_x=2, dim_z=1)
    oracle.F = np.array([[2.0, -1.0], [1.0, 0.0]])
    oracle.H = np.array([[1.0, 0.0]])
    oracle.Q = np.diag([length**-4, 0.0])
    oracle.P = np.eye(2) * 1e9
    means: list[Array] = []
    covariances: list[Array] = []
    for value, weight in zip(values, weights, strict=True):
        if means:
            oracle.predict()
        oracle.update(value, R=1.0 / weight)
        means.append(oracle.x.copy())
        covariances.append(oracle.P.copy())
    theirs = oracle.rts_smoother(np.array(means), np.array(covariances))[0][:, 0, 0]
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_a_box_that_is_hidden_or_unsure_is_worth_less() -> None:
    frames = np.array([1, 1, 2])
    behind, before = [0.0, 0.0, 40.0, 100.0], [10.0, 10.0, 50.0, 130.0]

    hidden = hidden_shares(frames, np.array([behind, before, behind]))
    worth = weigh(np.full(3, 0.9), hidden)

    assert worth[0] < worth[1]
    assert worth[1] == pytest.approx(worth[2])
    assert weigh(np.array([0.2]), hidden[2:])[0] < worth[2]


def test_nothing_is_smoothed_to_nothing() -> None:
    none = np.zeros(0, np.int64)
    path = smooth(none, none, np.zeros((0, 4)), np.zeros(0))
    assert path.boxes.shape == (0, 4)


def bumped(column: int, speed: float, *, gap: range = range(0)) -> tuple[Array, Array, Array]:
    """A hundred frames of one who walks at some heights a frame, with one feature off in one.

    Answers what that feature is smoothed to, what it was, and the weights.
    """
    frames = np.array([t for t in range(100) if t not in gap])
    x = 100.0 * speed * frames
    values = np.column_stack((x, 0 * x, np.full(len(x), np.log(100.0)), 0 * x))
    values[frames == 50, column] += 1e-3
    half = np.exp(values[:, 2:3]) / 2 * np.column_stack((np.exp(values[:, 3]), np.ones(len(x))))
    boxes = np.hstack((values[:, :2] - half, values[:, :2] + half))
    path = smooth(frames, np.zeros(len(frames), np.int64), boxes, np.full(len(frames), 0.7))
    height = path.boxes[:, 3] - path.boxes[:, 1]
    aspect = (path.boxes[:, 2] - path.boxes[:, 0]) / height
    middle = (path.boxes[:, 1] + path.boxes[:, 3]) / 2
    found = (middle, middle, np.log(height), np.log(aspect))[column]
    given, weights = np.zeros(100), np.zeros(100)
    given[frames], weights[frames] = values[:, column], 0.7
    return found, given, weights


@pytest.mark.parametrize(
    ("column", "order", "speed", "length"),
    [
        # 0.65 / sqrt(speed), from 1.6 to 6 frames.
        (1, 2, 1.0, 1.6),
        (1, 2, 0.04, 3.25),
        (1, 2, 0.0, 6.0),
        (2, 2, 0.04, 6.0),
        (3, 1, 0.04, 12.0),
    ],
)
@pytest.mark.parametrize("gap", [range(0), range(60, 66)])
def test_lengths_of_the_defaults(
    column: int, order: int, speed: float, length: float, gap: range
) -> None:
    """As the minimum with that length itself; differences that touch a gap weigh 30 times."""
    found, given, weights = bumped(column, speed, gap=gap)
    penalty = np.full(100 - order, length ** (2 * order))
    if gap:
        penalty[gap.start - order : gap.stop] *= 30.0
    expected = whittaker(given[:, None], weights, penalty, order)[:, 0]
    np.testing.assert_allclose(found, expected, atol=1e-8)
