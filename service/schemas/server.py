"""What runs on a server: its models and its limits."""

from __future__ import annotations

from service.schemas.shape import Shape


class ModelEntry(Shape):
    """A detector of the catalogue, and how it runs where it is loaded."""

    name: str
    task: str
    licence: str
    bytes: int
    sha256: str | None
    loaded: bool
    state: str
    classes: dict[str, str]
    reason: str | None = None
    runtime: str | None = None
    device: str | None = None
    precision: str | None = None
    frame_precision: str | None = None
    imgsz: int | None = None
    slots: int | None = None
    max_batch: int | None = None


class ModelList(Shape):
    """The detectors of the catalogue, and what else can be named in a request."""

    default: str | None
    models: list[ModelEntry]
    embedders: list[str]
    segmenters: list[str]


class SegmenterEntry(Shape):
    """A segmenter that may be asked for, and how it runs where it is loaded."""

    name: str
    loaded: bool
    runtime: str | None
    device: str | None


class Info(Shape):
    """Version, limits in force, and what is loaded."""

    name: str
    version: str
    keys: bool
    default_model: str | None
    embedder: str
    segmenters: list[SegmenterEntry]
    models: list[ModelEntry]
    limits: dict[str, float]
