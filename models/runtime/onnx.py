"""Networks that run in ONNX Runtime on the CPU: the portable runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime
from numpy.typing import NDArray

from models.errors import ModelError, RuntimeUnavailable
from models.runtime.cpu import PooledRuntime, cpu_count

LANES = 2
"""Forwards at once: while one is in a part that does not spread over threads, the other works."""


class OnnxRuntime(PooledRuntime):
    """An ONNX file in ONNX Runtime.

    Parameters
    ----------
    path : Path
        The ONNX file.
    threads : int or None
        CPU threads; None takes all cores.
    precision : {"auto", "f32"}
        What it computes in: f32, the types of the file.

    Raises
    ------
    ModelError
        The file is no network that ONNX Runtime can run.
    RuntimeUnavailable
        Another precision than f32 is asked for.
    """

    name = "onnx"

    def __init__(self, path: Path, *, threads: int | None = None, precision: str = "auto") -> None:
        if precision not in ("auto", "f32"):
            raise RuntimeUnavailable(f"precision {precision!r}: ONNX Runtime has f32 on a CPU")
        super().__init__(LANES, "f32")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or cpu_count()
        # Threads that wait for work by spinning take the cores from everything around them.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the runtime's own errors have no narrower base
            raise ModelError(f"{path}: ONNX Runtime cannot run it: {error}") from error
        self._input = self._session.get_inputs()[0].name

    def forward(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        """The network's outputs for a batch, in arrays of their own."""
        try:
            outputs: list[NDArray[Any]] = self._session.run(None, {self._input: batch})
        except Exception as error:  # likewise
            raise ModelError(
                f"ONNX Runtime cannot run a batch of {batch.dtype} {list(batch.shape)}: {error}"
            ) from error
        return outputs

    def release(self) -> None:
        """Drop the network; nothing is in flight."""
        self._session = None
