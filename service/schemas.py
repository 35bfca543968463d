"""The shapes of the answers, for the API's description, and how detections become JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import BaseModel, Field

from models.types import Detections

DECIMALS = 5


class Box(BaseModel):
    """Corners in pixels of the picture as it was sent."""

    x1: float
    y1: float
    x2: float
    y2: float


class Segments(BaseModel):
    """An outline, in the same pixels."""

    x: list[float]
    y: list[float]


class DetectedObject(BaseModel):
    """One object, as Ultralytics' ``Results.summary()`` gives it."""

    name: str
    class_: int = Field(alias="class")
    confidence: float
    box: Box
    segments: Segments | None = None


class Size(BaseModel):
    """Size of a picture in pixels, after its EXIF rotation."""

    width: int
    height: int


class Timing(BaseModel):
    """Milliseconds of each stage; ``queue_ms`` is the time in which the picture only waited."""

    decode_ms: float
    preprocess_ms: float
    queue_ms: float
    inference_ms: float
    postprocess_ms: float


class Detected(BaseModel):
    """The objects of one picture."""

    model: str
    image: Size
    detections: list[DetectedObject]
    timing: Timing
    batch_size: int
    request_id: str


class DetectedSeveral(BaseModel):
    """The objects of several pictures, in the order in which they were sent."""

    results: list[Detected]
    request_id: str


class SegmentedClass(BaseModel):
    """A class that is in the picture, and how many pixels belong to it."""

    name: str
    class_: int = Field(alias="class")
    pixels: int


class SegmentTiming(BaseModel):
    """Milliseconds of each stage."""

    decode_ms: float
    queue_ms: float
    inference_ms: float
    postprocess_ms: float


class SegmentedPicture(BaseModel):
    """What a picture shows, pixel by pixel."""

    model: str
    image: Size
    classes: list[SegmentedClass]
    mask: str = Field(description="PNG in base64, one byte a pixel: the class id.")
    timing: SegmentTiming
    request_id: str


class ProblemDocument(BaseModel):
    """Why a request was refused, RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str


class DeepStackObject(BaseModel):
    """One object in DeepStack's form."""

    label: str
    confidence: float
    x_min: int
    y_min: int
    x_max: int
    y_max: int


class DeepStackAnswer(BaseModel):
    """The objects of one picture in DeepStack's form."""

    success: bool
    predictions: list[DeepStackObject]
    duration: int


def objects(detections: Detections) -> list[dict[str, Any]]:
    """The detections of one picture as the contract's objects."""
    boxes = np.round(detections.boxes.astype(np.float64), DECIMALS).tolist()
    scores = np.round(detections.scores.astype(np.float64), DECIMALS).tolist()
    found: list[dict[str, Any]] = [
        {
            "name": detections.name(row),
            "class": int(detections.classes[row]),
            "confidence": scores[row],
            "box": dict(zip(("x1", "y1", "x2", "y2"), box, strict=True)),
        }
        for row, box in enumerate(boxes)
    ]
    if detections.segments is not None:
        for entry, outline in zip(found, detections.segments, strict=True):
            x, y = np.round(outline.astype(np.float64), DECIMALS).T.tolist()
            entry["segments"] = {"x": x, "y": y}
    return found


def _refusal(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": description,
        "content": {"application/problem+json": {"schema": schema}},
    }


ANY_REFUSAL: dict[int | str, dict[str, Any]] = {
    "default": _refusal("Any refusal is a problem document.")
}
"""How the refusals of every route are described."""

REFUSALS: dict[int | str, dict[str, Any]] = {
    400: _refusal("The body cannot be read."),
    401: _refusal("A key is needed."),
    404: _refusal("No such model."),
    413: _refusal("Over a limit."),
    415: _refusal("Not a type that is taken."),
    422: _refusal("A parameter is wrong."),
    429: _refusal("The queue is full."),
    503: _refusal("No model is ready, or the server is shutting down."),
}
"""How the refusals of a route that takes a body are described."""
