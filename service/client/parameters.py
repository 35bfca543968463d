"""The parameters of requests, as the server's routes take them; what is left out is its default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

import orjson

Shapes = Sequence[Mapping[str, Any]] | str
"""Lines or zones: ``{"name", "points"}`` each, or their JSON."""


class DetectParameters(TypedDict, total=False):
    """How objects are found."""

    model: str | None
    conf: float
    iou: float
    classes: Sequence[str | int] | str | None
    max_det: int
    agnostic: bool
    imgsz: int | None


class FollowParameters(DetectParameters, total=False):
    """How objects are found and followed, wherever the frames come from."""

    tracker: str
    embedder: str | None
    delay: int
    reenter: bool
    lines: Shapes | None
    zones: Shapes | None
    anchor: Literal["foot", "centre"]


class TrackParameters(FollowParameters, total=False):
    """How a video's objects are found and followed."""

    stride: int
    start: int
    end: int | None


class LiveParameters(FollowParameters, total=False):
    """How the objects of frames are followed that come one by one."""

    mode: Literal["drop-oldest", "lossless"]
    fps: float | None


def query(parameters: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    """Parameters as a query has them: lists comma-separated, lines and zones as JSON, no None."""
    return {name: _text(name, value) for name, value in parameters.items() if value is not None}


def _text(name: str, value: Any) -> Any:
    if isinstance(value, str) or not isinstance(value, Sequence):
        return value
    if name in ("lines", "zones"):
        return orjson.dumps(value).decode()
    return ",".join(map(str, value))
