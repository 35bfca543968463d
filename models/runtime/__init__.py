"""What runs a network: torch, OpenVINO or ONNX Runtime, behind one small interface.

`load_runtime` takes a network that was exported to ONNX. Networks that exist as torch modules can
also run as they are, with `models.runtime.torch.TorchRuntime`; on CUDA that is the fast way.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from concurrent.futures import Future
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from models.errors import InvalidInput, RuntimeUnavailable, UnknownName

RUNTIMES = ("openvino", "onnx", "torch")
"""Names of the runtimes, the fastest on a CPU first."""

_PACKAGES = {"openvino": "openvino", "onnx": "onnxruntime", "torch": "torch"}

PRECISIONS = ("auto", "f32", "bf16", "f16")


class Runtime(Protocol):
    """A network that is ready to run. Any number of threads may call it at once.

    Attributes
    ----------
    name : str
        ``openvino``, ``onnx`` or ``torch``.
    device : str
        ``cpu`` or ``cuda``.
    precision : str
        What it computes in: ``f32``, ``bf16`` or ``f16``. Answers are float32 all the same.
    slots : int
        Forwards to keep in flight: those that run at once and, without batches, one that waits.
    max_batch : int
        Inputs that one forward takes with profit.
    """

    name: str
    device: str
    precision: str
    slots: int
    max_batch: int

    def run(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        """The network's outputs for a batch; the first axis counts its inputs."""

    def start(self, batch: NDArray[Any]) -> Future[list[NDArray[Any]]]:
        """Like `run`, in the background where the runtime can; else the future is finished.

        What exceeds the slots waits its turn.
        """

    def close(self) -> None:
        """Give back the memory of the network."""


def choose_runtime(name: str = "auto", device: str = "auto") -> tuple[str, str]:
    """The runtime and the device that are meant by names that may be ``auto``.

    ``auto`` is torch on CUDA where there is one, else OpenVINO, else ONNX Runtime, else torch.

    Raises
    ------
    UnknownName
        A name that is no runtime or no device.
    RuntimeUnavailable
        It is not installed, or its device is not there.
    """
    if name not in ("auto", *RUNTIMES):
        raise UnknownName(f"runtime {name!r}: one of auto, {', '.join(RUNTIMES)} expected")
    if device not in ("auto", "cpu", "cuda"):
        raise UnknownName(f"device {device!r}: one of auto, cpu, cuda expected")
    if device == "cuda" and name in ("openvino", "onnx"):
        raise RuntimeUnavailable(f"runtime {name!r} runs on the CPU; take 'torch' for CUDA")
    if device == "cuda" and not _has_cuda():
        raise RuntimeUnavailable("device 'cuda': torch finds no CUDA device; take 'cpu' or 'auto'")
    if device == "cuda" or (device == "auto" and name in ("auto", "torch") and _has_cuda()):
        return "torch", "cuda"
    installed = [known for known in RUNTIMES if find_spec(_PACKAGES[known])]
    if name != "auto" and name not in installed:
        raise RuntimeUnavailable(
            f"runtime {name!r} is not installed: pip install {_PACKAGES[name]}"
        )
    if not installed:
        raise RuntimeUnavailable(f"none of the runtimes is installed: {', '.join(RUNTIMES)}")
    return (installed[0] if name == "auto" else name), "cpu"


def torch_device(network: str, runtime: str, device: str) -> str:
    """The device for a network that torch alone can run.

    Raises
    ------
    UnknownName
        A name that is no runtime or no device.
    RuntimeUnavailable
        Another runtime is asked for, or torch or the device is not there.
    """
    chosen, place = choose_runtime("torch" if runtime == "auto" else runtime, device)
    if chosen != "torch":
        raise RuntimeUnavailable(f"{network} runs in torch alone; take 'torch' or 'auto'")
    return place


def load_runtime(
    path: Path, runtime: str = "auto", threads: int | None = None, precision: str = "auto"
) -> Runtime:
    """A network exported to ONNX, on the CPU.

    Parameters
    ----------
    path : Path
        The ONNX file. Axes without a size take any, the batch as a rule.
    runtime : {"auto", "openvino", "onnx"}
        What runs it.
    threads : int or None
        CPU threads; None takes all cores.
    precision : {"auto", "f32", "bf16"}
        What it computes in; ``auto`` is bf16 where the runtime and the CPU have it.

    Raises
    ------
    UnknownName
        No such runtime.
    RuntimeUnavailable
        It is not installed, or it does not read ONNX.
    ModelError
        The file is no network that it can run.
    """
    check_settings(threads, precision)
    name, _ = choose_runtime(runtime, "cpu")
    load = _LOADERS.get(name)
    if load is None:
        raise RuntimeUnavailable(f"runtime {name!r} does not read ONNX; take openvino or onnx")
    return load(path, threads, precision)


def check_settings(threads: int | None, precision: str) -> None:
    """Refuse settings that no runtime has.

    Raises
    ------
    InvalidInput
        Less than one thread, or an unknown precision.
    """
    if threads is not None and threads < 1:
        raise InvalidInput(f"threads: expected at least 1 or None for all cores, got {threads}")
    if precision not in PRECISIONS:
        raise InvalidInput(f"precision {precision!r}: one of {', '.join(PRECISIONS)} expected")


def _openvino(path: Path, threads: int | None, precision: str) -> Runtime:
    from models.runtime.openvino import OpenVinoRuntime

    return OpenVinoRuntime(path, threads=threads, precision=precision)


def _onnx(path: Path, threads: int | None, precision: str) -> Runtime:
    from models.runtime.onnx import OnnxRuntime

    return OnnxRuntime(path, threads=threads, precision=precision)


_LOADERS: dict[str, Callable[[Path, int | None, str], Runtime]] = {
    "openvino": _openvino,
    "onnx": _onnx,
}


def _has_cuda() -> bool:
    """Whether torch finds a CUDA device. Without a driver torch is not even imported."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    if not find_spec("torch"):
        return False
    import torch

    return torch.cuda.is_available()
