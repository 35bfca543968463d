"""A trained FCN of the catalogue on any runtime."""

from __future__ import annotations

from pathlib import Path

from models import catalog
from models.errors import ModelError
from models.exports import export_once
from models.fcn_spec import FcnSpec, Kind, read_spec
from models.runtime import Runtime, check_settings, choose_runtime, load_runtime

INPUT_STRIDE = 32
"""Sides of the input are multiples of the backbone's coarsest stride."""

EXPORT_VERSION = 1
"""Raised whenever the exported network changes, so that older files are not taken for it."""


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
    return _load_torch(weights, place, threads, precision), spec


def exported(name: str) -> Path:
    """The ONNX file of a catalogue name; made if it is not there.

    Raises
    ------
    WeightsError
        The weights are not to be had.
    ModelError
        They are of no FCN, or the cache cannot be written.
    """

    def write(weights: Path, path: Path) -> None:
        from models.fcn_export import export_fcn

        export_fcn(weights, path)

    return export_once(name, EXPORT_VERSION, write)


def _load_torch(weights: Path, device: str, threads: int | None, precision: str) -> Runtime:
    """The network as a torch module, without an export."""
    from models.fcn_export import AsTuple
    from models.fcn_weights import load_fcn
    from models.runtime.cuda import CudaRuntime
    from models.runtime.torch import TorchRuntime

    network = AsTuple(load_fcn(weights)[0])
    if device == "cuda":
        return CudaRuntime(network, precision=precision)
    return TorchRuntime(network, threads=threads, precision=precision)
