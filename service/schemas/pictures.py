"""The answers for pictures: their objects, or what each of their pixels belongs to."""

from __future__ import annotations

import base64

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from service.schemas.objects import DetectedObject
from service.schemas.shape import Shape


class Size(Shape):
    """Size of a picture in pixels, after its EXIF rotation."""

    width: int
    height: int


class Timing(Shape):
    """Milliseconds of each stage; ``queue_ms`` is the time in which the picture only waited."""

    decode_ms: float
    preprocess_ms: float
    queue_ms: float
    inference_ms: float
    postprocess_ms: float


class Detected(Shape):
    """The objects of one picture."""

    model: str
    image: Size
    detections: list[DetectedObject]
    timing: Timing
    batch_size: int
    request_id: str


class DetectedSeveral(Shape):
    """The objects of several pictures, in the order in which they were sent."""

    results: list[Detected]
    request_id: str


class SegmentedClass(Shape):
    """A class that is in the picture, and how many pixels belong to it."""

    name: str
    class_: int = Field(alias="class")
    pixels: int


class SegmentTiming(Shape):
    """Milliseconds of each stage."""

    decode_ms: float
    queue_ms: float
    inference_ms: float
    postprocess_ms: float


class SegmentedPicture(Shape):
    """What a picture shows, pixel by pixel."""

    model: str
    image: Size
    classes: list[SegmentedClass]
    mask: str = Field(description="PNG in base64, one byte a pixel: the class id.")
    timing: SegmentTiming
    request_id: str

    def class_ids(self) -> NDArray[np.uint8]:
        """The class id of every pixel, uint8 [H, W]."""
        import cv2

        png = np.frombuffer(base64.b64decode(self.mask), np.uint8)
        return np.asarray(cv2.imdecode(png, cv2.IMREAD_GRAYSCALE), np.uint8)


class DeepStackObject(Shape):
    """One object in DeepStack's form."""

    label: str
    confidence: float
    x_min: int
    y_min: int
    x_max: int
    y_max: int


class DeepStackAnswer(Shape):
    """The objects of one picture in DeepStack's form."""

    success: bool
    predictions: list[DeepStackObject]
    duration: int
