"""Networks that run in torch, on the CPU or on CUDA."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.errors import ModelError

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


class TorchRuntime:
    """A torch module on the CPU, channels last.

    Parameters
    ----------
    network : nn.Module
        Takes one tensor, answers a tuple of tensors. It is taken over and converted.
    threads : int or None
        CPU threads; torch has one setting for the whole process. None leaves it as it is.
    precision : {"auto", "f32", "bf16"}
        What it computes in; ``auto`` is f32.
    """

    name = "torch"
    device = "cpu"
    slots = 1
    max_batch = 1

    def __init__(
        self, network: nn.Module, *, threads: int | None = None, precision: str = "auto"
    ) -> None:
        self.precision = "f32" if precision == "auto" else precision
        if threads is not None:
            torch.set_num_threads(threads)
        network = network.eval().to(DTYPES[self.precision])
        channels_last: Any = {"memory_format": torch.channels_last}  # unknown to torch's stubs
        self._network: nn.Module | None = network.to(**channels_last)

    def run(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        """The network's outputs for a batch, float32."""
        if self._network is None:
            raise ModelError("this network has been closed")
        with torch.inference_mode():
            outputs = self._network(torch.from_numpy(batch))
        return [np.asarray(output.float().numpy()) for output in outputs]

    def start(self, batch: NDArray[Any]) -> Future[list[NDArray[Any]]]:
        """Like `run`; the future that is answered is finished."""
        future: Future[list[NDArray[Any]]] = Future()
        future.set_result(self.run(batch))
        return future

    def close(self) -> None:
        """Give back the memory of the network."""
        self._network = None
