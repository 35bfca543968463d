"""Trained FCNs as ONNX files, for the runtimes that read them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from models.fcn_network import FcnAnswer
from models.fcn_weights import load_fcn
from models.runtime.export import export_onnx

_OUTPUTS = {"detector": FcnAnswer._fields, "segmenter": ("scores",)}


def export_fcn(weights: Path, path: Path) -> None:
    """Write the network of a file of weights to ``path``, complete or not at all.

    Raises
    ------
    ModelError
        It is no file of an FCN.
    """
    network, spec = load_fcn(weights)
    # Sides that differ, so that neither is taken for the other.
    example = torch.zeros((1, 320, 640, 3), dtype=torch.uint8)
    axes = {
        "pixels": {0: "batch", 1: "height", 2: "width"},
        **{name: {0: "batch", 2: "rows", 3: "columns"} for name in _OUTPUTS[spec.kind]},
    }
    export_onnx(AsTuple(network), example, path, axes=axes, metadata={})


class AsTuple(nn.Module):
    """Answers a tuple, as runtimes expect it, also where the network answers one tensor."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """What the network answers."""
        answer = self.network(pixels)
        return (answer,) if isinstance(answer, Tensor) else tuple(answer)
