"""The constant-velocity Kalman filter of all tracks at once, in closed form.

The state of DeepSORT (Wojke et al. 2017, arXiv 1703.07402, section 2.1) is four measured numbers
of a box and their velocities. Initial covariance, process noise and measurement noise are diagonal
there, so no pair of the four numbers is ever correlated: the filter with eight states *is* four
filters with two states each. A 2x2 covariance is three numbers, its inverse is never needed and
the innovation is a scalar, which leaves a few array operations for every step of every track.

Shapes: measurements float64 [4, N], one column a box; states float64 [5, 4, N]: values, velocities,
variances of the values, covariances of value and velocity, variances of the velocities. Columns
come last, so that every operation runs over many tracks. Units: pixels and frames. Nothing here
keeps a state: arrays in, new arrays out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np

from tracker.blocks import row_blocks
from tracker.number import HALF, ONE, ZERO, number
from tracker.types import Float

Form: TypeAlias = Literal["xyah", "xywh"]
"""What is measured of a box: its centre, then aspect ratio (w / h) or width, then height."""

VALUE, VELOCITY, VARIANCE, CROSS, DRIFT = range(5)
"""Places in a state."""

SMALLEST_HEIGHT = number(1.0)
"""Pixels; keeps the noise of a box without area above zero."""


@dataclass(frozen=True)
class BoxFilter:
    """Constant-velocity model of boxes; noise grows with the height of the box.

    Parameters
    ----------
    form : {"xyah", "xywh"}
        The four numbers that are filtered.
    position : float
        Standard deviation of position and size, in box heights: both of the measurement and of
        the process in one frame. 1/20 in the paper.
    velocity : float
        Standard deviation of the velocity's change in one frame, in box heights. 1/160 in the
        paper.
    depth : float
        Share of it that holds for y and size, which change as something nears or goes away: slower
        than what crosses the picture. 1 in the paper.
    aspect : tuple of three floats
        Standard deviations of the aspect ratio, which has no unit: of its measurement, of its
        change, and of its velocity's change in one frame.
    side : bool
        Scale the noise of x and width by the width rather than by the height, as BoT-SORT does
        (Aharon et al. 2022, arXiv 2206.14651, equations 3 and 4). A width shrinks when a person
        turns or is half hidden, and the gate with it.
    """

    form: Form = "xyah"
    position: float = 1 / 20
    velocity: float = 1 / 160
    depth: float = 1.0
    aspect: tuple[float, float, float] = (1e-1, 1e-2, 1e-5)
    side: bool = False
    _process: Float = field(init=False, repr=False, compare=False)
    _measure: Float = field(init=False, repr=False, compare=False)
    _birth: Float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # A variance is `factor * heights² + offset`; that of the aspect ratio is only the offset.
        # Both are columns of one array, a row for each variance, those of the velocities last.
        sides = np.ones((4, 1))
        offset = np.zeros((3, 4, 1))
        if self.form == "xyah":
            sides[2] = 0.0
            offset[:, 2, 0] = np.square(self.aspect)
        paces = sides * np.array([[1.0], [self.depth], [self.depth], [self.depth]])
        process = np.stack([sides * self.position, paces * self.velocity]) ** 2
        birth = np.stack([2 * sides * self.position, 10 * sides * self.velocity]) ** 2
        measure = (sides * self.position) ** 2
        for name, factors, offsets in (
            ("_process", process, offset[1:]),
            ("_measure", measure, offset[0]),
            ("_birth", birth, offset[1:]),
        ):
            columns = np.column_stack((factors.ravel(), offsets.ravel()))
            object.__setattr__(self, name, columns)

    def measure(self, corners: Float) -> Float:
        """Boxes x1, y1, x2, y2 as measurements of the filter's form, both float64 [4, N]."""
        measured = np.empty(corners.shape)
        start, size = corners[:2], measured[2:]
        np.subtract(corners[2:], start, out=size)
        centre = np.multiply(size, HALF, out=measured[:2])
        centre += start
        if self.form == "xyah":
            width = size[0]
            width /= np.maximum(size[1], SMALLEST_HEIGHT)
        return measured

    def boxes(self, measured: Float) -> Float:
        """Invert :meth:`measure`: x1, y1, x2, y2, float64 [4, N]; sizes below zero become zero."""
        centre, half = measured[:2], np.maximum(measured[2:], ZERO)
        if self.form == "xyah":
            width = half[0]
            width *= half[1]
        half *= HALF
        corners = np.empty(measured.shape)
        np.subtract(centre, half, out=corners[:2])
        np.add(centre, half, out=corners[2:])
        return corners

    def initiate(self, measured: Float) -> Float:
        """States of new tracks from measurements [4, N]."""
        state = np.zeros((5, *measured.shape))
        state[VALUE] = measured
        state[VARIANCE::2] = self._noise(measured, self._birth).reshape(2, 4, -1)
        return state

    def predict(self, state: Float, dt: float = 1.0) -> Float:
        """States of all tracks ``dt`` frames later; the process noise grows with ``dt``."""
        ahead: Float = _transition(dt).dot(state.reshape(5, -1))
        noise = self._noise(state[VALUE], self._process)
        if dt != 1.0:
            noise *= dt
        spread = ahead[VARIANCE::2]
        spread += noise.reshape(2, -1)
        return ahead.reshape(state.shape)

    def noise(self, expected: Float, confidence: Float | None = None) -> Float:
        """Variance of a measurement of each track, where [4, N] is expected; float64 [4, N].

        With ``confidence`` float [N], 0 to 1, it is multiplied by 1 - confidence: the NSA filter
        (Du et al. 2021, "GIAOTracker", arXiv 2202.11983, equation 1).
        """
        variance = self._noise(expected, self._measure)
        if confidence is not None:
            variance *= np.maximum(1.0 - confidence, 1e-3)
        return variance

    def update(self, state: Float, measured: Float, noise: Float) -> Float:
        """States after one measurement of each track.

        Parameters
        ----------
        state : float64 [5, 4, N]
            As predicted.
        measured : float64 [4, N]
            From :meth:`measure`.
        noise : float64 [4, N]
            Variance of the measurement, from :meth:`noise`. A track that was not measured has an
            infinite one, and stays as it is.
        """
        gain = state[VARIANCE:DRIFT] / (state[VARIANCE] + noise)  # [2, 4, N]
        corrected = state.copy()
        motion, spread, drift = corrected[:VARIANCE], corrected[VARIANCE:DRIFT], corrected[DRIFT]
        motion += gain * (measured - state[VALUE])
        spread *= ONE - gain[0]
        drift -= gain[1] * state[CROSS]
        return corrected

    def warp(self, state: Float, affine: Float) -> Float:
        """States as the camera sees them after a motion of its own.

        Centres and their velocities follow the affine, sizes its scale. Variances follow the
        scale alone: a camera rolls by little from one frame to the next, and without a rotation
        the four numbers stay uncorrelated.

        Parameters
        ----------
        state : float64 [5, 4, N]
        affine : float64 [2, 3]
            Pixels of the frame before to pixels of this frame.
        """
        linear, shift = affine[:, :2], affine[:, 2]
        scale = float(np.sqrt(abs(np.linalg.det(linear))))
        sizes = np.full((4, 1), scale)
        if self.form == "xyah":
            sizes[2] = 1.0
        moved: Float = state * sizes
        moved[VARIANCE:] *= sizes
        moved[:VARIANCE, :2] = linear @ state[:VARIANCE, :2]
        moved[VALUE, :2] += shift[:, None]
        return moved

    def _noise(self, expected: Float, variance: Float) -> Float:
        """``factor * heights² + offset``, [K, N], where [4, N] is expected and K rows are asked."""
        terms = np.empty((2, expected.shape[1]))
        terms[1] = 1.0
        height = np.maximum(expected[3], SMALLEST_HEIGHT)
        np.multiply(height, height, out=terms[0])
        noise: Float = variance.dot(terms)
        if self.side:
            width = expected[2] * height if self.form == "xyah" else expected[2]
            terms[0] = np.maximum(width, SMALLEST_HEIGHT) ** 2
            noise[::2] = variance[::2].dot(terms)
        return noise


@lru_cache(maxsize=64)
def _transition(dt: float) -> Float:
    """What ``dt`` frames make of a state, [5, 5]: F x, and the entries of F P Fᵀ."""
    return np.array(
        [
            [1.0, dt, 0.0, 0.0, 0.0],
            [0.0, 1.0, 0.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 2.0 * dt, dt * dt],
            [0.0, 0.0, 0.0, 1.0, dt],
            [0.0, 0.0, 0.0, 0.0, 1.0],
        ]
    )


def gating_distance(expected: Float, variance: Float, measured: Float) -> Float:
    """Squared Mahalanobis distance of every track to every measurement.

    Parameters
    ----------
    expected, variance : float64 [4, N]
        Values of the tracks, and the variance of their innovation: theirs plus the measurement's.
    measured : float64 [4, M]
        From :meth:`BoxFilter.measure`.

    Returns
    -------
    float64 [N, M]
        Chi-square distributed with four degrees of freedom for the right pairs.
    """
    distance = np.empty((expected.shape[1], measured.shape[1]))
    for rows in row_blocks(len(distance), 4 * measured.shape[1]):
        offset = measured[:, None] - expected[:, rows, None]
        offset *= offset
        offset /= variance[:, rows, None]
        np.add.reduce(offset, axis=0, out=distance[rows])
    return distance
