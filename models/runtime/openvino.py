"""Networks that run in OpenVINO on the CPU, several forwards at once.

The network is compiled twice. While one forward is in flight all threads work on it, which
answers soonest; when there are more, each has cores to itself, which answers most. Both give the
same numbers bit for bit, so what else is in flight never shows in an answer.
"""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from models.errors import ModelError, RuntimeUnavailable
from models.runtime.cpu import PooledRuntime, cpu_count

MAX_SLOTS = 8
"""Most forwards in flight; each holds the memory of one."""

_TYPES = {"f32": openvino.Type.f32, "bf16": openvino.Type.bf16, "f16": openvino.Type.f16}


class OpenVinoRuntime(PooledRuntime):
    """An ONNX file in OpenVINO.

    Parameters
    ----------
    path : Path
        The ONNX file.
    threads : int or None
        CPU threads; None takes all cores.
    precision : {"auto", "f32", "bf16", "f16"}
        What it computes in; ``auto`` is the one that is fastest on this CPU, bf16 where it is
        multiplied in hardware.

    Raises
    ------
    ModelError
        The file is no network that OpenVINO can run.
    RuntimeUnavailable
        The CPU does not have the precision.
    """

    name = "openvino"

    def __init__(self, path: Path, *, threads: int | None = None, precision: str = "auto") -> None:
        threads = threads or cpu_count()
        slots = min(threads, MAX_SLOTS)
        settings: dict[str, Any] = {"INFERENCE_NUM_THREADS": threads}
        if precision != "auto":
            settings["INFERENCE_PRECISION_HINT"] = _supported(precision)
        try:
            core = openvino.Core()
            network = core.read_model(path)
            alone = core.compile_model(network, "CPU", settings | {"NUM_STREAMS": 1})
            shared = core.compile_model(network, "CPU", settings | {"NUM_STREAMS": slots})
        except RuntimeError as error:
            raise ModelError(f"{path}: OpenVINO cannot run it: {error}") from error
        chosen = alone.get_property("INFERENCE_PRECISION_HINT")
        super().__init__(slots, next(name for name, kind in _TYPES.items() if kind == chosen))
        self._alone = alone.create_infer_request()
        self._shared = [shared.create_infer_request() for _ in range(slots)]
        self._in_flight = 0
        self._lock = Lock()

    def forward(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        """The network's outputs for a batch, in arrays of their own."""
        with self._lock:
            request = self._shared.pop() if self._in_flight else self._alone
            self._in_flight += 1
        try:
            answer = request.infer({0: batch}, share_inputs=True, share_outputs=True)
            return [np.array(output) for output in answer.to_tuple()]
        except RuntimeError as error:
            raise ModelError(
                f"OpenVINO cannot run a batch of {batch.dtype} {list(batch.shape)}: {error}"
            ) from error
        finally:
            with self._lock:
                self._in_flight -= 1
                if request is not self._alone:
                    self._shared.append(request)

    def release(self) -> None:
        """Drop the network; nothing is in flight."""
        self._alone = None
        self._shared.clear()


def _supported(precision: str) -> openvino.Type:
    """OpenVINO's type of a precision that this CPU has."""
    known = {"FP32": "f32", "BF16": "bf16", "FP16": "f16"}
    offered = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    here = [known[capability] for capability in offered if capability in known]
    if precision not in here:
        raise RuntimeUnavailable(f"precision {precision!r}: this CPU has {', '.join(sorted(here))}")
    return _TYPES[precision]
