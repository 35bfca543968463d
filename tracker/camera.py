"""Motion of the camera from one frame to the next, seen in the background alone.

Corners outside of the detected boxes are followed by sparse optical flow (Lucas and Kanade 1981,
in pyramids after Bouguet 2001) on a small grey copy of the frame, and RANSAC (Fischler and Bolles
1981) finds the shift, turn and zoom that most of them agree on. While the camera stands still,
which a small share of the corners tells, nothing is estimated and the answer is exactly "no
motion", so that a fixed camera neither costs time nor gains noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.types import Image
from tracker.types import Float, Mask

Grey = NDArray[np.uint8]
Points = NDArray[np.float32]

IDENTITY: Float = np.eye(2, 3)
FEWEST_POINTS = 8
"""With fewer corners than this nothing is said about the camera."""


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """How the motion of the camera is looked for; pixels are those of the small copy.

    Attributes
    ----------
    width : int
        Width that the copy comes near to; frames that are no wider are not shrunk.
    corners, fewest : int
        Most corners that are followed while the camera moves, and how many may be left of them
        before others are looked for.
    probes : int
        Corners that are followed while it stands, to see whether it still does.
    starts, stops : float
        Median shift in pixels a frame from which a standing camera moves, and below which a
        moving one may stand. Two thresholds, so that it does not change with every frame.
    patience : int
        Frames of no motion after which a moving camera stands.
    tolerance : float
        How far a corner may be off the common motion, in pixels.
    agreement : float
        Least share of corners that agree; below it the motion is not known.
    """

    width: int = 480
    corners: int = 120
    fewest: int = 60
    probes: int = 24
    starts: float = 0.35
    stops: float = 0.15
    patience: int = 10
    tolerance: float = 1.5
    agreement: float = 0.4


class CameraMotion:
    """Follows the background through a video.

    Parameters
    ----------
    settings : CameraSettings, optional
        How motion is looked for.
    """

    def __init__(self, settings: CameraSettings | None = None) -> None:
        self._settings = settings or CameraSettings()
        self.reset()

    def reset(self) -> None:
        """Forget the frame before."""
        self._grey: Grey | None = None
        self._points: Points = np.zeros((0, 2), np.float32)
        self._moving = False
        self._quiet = 0

    @property
    def moving(self) -> bool:
        """Whether the camera is taken to be moving."""
        return self._moving

    def estimate(self, frame: Image, boxes: Float) -> Float:
        """Where the background of the frame before is in this one.

        Parameters
        ----------
        frame : uint8 [H, W, 3]
            The picture; all of a video have one size.
        boxes : float64 [N, 4]
            x1, y1, x2, y2 in pixels of what may move by itself, detections as a rule.

        Returns
        -------
        float64 [2, 3]
            Affine transform of pixels of the frame before to pixels of this one: rotation, one
            scale and shift. The identity for the first frame, while the camera stands, and where
            too little background is in view.
        """
        grey, scale = self._shrink(frame)
        before, self._grey = self._grey, grey
        if before is None or before.shape != grey.shape:
            self._points = self._corners(grey, boxes * scale)
            return IDENTITY.copy()
        wanted = self._settings.corners if self._moving else self._settings.probes
        points = self._points[:: max(1, len(self._points) // wanted)]
        start, end = _flow(before, grey, points)
        self._settle(start, end)
        affine = self._fit(start, end, scale) if self._moving else IDENTITY.copy()
        self._renew(grey, end, boxes * scale)
        return affine

    def _shrink(self, frame: Image) -> tuple[Grey, float]:
        """A small grey copy, and its scale."""
        import cv2

        height, width = frame.shape[:2]
        if width <= self._settings.width:
            return np.ascontiguousarray(frame[..., 1]), 1.0
        # Green alone, with rows and columns left out before the mean over areas: reading all of a
        # large frame would cost more than everything else here. And areas of whole pixels, which
        # OpenCV does in a thirtieth of the time.
        step = max(1, round(width / self._settings.width / 2))
        rows, columns = height // (2 * step), width // (2 * step)
        green = frame[: 2 * step * rows : step, : 2 * step * columns : step, 1]
        small = cv2.resize(
            np.ascontiguousarray(green), (columns, rows), interpolation=cv2.INTER_AREA
        )
        return np.asarray(small), 0.5 / step

    def _corners(self, grey: Grey, boxes: Float) -> Points:
        """Corners that are good to follow, strongest first, [K, 2]."""
        import cv2

        mask = np.full(grey.shape, 255, np.uint8)
        for x1, y1, x2, y2 in np.maximum(boxes, 0.0).round().astype(int).tolist():
            mask[y1 : y2 + 1, x1 : x2 + 1] = 0
        found = cv2.goodFeaturesToTrack(grey, self._settings.corners, 0.01, 8, mask=mask)
        return np.zeros((0, 2), np.float32) if found is None else found.reshape(-1, 2)

    def _settle(self, start: Points, end: Points) -> None:
        """Decide whether the camera moves, with two thresholds and some patience."""
        if len(start) < FEWEST_POINTS:
            return
        shift = _median_length(end - start)
        if self._moving:
            self._quiet = self._quiet + 1 if shift < self._settings.stops else 0
            self._moving = self._quiet < self._settings.patience
        elif shift > self._settings.starts:
            self._moving, self._quiet = True, 0

    def _fit(self, start: Points, end: Points, scale: float) -> Float:
        """Rotation, scale and shift that most corners agree on, in pixels of the frame."""
        import cv2

        if len(start) < FEWEST_POINTS:
            return IDENTITY.copy()
        affine, agree = cv2.estimateAffinePartial2D(
            start, end, method=cv2.RANSAC, ransacReprojThreshold=self._settings.tolerance
        )
        if affine is None or agree.mean() < self._settings.agreement:
            return IDENTITY.copy()
        full = np.asarray(affine, np.float64)
        full[:, 2] /= scale
        return full

    def _renew(self, grey: Grey, points: Points, boxes: Float) -> None:
        """Keep the corners that are still background, or look for others when few are left."""
        kept = points[_outside(points, boxes)]
        least = self._settings.fewest if self._moving else FEWEST_POINTS
        self._points = self._corners(grey, boxes) if len(kept) < least else kept


def _flow(before: Grey, after: Grey, points: Points) -> tuple[Points, Points]:
    """Points that were found again, where they were and where they are."""
    import cv2

    if not len(points):
        return points, points
    moved, found, _ = cv2.calcOpticalFlowPyrLK(
        before, after, np.ascontiguousarray(points), None, winSize=(13, 13), maxLevel=3
    )
    good = found[:, 0] == 1
    return points[good], moved[good]


def _median_length(shifts: Points) -> float:
    """Median length of shifts [K, 2], K at least 1: ``np.median``, at a quarter of its cost."""
    lengths = np.sort(np.sqrt(np.square(shifts[:, 0]) + np.square(shifts[:, 1])))
    return float((lengths[(len(lengths) - 1) // 2] + lengths[len(lengths) // 2]) / 2)


def _outside(points: Points, boxes: Float) -> Mask:
    """Points that lie in none of the boxes."""
    if not len(boxes):
        return np.ones(len(points), np.bool_)
    x, y = points[:, :1], points[:, 1:]
    inside = (x >= boxes[:, 0]) & (x <= boxes[:, 2]) & (y >= boxes[:, 1]) & (y <= boxes[:, 3])
    return ~np.asarray(inside.any(axis=1))
