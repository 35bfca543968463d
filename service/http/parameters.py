"""The query parameters that several routes take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, Field

from models.detector import detect_options
from models.errors import InvalidInput
from models.types import DetectOptions
from service.settings import Settings

if TYPE_CHECKING:
    from service.inference.engine import Described


class DetectQuery(BaseModel):
    """What is looked for, by which model, and how sure it has to be."""

    model: str | None = Field(
        default=None,
        max_length=64,
        description="A loaded detector, as `GET /v1/models` lists them; the server's default one "
        "where it is left out.",
        examples=["yolo26n"],
    )
    conf: float = Field(default=0.25, ge=0, le=1, description="Least confidence of an object.")
    iou: float = Field(
        default=0.7,
        ge=0,
        le=1,
        description="Boxes that overlap a better one by more than this are suppressed.",
    )
    classes: str | None = Field(
        default=None,
        max_length=4096,
        description="Names or ids of the classes that are wanted, comma-separated; all where it "
        "is left out.",
        examples=["person,bus"],
    )
    max_det: int = Field(default=300, ge=1, description="Most objects of one picture.")
    agnostic: bool = Field(default=False, description="Suppress across classes, not within each.")
    imgsz: int | None = Field(
        default=None,
        ge=32,
        description="Side of the network's input in pixels; the model's own where it is left out.",
    )

    @property
    def wanted_classes(self) -> list[str] | None:
        """Names or ids of the classes, as they were given; None for all."""
        return [part for part in (self.classes or "").split(",") if part.strip()] or None

    def options(self, detector: Described, settings: Settings) -> DetectOptions:
        """The options for a detector.

        Raises
        ------
        InvalidInput
            A class that the detector does not know, or a number over the server's limits.
        """
        for name, value, most in (
            ("max_det", self.max_det, settings.max_detections),
            ("imgsz", self.imgsz or 0, settings.max_imgsz),
        ):
            if value > most:
                raise InvalidInput(f"{name}: at most {most} is taken here, got {value}")
        return detect_options(
            detector.names,
            conf=self.conf,
            iou=self.iou,
            classes=self.wanted_classes,
            max_det=self.max_det,
            agnostic=self.agnostic,
        )


class ImageQuery(DetectQuery):
    """The parameters of a picture's detections."""

    format: Literal["json", "image"] = Field(
        default="json", description="`image` answers the picture as a JPEG with the boxes drawn."
    )
