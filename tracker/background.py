"""Coordinates that stand still while the camera moves.

Paths are smooth and gaps can be bridged where people walk, not in pixels of a camera that shakes.
From the motion between consecutive frames follows where the background of every frame lies in one
steady picture; boxes go there to be smoothed and linked, and come back to be answered.

Points are complex numbers here, x + iy: a turn, a zoom and a shift are then one product and one
sum. Errors of single frames add up, and whoever drives straight on zooms without end, so zoom and
roll are forgotten over some seconds. That costs nothing: what remains of a steady zoom is as
smooth as it is without any of this.
"""

from __future__ import annotations

import numpy as np

from tracker.types import Float, Integer

MEMORY = 250
"""Frames in which zoom and roll fade to 1/e."""


class Background:
    """Where the background of each frame lies in the steady picture.

    Parameters
    ----------
    motion : float64 [T, 2, 3]
        Affine transform of pixels of the frame before to pixels of each frame, as
        :meth:`tracker.camera.CameraMotion.estimate` answers it. Of a shear only the turn and the
        zoom nearest to it are taken. The first is not looked at: the steady picture is that frame.
    first : int
        Number of the first frame.
    pivot : (float, float)
        Pixel around which zoom and roll fade, the middle of the image as a rule.
    """

    def __init__(self, motion: Float, first: int = 0, pivot: tuple[float, float] = (0.0, 0.0)):
        linear, shifts = motion[:, :, :2], motion[:, :, 2]
        turns = (linear[:, 0, 0] + linear[:, 1, 1]) / 2.0
        turns = turns + 1j * (linear[:, 1, 0] - linear[:, 0, 1]) / 2.0
        middle = complex(*pivot)
        turn, shift = 1.0 + 0.0j, 0.0 + 0.0j
        path = [(turn, shift)]
        for by, to in zip(turns[1:].tolist(), _points(shifts[1:]).tolist(), strict=True):
            turn, shift = by * turn, by * shift + to
            fade = turn ** (-1.0 / MEMORY)
            turn, shift = fade * turn, fade * (shift - middle) + middle
            path.append((turn, shift))
        self._turn, self._shift = np.array(path).T
        self._first = first

    def steady(self, frames: Integer, boxes: Float) -> Float:
        """Boxes of some frames, int64 [N], in the steady picture, [N, 4]; upright in both."""
        centre, half = _split(boxes)
        turn, shift = self._turn[frames - self._first], self._shift[frames - self._first]
        return _join((centre - shift) / turn, half / np.abs(turn)[:, None])

    def seen(self, frames: Integer, boxes: Float) -> Float:
        """Boxes of the steady picture as some frames, int64 [N], show them, [N, 4]."""
        centre, half = _split(boxes)
        turn, shift = self._turn[frames - self._first], self._shift[frames - self._first]
        return _join(centre * turn + shift, half * np.abs(turn)[:, None])


def _points(xy: Float) -> np.ndarray[tuple[int], np.dtype[np.complex128]]:
    return np.asarray(xy[:, 0] + 1j * xy[:, 1])


def _split(boxes: Float) -> tuple[np.ndarray[tuple[int], np.dtype[np.complex128]], Float]:
    """Centres as complex numbers [N], and half the width and height [N, 2]."""
    return _points((boxes[:, :2] + boxes[:, 2:]) / 2.0), (boxes[:, 2:] - boxes[:, :2]) / 2.0


def _join(centre: np.ndarray[tuple[int], np.dtype[np.complex128]], half: Float) -> Float:
    xy = np.column_stack((centre.real, centre.imag))
    return np.hstack((xy - half, xy + half))
