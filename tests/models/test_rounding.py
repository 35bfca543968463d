"""Rounding to eight bits: what the steps hold, and that rounded weights answer nearly the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.rounding import GROUP, MOST_WEIGHT, PLACES, Bounds, Floats, patches, round_weights

ENDS = st.floats(-50, 50, width=32)


def normal(seed: int, *shape: int) -> Floats:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


@given(ENDS, ENDS, st.lists(ENDS, min_size=1, max_size=20))
def test_values_between_the_bounds_move_by_half_a_step_at_most(
    one: float, other: float, drawn: list[float]
) -> None:
    bounds = Bounds.around(min(one, other), max(one, other))
    values = np.clip(np.array(drawn, np.float32), bounds.least, bounds.most)
    step = (bounds.most - bounds.least) / 255
    assert (np.abs(bounds.round(values) - values) <= step * 0.501 + 1e-5).all()


@given(ENDS, ENDS)
def test_zero_is_a_step(one: float, other: float) -> None:
    bounds = Bounds.around(min(one, other), max(one, other))
    assert bounds.least <= 0 <= bounds.most
    assert bounds.round(np.zeros(1, np.float32)) == 0


def test_a_rare_value_does_not_make_the_steps_of_all_others_coarse() -> None:
    values = normal(1, 20_000)
    values[7] = 12
    bounds = Bounds.of(values)
    full = Bounds.around(float(values.min()), 12)
    assert bounds.most < 12
    assert np.square(bounds.round(values) - values).mean() < (
        np.square(full.round(values) - values).mean()
    )


@pytest.mark.parametrize("width", [40, GROUP + 40])
def test_weights_take_back_what_rounding_others_shifted(width: int) -> None:
    weights = normal(2, 8, width)
    inputs = normal(3, width, 12) @ normal(4, 12, 3000) + 0.3 * normal(5, width, 3000)
    rounded, largest = round_weights(weights, inputs @ inputs.T)
    steps = largest[:, None] / MOST_WEIGHT
    np.testing.assert_allclose(rounded / steps, np.rint(rounded / steps), atol=1e-3)
    assert np.abs(rounded / steps).max() <= MOST_WEIGHT + 1e-3
    nearest = np.rint(weights / steps) * steps
    shifted, plainly = (np.square((one - weights) @ inputs).mean() for one in (rounded, nearest))
    assert shifted < 0.5 * plainly


def test_a_channel_without_weights_stays_empty() -> None:
    rounded, largest = round_weights(np.zeros((2, 5), np.float32), np.eye(5, dtype=np.float32))
    assert not rounded.any()
    assert (largest > 0).all()


@pytest.mark.parametrize(("kernel", "stride", "pad"), [(1, 1, 0), (3, 1, 1), (3, 2, 1)])
def test_patches_are_what_a_convolution_multiplies(kernel: int, stride: int, pad: int) -> None:
    values, weights = normal(6, 4, 9, 12), normal(7, 5, 4, kernel, kernel)
    answer = torch.nn.functional.conv2d(
        torch.from_numpy(values), torch.from_numpy(weights), stride=stride, padding=pad
    )
    found = weights.reshape(5, -1) @ patches(values, (kernel, kernel), (stride, stride), (pad, pad))
    expected = answer.numpy().reshape(5, -1)
    np.testing.assert_allclose(np.sort(found), np.sort(expected), atol=1e-4)


def test_a_large_picture_gives_a_sample() -> None:
    assert patches(normal(8, 2, 40, 40), (1, 1), (1, 1), (0, 0)).shape == (2, PLACES)
