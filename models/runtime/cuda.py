"""Networks that run in torch on CUDA, as recorded graphs, two forwards at once.

Each lane has a stream, page-locked buffers and, for every shape it has met, a recorded graph: one
launch for the whole network. While one lane computes, the other copies. Batches are filled up to
the next power of two, so that few shapes are recorded.

cuDNN may pick another kernel for another batch, so the last bits of an image's numbers can depend
on how many share its forward; what the others show has no influence.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from queue import SimpleQueue
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.errors import ModelError
from models.runtime.cpu import PooledRuntime
from models.runtime.torch import converted

LANES = 2
"""Forwards at once: one computes while the other copies."""

MAX_BATCH = 16
"""Inputs of one forward; more hardly raise the throughput of small networks."""

MAX_SHAPES = 16
"""Recorded graphs of a lane; the one used longest ago goes when another is needed."""

WARM_UP = 3
"""Forwards before a recording, in which torch picks its kernels."""


class CudaRuntime(PooledRuntime):
    """A torch module on CUDA, channels last.

    Parameters
    ----------
    network : nn.Module
        Takes one tensor, answers a tuple of tensors. It is taken over and converted.
    precision : {"auto", "f16", "bf16", "f32"}
        What it computes in; ``auto`` is f16, which is as fast as bf16 and rounds less.
    device : str
        ``cuda``, or ``cpu`` for the same path without graphs.
    """

    name = "torch"
    max_batch = MAX_BATCH

    def __init__(
        self, network: nn.Module, *, precision: str = "auto", device: str = "cuda"
    ) -> None:
        super().__init__(LANES, "f16" if precision == "auto" else precision)
        self.device = device
        network = converted(network, self.precision, device)
        recording = Lock()
        self._lanes: SimpleQueue[_Lane] = SimpleQueue()
        for _ in range(LANES):
            self._lanes.put(_Lane(network, device, recording))

    def forward(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        """The network's outputs for a batch, in arrays of their own."""
        lane = self._lanes.get()
        try:
            return lane.run(batch)
        except RuntimeError as error:
            raise ModelError(
                f"torch cannot run a batch of {batch.dtype} {list(batch.shape)}: {error}"
            ) from error
        finally:
            self._lanes.put(lane)

    def release(self) -> None:
        """Drop the network; nothing is in flight."""
        for _ in range(LANES):
            self._lanes.get()
        if self.device == "cuda":
            torch.cuda.empty_cache()


class _Lane:
    """A stream, and the programs recorded on it."""

    def __init__(self, network: nn.Module, device: str, recording: Lock) -> None:
        self._network = network
        self._stream: torch.cuda.Stream | None = None
        if device == "cuda":
            self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._recording = recording
        self._programs: OrderedDict[tuple[Any, ...], _Program] = OrderedDict()

    def run(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        """The outputs of a batch, waited for."""
        stream: AbstractContextManager[Any] = nullcontext()
        if self._stream is not None:
            stream = torch.cuda.stream(self._stream)
        with torch.inference_mode(), stream:
            program = self._program(batch)
            program.start(batch)
            if self._stream is not None:
                self._stream.synchronize()
            return program.answers(len(batch))

    def _program(self, batch: NDArray[Any]) -> _Program:
        """The program of a batch's shape, recorded if there is none yet."""
        size = 1 << (len(batch) - 1).bit_length()
        shape = (size, *batch.shape[1:])
        key = (shape, batch.dtype)
        if key not in self._programs:
            with self._recording:
                self._programs[key] = _Program(self._network, shape, batch, self._stream)
            if len(self._programs) > MAX_SHAPES:
                self._programs.popitem(last=False)
        self._programs.move_to_end(key)
        return self._programs[key]


class _Program:
    """A network at one shape, with the buffers that it reads and writes."""

    def __init__(
        self,
        network: nn.Module,
        shape: tuple[int, ...],
        batch: NDArray[Any],
        stream: torch.cuda.Stream | None,
    ) -> None:
        pinned = stream is not None
        like = torch.from_numpy(batch)
        self._staged = torch.zeros(shape, dtype=like.dtype, pin_memory=pinned)
        self._input = self._staged.cuda() if pinned else self._staged
        self._launch: Callable[[], tuple[Tensor, ...]]
        if stream is None:
            self._launch = partial(network, self._input)
        else:
            self._launch = _recorded(network, self._input, stream)
        self._answers = [
            torch.empty(output.shape, dtype=torch.float32, pin_memory=pinned)
            for output in self._launch()
        ]

    def start(self, batch: NDArray[Any]) -> None:
        """Queue the copy of a batch, its forward, and the copy of the answer."""
        self._staged[: len(batch)] = torch.from_numpy(batch)
        if self._input is not self._staged:
            self._input.copy_(self._staged, non_blocking=True)
        for answer, output in zip(self._answers, self._launch(), strict=True):
            answer.copy_(output, non_blocking=True)

    def answers(self, count: int) -> list[NDArray[Any]]:
        """The outputs of the first inputs, once the stream has finished."""
        return [np.array(answer[:count].numpy()) for answer in self._answers]


def _recorded(
    network: nn.Module, pixels: Tensor, stream: torch.cuda.Stream
) -> Callable[[], tuple[Tensor, ...]]:
    """Replays the network on what is in its input, in one launch."""
    for _ in range(WARM_UP):
        network(pixels)
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    # Other threads go on using the device while this one records.
    with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
        outputs: tuple[Tensor, ...] = network(pixels)

    def launch() -> tuple[Tensor, ...]:
        graph.replay()
        return outputs

    return launch
