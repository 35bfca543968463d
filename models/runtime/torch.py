"""Networks that run in torch on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.errors import ModelError
from models.runtime.cpu import PooledRuntime

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
"""torch's types of the precisions."""


class TorchRuntime(PooledRuntime):
    """A torch module on the CPU, channels last.

    Parameters
    ----------
    network : nn.Module
        Takes one tensor, answers a tuple of tensors. It is taken over and converted.
    threads : int or None
        CPU threads; torch has one setting for the whole process. None leaves it as it is.
    precision : {"auto", "f32", "bf16", "f16"}
        What it computes in; ``auto`` is f32.
    """

    name = "torch"

    def __init__(
        self, network: nn.Module, *, threads: int | None = None, precision: str = "auto"
    ) -> None:
        super().__init__(1, "f32" if precision == "auto" else precision)
        if threads is not None:
            torch.set_num_threads(threads)
        self._network: nn.Module | None = converted(network, self.precision)

    def forward(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        """The network's outputs for a batch, float32, in arrays of their own."""
        if self._network is None:
            raise ModelError("this torch network has been closed")
        try:
            with torch.inference_mode():
                outputs = self._network(torch.from_numpy(batch))
        except RuntimeError as error:
            raise ModelError(
                f"torch cannot run a batch of {batch.dtype} {list(batch.shape)}: {error}"
            ) from error
        return [np.asarray(output.float().numpy()) for output in outputs]

    def release(self) -> None:
        """Drop the network; nothing is in flight."""
        self._network = None


def converted(network: nn.Module, precision: str, device: str = "cpu") -> nn.Module:
    """A network made ready for inference: its type, its device, channels last."""
    network = network.eval().requires_grad_(False).to(device, DTYPES[precision])
    channels_last: Any = {"memory_format": torch.channels_last}  # unknown to torch's stubs
    return network.to(**channels_last)
