"""What looks at pixels: detectors, embedders, box geometry, and the catalogue of weights.

Importing this package is cheap: the names below load their modules, and with them torch or a
runtime, only when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import models.quiet  # noqa: F401  # before any runtime is imported

if TYPE_CHECKING:
    from models.detector import load_detector
    from models.embedder import load_embedder
    from models.types import Detections

__all__ = ["Detections", "boxes", "load_detector", "load_embedder", "nms"]

_HOME = {
    "Detections": "models.types",
    "load_detector": "models.detector",
    "load_embedder": "models.embedder",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in __all__:
        return import_module(f"models.{name}")
    raise AttributeError(f"module 'models' has no attribute {name!r}")
