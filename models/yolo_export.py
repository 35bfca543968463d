"""YOLO checkpoints exported to ONNX once, and kept in the cache."""

from __future__ import annotations

import logging
from pathlib import Path

import filelock
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from models import catalog
from models.yolo_head import HeadSpec

EXPORT_VERSION = 3
"""Raised whenever the exported network changes, so that older files are not taken for it."""

_SPEC = "trackline"
_ANY = {0: "batch", 2: "anchors"}
_AXES = {
    "pixels": {0: "batch", 1: "height", 2: "width"},
    "features": _ANY,
    "logits": _ANY,
    "coefficients": _ANY,
    "prototypes": {0: "batch", 2: "rows", 3: "columns"},
}

_log = logging.getLogger(__name__)


def exported(name: str) -> tuple[Path, HeadSpec]:
    """The ONNX file of a catalogue name and how its answers are read; made if it is not there.

    The file is keyed by the hash of the weights and the version of the export. With two processes
    at once one exports and the other waits.

    Raises
    ------
    WeightsError
        The weights are not to be had.
    ModelError
        They are no checkpoint of a YOLO detector.
    """
    path = export_path(name)
    if (spec := _read_spec(path)) is not None:
        return path, spec
    weights = catalog.fetch(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(path.with_name(f".{path.name}.lock")):
        spec = _read_spec(path)
        if spec is None:
            _log.info("%s: exporting to ONNX, once: %s", name, path)
            spec = _export(weights, path, end_to_end=catalog.entry(name).end_to_end)
    return path, spec


def export_path(name: str) -> Path:
    """Where the exported network of a catalogue name is, or will be."""
    digest = catalog.entry(name).sha256[:16]
    return catalog.cache_dir() / "exports" / f"{name}-{digest}-v{EXPORT_VERSION}.onnx"


def _export(weights: Path, path: Path, *, end_to_end: bool) -> HeadSpec:
    import torch

    from models.runtime.export import export_onnx
    from models.yolo_network import load_checkpoint

    network = load_checkpoint(weights, end_to_end=end_to_end)
    # Sides that differ, so that neither is taken for the other.
    example = torch.zeros((1, 320, 640, 3), dtype=torch.uint8)
    with torch.inference_mode():
        count = len(network(example))
    axes = dict(list(_AXES.items())[: 1 + count])
    export_onnx(network, example, path, axes=axes, metadata={_SPEC: network.spec.to_json()})
    return network.spec


def _read_spec(path: Path) -> HeadSpec | None:
    """How the answers of an exported network are read; None if there is no sound file."""
    try:
        stored = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
        return HeadSpec.from_json(stored[_SPEC])
    except (OSError, DecodeError, KeyError):
        return None
