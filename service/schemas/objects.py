"""One object of a picture or of a frame, and how detections become such objects and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field

from models.types import Detections
from service.schemas.shape import Shape

DECIMALS = 5
CORNERS = ("x1", "y1", "x2", "y2")


class Box(Shape):
    """Corners in pixels of the picture as it was sent."""

    x1: float
    y1: float
    x2: float
    y2: float


class Segments(Shape):
    """An outline, in the same pixels."""

    x: list[float]
    y: list[float]


class DetectedObject(Shape):
    """One object, as Ultralytics' ``Results.summary()`` gives it."""

    name: str
    class_: int = Field(alias="class")
    confidence: float
    box: Box
    segments: Segments | None = None


class TrackedObject(DetectedObject):
    """One object of a frame, with the identity that it has in all of the video."""

    track_id: int = Field(description="From 1, of this video alone, never used again in it.")
    predicted: bool = Field(
        description="No detection in this frame: the box is where the object is expected."
    )


def objects(detections: Detections) -> list[dict[str, Any]]:
    """The detections of one picture as the contract's objects."""
    boxes = np.round(detections.boxes.astype(np.float64), DECIMALS).tolist()
    scores = np.round(detections.scores.astype(np.float64), DECIMALS).tolist()
    found: list[dict[str, Any]] = [
        {
            "name": detections.name(row),
            "class": int(detections.classes[row]),
            "confidence": scores[row],
            "box": dict(zip(CORNERS, box, strict=True)),
        }
        for row, box in enumerate(boxes)
    ]
    if detections.segments is not None:
        for entry, outline in zip(found, detections.segments, strict=True):
            x, y = np.round(outline.astype(np.float64), DECIMALS).T.tolist()
            entry["segments"] = {"x": x, "y": y}
    return found


def detections(found: Sequence[DetectedObject]) -> Detections:
    """The objects of a picture as arrays: what `objects` was given, to the last of its decimals."""
    outlines = [one.segments for one in found]
    return Detections(
        np.array([[getattr(one.box, name) for name in CORNERS] for one in found], np.float32),
        np.array([one.confidence for one in found], np.float32),
        np.array([one.class_ for one in found], np.int32),
        {one.class_: one.name for one in found},
        tuple(np.array([line.x, line.y], np.float32).T for line in outlines if line is not None)
        if found and all(outlines)
        else None,
    )
