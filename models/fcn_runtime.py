"""A trained FCN of the catalogue on any runtime."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from models import catalog
from models.errors import ModelError
from models.exports import export_once
from models.fcn_network import FcnAnswer
from models.fcn_weights import FcnSpec, Kind, load_fcn, read_spec
from models.runtime import Runtime, check_settings, choose_runtime, load_runtime
from models.runtime.cuda import CudaRuntime
from models.runtime.export import export_onnx
from models.runtime.torch import TorchRuntime

INPUT_STRIDE = 32
"""Sides of the input are multiples of the backbone's coarsest stride."""

EXPORT_VERSION = 1
"""Raised whenever the exported network changes, so that older files are not taken for it."""

_OUTPUTS: dict[Kind, tuple[str, ...]] = {"detector": FcnAnswer._fields, "segmenter": ("scores",)}


def load_fcn_runtime(
    name: str,
    kind: Kind,
    *,
    runtime: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    precision: str = "auto",
) -> tuple[Runtime, FcnSpec]:
    """The network of a catalogue name, ready to run, and what it is.

    Raises
    ------
    WeightsError
        The weights are not to be had.
    ModelError
        They are of no such FCN, or the runtime or device is not there.
    """
    check_settings(threads, precision)
    chosen, place = choose_runtime(runtime, device)
    weights = catalog.fetch(name)
    spec = read_spec(weights)
    if spec.kind != kind:
        task = {"detector": "detect", "segmenter": "semantic"}[spec.kind]
        raise ModelError(f"{name}: {weights} holds a {spec.kind}: its task is {task!r}")
    if chosen != "torch":
        return load_runtime(exported(name), chosen, threads, precision), spec
    network = _AsTuple(load_fcn(weights)[0])
    if place == "cuda":
        return CudaRuntime(network, precision=precision), spec
    return TorchRuntime(network, threads=threads, precision=precision), spec


def exported(name: str) -> Path:
    """The ONNX file of a catalogue name; made if it is not there.

    Raises
    ------
    WeightsError
        The weights are not to be had.
    ModelError
        They are of no FCN, or the cache cannot be written.
    """
    return export_once(name, EXPORT_VERSION, _export)


def _export(weights: Path, path: Path) -> None:
    network, spec = load_fcn(weights)
    # Sides that differ, so that neither is taken for the other.
    example = torch.zeros((1, 320, 640, 3), dtype=torch.uint8)
    axes = {
        "pixels": {0: "batch", 1: "height", 2: "width"},
        **{name: {0: "batch", 2: "rows", 3: "columns"} for name in _OUTPUTS[spec.kind]},
    }
    export_onnx(_AsTuple(network), example, path, axes=axes, metadata={})


class _AsTuple(nn.Module):
    """Answers a tuple, as runtimes expect it, also where the network answers one tensor."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        answer = self.network(pixels)
        return (answer,) if isinstance(answer, Tensor) else tuple(answer)
