"""YOLO checkpoints exported to ONNX once, and kept in the cache."""

from __future__ import annotations

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from models import catalog
from models.errors import ModelError
from models.exports import export_once
from models.yolo_head import HeadSpec

EXPORT_VERSION = 5
"""Raised whenever the exported network changes, so that older files are not taken for it."""

_SPEC = "trackline"
_BATCH = {0: "batch"}


def exported(name: str) -> tuple[Path, HeadSpec]:
    """The ONNX file of a catalogue name and how its answers are read; made if it is not there.

    Raises
    ------
    WeightsError
        The weights are not to be had.
    ModelError
        They are no checkpoint of a YOLO detector, or the cache cannot be written.
    """

    def write(weights: Path, path: Path) -> None:
        _export(weights, path, end_to_end=catalog.entry(name).end_to_end)

    path = export_once(name, EXPORT_VERSION, write, lambda path: _read_spec(path) is not None)
    spec = _read_spec(path)
    if spec is None:
        raise ModelError(f"{path}: was there, and is no export of {name} any more")
    return path, spec


def _export(weights: Path, path: Path, *, end_to_end: bool) -> None:
    import torch

    from models.runtime.export import export_onnx
    from models.yolo_network import load_checkpoint

    network = load_checkpoint(weights, end_to_end=end_to_end)
    # Sides that differ, so that neither is taken for the other.
    example = torch.zeros((1, 320, 640, 3), dtype=torch.uint8)
    spec = network.spec
    axes = {"pixels": _BATCH | {1: "height", 2: "width"}}
    for kind in spec.outputs:
        for stride in spec.strides:
            axes[f"{kind}_{stride}"] = _BATCH | {1: f"rows_{stride}", 2: f"columns_{stride}"}
    if spec.task == "segment":
        axes["prototypes"] = _BATCH | {2: "rows", 3: "columns"}
    export_onnx(network, example, path, axes=axes, metadata={_SPEC: spec.to_json()})


def _read_spec(path: Path) -> HeadSpec | None:
    """How the answers of an exported network are read; None if there is no sound file."""
    try:
        stored = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
        return HeadSpec.from_json(stored[_SPEC])
    except (OSError, DecodeError, KeyError):
        return None
