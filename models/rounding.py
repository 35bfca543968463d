"""Rounding to eight bits with the least harm: bounds of values, and weights of a convolution.

A weight that is rounded up or down shifts what its layer answers. The weights after it, which are
not rounded yet, can take back some of that shift on inputs like those of the calibration (OPTQ:
Frantar et al. 2023, arXiv:2210.17323).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

LEVELS = 256
"""Steps of a value; a weight has one less, as many below zero as above."""

MOST_WEIGHT = LEVELS // 2 - 1

GROUP = 576
"""Most weights of a channel that make up for each other; 64 channels of 3x3. More cost the third
power in time."""

DAMPING = 0.01
"""Share of the mean square added to every square, where the inputs of a few pictures say little."""

PLACES = 512
"""Places of one picture that a layer's weights are fitted to."""

SHRUNK = np.linspace(0.1, 1, 46)
"""Upper bounds that are tried, as shares of the largest value."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Values from ``least`` to ``most`` in `LEVELS` steps, one of which is zero."""

    least: float
    most: float

    @classmethod
    def around(cls, least: float, most: float) -> Bounds:
        """The bounds nearest to two numbers between which zero is a step."""
        least, most = min(least, 0.0), max(most, 1e-3)
        step = (most - least) / (LEVELS - 1)
        below = round(-least / step)
        return cls(-below * step, (LEVELS - 1 - below) * step)

    @classmethod
    def of(cls, values: Floats) -> Bounds:
        """The bounds at which rounding changes some values [N] least, in the mean square."""
        largest = float(values.max())
        tried = [cls.around(float(values.min()), largest * float(share)) for share in SHRUNK]
        return min(tried, key=lambda bounds: float(np.square(bounds.round(values) - values).mean()))

    def round(self, values: Floats) -> Floats:
        """Values moved to their nearest step."""
        step = (self.most - self.least) / (LEVELS - 1)
        rounded: Floats = np.rint(np.clip(values, self.least, self.most) / step) * np.float32(step)
        return rounded


def round_weights(weights: Floats, moments: Floats) -> tuple[Floats, Floats]:
    """Weights [O, K] rounded so that ``weights @ inputs`` changes little.

    Parameters
    ----------
    weights : float32 [O, K]
        A row for each channel that comes out.
    moments : float32 [K, K]
        Of the inputs [K, N] on which the change is counted: ``inputs @ inputs.T``, up to a factor.

    Returns
    -------
    rounded : float32 [O, K]
        Whole multiples of the row's step, at most `MOST_WEIGHT` of them.
    largest : float32 [O]
        `MOST_WEIGHT` steps of each row.
    """
    largest = np.maximum(np.abs(weights).max(axis=1), 1e-8)
    steps = largest[:, None] / MOST_WEIGHT
    rounded = np.empty_like(weights)
    for first in range(0, weights.shape[1], GROUP):
        group = slice(first, first + GROUP)
        rounded[:, group] = _round_group(weights[:, group], moments[group, group], steps)
    return rounded, largest


def _round_group(weights: Floats, moments: Floats, steps: Floats) -> Floats:
    """Round column after column, and let the later ones take back what each one shifts."""
    count = len(moments)
    damping = DAMPING * float(np.trace(moments)) / count + 1e-9
    inverse = np.linalg.inv(moments.astype(np.float64) + damping * np.eye(count))
    factor = np.linalg.cholesky(inverse).T.astype(np.float32)
    left, rounded = weights.copy(), np.empty_like(weights)
    for column in range(count):
        whole = np.rint(left[:, column] / steps[:, 0])
        rounded[:, column] = np.clip(whole, -MOST_WEIGHT, MOST_WEIGHT) * steps[:, 0]
        shift = (left[:, column] - rounded[:, column]) / factor[column, column]
        left[:, column + 1 :] -= np.outer(shift, factor[column, column + 1 :])
    return rounded


def patches(
    values: Floats, kernel: tuple[int, int], strides: tuple[int, int], pads: tuple[int, int]
) -> Floats:
    """What a convolution multiplies, [I * h * w, N], of values [I, H, W]; a sample of the places.

    ``pads`` are the rows and columns of zeros on every side.
    """
    padded = np.pad(values, ((0, 0), *((pad, pad) for pad in pads)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(1, 2))
    windows = windows[:, :: strides[0], :: strides[1]]
    rows, columns = windows.shape[1:3]
    places = np.random.default_rng(0).permutation(rows * columns)[:PLACES]
    chosen = windows[:, places // columns, places % columns]
    return np.ascontiguousarray(chosen.transpose(0, 2, 3, 1)).reshape(-1, len(places))
