"""The constant-velocity Kalman filter of all tracks at once, in closed form.

The state of DeepSORT (Wojke et al. 2017, arXiv 1703.07402, section 2.1) is four measured numbers
of a box and their velocities. Initial covariance, process noise and measurement noise are diagonal
there, so no pair of the four numbers is ever correlated: the filter with eight states *is* four
filters with two states each. A 2x2 covariance is three numbers, its inverse is never needed and
the innovation is a scalar, which leaves a few array operations for every step of every track.

Shapes: ``mean`` float64 [N, 2, 4], values in row 0 and velocities in row 1; ``covariance`` float64
[N, 3, 4], variance of the value, covariance of value and velocity, variance of the velocity.
Units: pixels and frames. Nothing here keeps a state: arrays in, new arrays out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from tracker.blocks import row_blocks
from tracker.types import Float

Form: TypeAlias = Literal["xyah", "xywh"]
"""What is measured of a box: its centre, then aspect ratio (w / h) or width, then height."""

SMALLEST_HEIGHT = 1.0
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
    aspect: tuple[float, float, float] = (1e-1, 1e-2, 1e-5)
    side: bool = False
    _process: tuple[Float, Float] = field(init=False, repr=False, compare=False)
    _measure: tuple[Float, Float] = field(init=False, repr=False, compare=False)
    _birth: tuple[Float, Float] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # A standard deviation is `scale * heights + offset`; the aspect ratio has only the offset.
        sides = np.ones(4)
        offset = np.zeros((3, 4))
        if self.form == "xyah":
            sides[2] = 0.0
            offset[:, 2] = self.aspect
        process = np.stack([sides * self.position, sides * self.velocity])
        birth = np.stack([2 * sides * self.position, 10 * sides * self.velocity])
        object.__setattr__(self, "_process", (process, offset[1:]))
        object.__setattr__(self, "_measure", (sides * self.position, offset[0]))
        object.__setattr__(self, "_birth", (birth, offset[1:]))

    def measure(self, xyxy: Float) -> Float:
        """Boxes x1, y1, x2, y2 as measurements of the filter's form, both float64 [N, 4]."""
        measured = np.empty((len(xyxy), 4))
        size = np.subtract(xyxy[:, 2:], xyxy[:, :2], out=measured[:, 2:])
        np.add(xyxy[:, :2], 0.5 * size, out=measured[:, :2])
        if self.form == "xyah":
            measured[:, 2] /= np.maximum(measured[:, 3], SMALLEST_HEIGHT)
        return measured

    def boxes(self, measured: Float) -> Float:
        """Invert :meth:`measure`: x1, y1, x2, y2, float64 [N, 4]; sizes below zero become zero."""
        half = np.maximum(measured[:, 2:], 0.0)
        if self.form == "xyah":
            half[:, 0] *= half[:, 1]
        half *= 0.5
        boxes = np.empty((len(measured), 4))
        np.subtract(measured[:, :2], half, out=boxes[:, :2])
        np.add(measured[:, :2], half, out=boxes[:, 2:])
        return boxes

    def initiate(self, measured: Float) -> tuple[Float, Float]:
        """State of new tracks from measurements [N, 4]: mean [N, 2, 4], covariance [N, 3, 4]."""
        mean = np.zeros((len(measured), 2, 4))
        mean[:, 0] = measured
        covariance = np.zeros((len(measured), 3, 4))
        covariance[:, ::2] = self._variance(measured, self._birth)
        return mean, covariance

    def predict(self, mean: Float, covariance: Float, dt: float = 1.0) -> tuple[Float, Float]:
        """State of all tracks ``dt`` frames later; the process noise grows with ``dt``."""
        noise = self._variance(mean[:, 0], self._process) * dt
        ahead = mean.copy()
        ahead[:, 0] += dt * mean[:, 1]
        spread = covariance.copy()
        drift = dt * covariance[:, 2]
        spread[:, 0] += dt * (2.0 * covariance[:, 1] + drift)
        spread[:, 1] += drift
        spread[:, ::2] += noise
        return ahead, spread

    def noise(self, mean: Float, confidence: Float | None = None) -> Float:
        """Variance of a measurement of each track, float64 [N, 4].

        With ``confidence`` float [N], 0 to 1, it is multiplied by 1 - confidence: the NSA filter
        (Du et al. 2021, "GIAOTracker", arXiv 2202.11983, equation 1).
        """
        scale, offset = self._measure
        deviation = self._scale(mean[:, 0]) * scale + offset
        variance = deviation * deviation
        if confidence is not None:
            variance *= np.maximum(1.0 - confidence, 1e-3)[:, None]
        return variance

    def project(self, mean: Float, covariance: Float, noise: Float) -> tuple[Float, Float]:
        """Expected measurement of each track and its variance (innovation), float64 [N, 4] each."""
        return mean[:, 0], covariance[:, 0] + noise

    def update(
        self, mean: Float, covariance: Float, measured: Float, noise: Float
    ) -> tuple[Float, Float]:
        """State after one measurement of each track.

        Parameters
        ----------
        mean, covariance : float64 [N, 2, 4], [N, 3, 4]
            The predicted state.
        measured : float64 [N, 4]
            From :meth:`measure`.
        noise : float64 [N, 4]
            Variance of the measurement, from :meth:`noise`.
        """
        gain = covariance[:, :2] / (covariance[:, :1] + noise[:, None])  # [N, 2, 4]
        corrected = mean + gain * (measured - mean[:, 0])[:, None]
        spread = np.empty_like(covariance)
        spread[:, :2] = covariance[:, :2] * (1.0 - gain[:, :1])
        spread[:, 2] = covariance[:, 2] - gain[:, 1] * covariance[:, 1]
        return corrected, spread

    def warp(self, mean: Float, covariance: Float, affine: Float) -> tuple[Float, Float]:
        """State as the camera sees it after a motion of its own.

        Centres and their velocities follow the affine, sizes its scale. Variances follow the
        scale alone: a camera rolls by little from one frame to the next, and without a rotation
        the four numbers stay uncorrelated.

        Parameters
        ----------
        mean, covariance : float64 [N, 2, 4], [N, 3, 4]
        affine : float64 [2, 3]
            Pixels of the frame before to pixels of this frame.
        """
        linear, shift = affine[:, :2], affine[:, 2]
        scale = float(np.sqrt(abs(np.linalg.det(linear))))
        sizes = np.full(4, scale)
        if self.form == "xyah":
            sizes[2] = 1.0
        moved = mean * sizes
        moved[:, :, :2] = mean[:, :, :2] @ linear.T
        moved[:, 0, :2] += shift
        return moved, covariance * sizes**2

    def _scale(self, measured: Float) -> Float:
        """What noise is in proportion to: heights [N, 1], or by side [N, 4]."""
        height = np.maximum(measured[:, 3:], SMALLEST_HEIGHT)
        if not self.side:
            return height
        width = measured[:, 2:3] * height if self.form == "xyah" else measured[:, 2:3]
        width = np.maximum(width, SMALLEST_HEIGHT)
        return np.concatenate([width, height, width, height], axis=1)

    def _variance(self, measured: Float, deviation: tuple[Float, Float]) -> Float:
        scale, offset = deviation  # [2, 4] each
        spread = self._scale(measured)[:, None] * scale + offset
        squared: Float = spread * spread
        return squared


def gating_distance(expected: Float, variance: Float, measured: Float) -> Float:
    """Squared Mahalanobis distance of every track to every measurement.

    Parameters
    ----------
    expected, variance : float64 [N, 4]
        From :meth:`BoxFilter.project`.
    measured : float64 [M, 4]
        From :meth:`BoxFilter.measure`.

    Returns
    -------
    float64 [N, M]
        Chi-square distributed with four degrees of freedom for the right pairs.
    """
    # Coordinates come first, so that the innermost loop runs over many measurements.
    place = np.ascontiguousarray(measured.T)[:, None]
    centre = expected.T[:, :, None]
    precision = (1.0 / np.sqrt(variance)).T[:, :, None]
    distance = np.empty((len(expected), len(measured)))
    for rows in row_blocks(len(expected), 4 * len(measured)):
        offset = place - centre[:, rows]
        offset *= precision[:, rows]
        offset *= offset
        np.add.reduce(offset, axis=0, out=distance[rows])
    return distance
