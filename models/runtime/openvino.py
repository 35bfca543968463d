"""Networks that run in OpenVINO on the CPU, several forwards at once.

The network is compiled twice. While one forward is in flight all threads work on it, which
answers soonest; when there are more, each has cores to itself, which answers most. It takes any
shape at once; for those that come often it is compiled again, which is used only if it gives the
same numbers bit for bit. So neither what else is in flight nor what came before ever shows in an
answer.

A small network of which many forwards come at once is compiled for a few shapes alone, from the
beginning: for any shape it costs half as much again.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import opset13 as ops

from models.errors import ModelError, RuntimeUnavailable
from models.runtime.cpu import AHEAD, PooledRuntime, cpu_count

MAX_LANES = 8
"""Most forwards in flight; each holds the memory of one."""

OFTEN = 32
"""Forwards of one shape after which the network is compiled for it."""

MAX_FIXED = 3
"""Most shapes that the network is compiled for; each holds the weights once more."""

_log = logging.getLogger(__name__)

# OpenVINO's binding looks NumPy up when the first array crosses it. Two threads that are first at
# once wait for each other for ever, one of them with the interpreter's lock. So the first crossing
# is here, where the import lets one thread in.
_ = openvino.Tensor(np.zeros(1, np.uint8)).data

# OpenVINO's compiler of small kernels is off: what it takes out of the layers costs more than it
# saves, and in eight bits it rounds otherwise for one shape than for any.
_PLAIN_LAYERS = {"SNIPPETS_MODE": "DISABLE"}

_Place = tuple[tuple[int, ...], np.dtype[Any]]

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
    shapes : sequence of tuples
        The only shapes of a batch that will come; any, if none is named. With shapes every forward
        keeps to its share of the cores, even when it is alone.
    beside : OpenVinoRuntime or None
        Another network for the same cores, whose lanes this one shares.

    Raises
    ------
    ModelError
        The file is no network that OpenVINO can run.
    RuntimeUnavailable
        The CPU does not have the precision.
    """

    name = "openvino"

    def __init__(
        self,
        path: Path,
        *,
        threads: int | None = None,
        precision: str = "auto",
        shapes: Sequence[tuple[int, ...]] = (),
        beside: OpenVinoRuntime | None = None,
    ) -> None:
        threads = threads or cpu_count()
        lanes = min(threads, MAX_LANES)
        self._path = path
        self.split = bool(shapes)
        self._settings: dict[str, Any] = {"INFERENCE_NUM_THREADS": threads} | _PLAIN_LAYERS
        if precision != "auto":
            self._settings["INFERENCE_PRECISION_HINT"] = _supported(precision)
        try:
            compiled = {shape: self._compiled(lanes, shape) for shape in shapes or (None,)}
        except RuntimeError as error:
            raise ModelError(f"{path}: OpenVINO cannot run it: {error}") from error
        chosen = next(iter(compiled.values())).precision
        super().__init__(lanes, chosen, queues=True, beside=beside)
        self._any = compiled.pop(None, None)
        self._fixed = {shape: requests for shape, requests in compiled.items() if shape}
        self._met: Counter[tuple[int, ...]] = Counter()
        self._traffic: _Traffic = _Traffic() if beside is None else beside._traffic
        self._lock = self._traffic.lock
        self._compiler = ThreadPoolExecutor(1, thread_name_prefix="openvino-compile")

    def forward(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        """The network's outputs for a batch, in arrays of their own."""
        with self._lock:
            requests = self._requests(batch.shape)
            alone = self._traffic.in_flight == 0 and not self.split
            request = requests.alone if alone else requests.shared.pop()
            self._traffic.in_flight += 1
        try:
            answer = _infer(request, batch, requests.places)
        except RuntimeError as error:
            raise ModelError(
                f"OpenVINO cannot run a batch of {batch.dtype} {list(batch.shape)}: {error}"
            ) from error
        finally:
            with self._lock:
                self._traffic.in_flight -= 1
                if not alone:
                    requests.shared.append(request)
        if requests is self._any:
            self._count(batch, answer)
        return answer

    def release(self) -> None:
        """Drop the network; nothing is in flight."""
        self._compiler.shutdown(cancel_futures=True)
        self._any = None
        self._fixed.clear()

    def _requests(self, shape: tuple[int, ...]) -> _Requests:
        """The requests for a shape."""
        if not (self._any or self._fixed):
            raise ModelError("this openvino network has been closed")
        requests = self._fixed.get(shape, self._any)
        if requests is None:
            known = ", ".join(str(list(shape)) for shape in self._fixed)
            raise ModelError(f"compiled for batches {known} alone, got {list(shape)}")
        return requests

    def _count(self, batch: NDArray[Any], answer: list[NDArray[Any]]) -> None:
        """Have the network compiled, in the background, for a shape that has come often."""
        with self._lock:
            self._met[batch.shape] += 1
            due = self._met[batch.shape] == OFTEN and len(self._fixed) < MAX_FIXED
        if due:
            self._compiler.submit(self._fix, batch.copy(), [output.copy() for output in answer])

    def _fix(self, batch: NDArray[Any], expected: list[NDArray[Any]]) -> None:
        """Compile the network for the shape of a batch, which takes some 7 % off a forward."""
        shape = batch.shape
        try:
            requests = self._compiled(self.lanes, shape)
            both = (requests.alone, requests.shared[0])
            answers = [_infer(request, batch, requests.places) for request in both]
        except RuntimeError:
            _log.warning("%s: no compilation for %s", self._path, shape, exc_info=True)
            return
        if not all(_same(answer, expected) for answer in answers):
            _log.debug("%s: compiled for %s it gives other bits and is not used", self._path, shape)
            return
        with self._lock:
            self._fixed[shape] = requests

    def _compiled(self, lanes: int, shape: tuple[int, ...] | None = None) -> _Requests:
        """The network compiled for one shape of its input, or for any."""
        core = openvino.Core()
        network = core.read_model(self._path)
        if shape is not None:
            network.reshape(shape)
            _convert_in_place(network)
        compiled = {
            streams: core.compile_model(network, "CPU", self._settings | {"NUM_STREAMS": streams})
            for streams in ({lanes} if self.split else {1, lanes})
        }
        shared = compiled[lanes]
        chosen = shared.get_property("INFERENCE_PRECISION_HINT")
        return _Requests(
            alone=None if self.split else compiled[1].create_infer_request(),
            shared=[shared.create_infer_request() for _ in range(lanes + AHEAD)],
            places=_places(shared),
            precision=next(name for name, kind in _TYPES.items() if kind == chosen),
        )


@dataclass(slots=True)
class _Traffic:
    """Forwards in flight in the lanes, of all the networks that share them."""

    in_flight: int = 0
    lock: Lock = field(default_factory=Lock)


@dataclass(slots=True)
class _Requests:
    """The requests of a compiled network: one with all the threads (or None), one for each slot.

    OpenVINO keeps those that are more than the lanes waiting, and lets a core go on with them by
    itself. The places of the outputs are known where the shape of the input is.
    """

    alone: Any
    shared: list[Any]
    precision: str
    places: list[_Place]


def _convert_in_place(network: Any) -> None:
    """Let bytes become floats as they lie, channels last, which is how a convolution reads them.

    OpenVINO would transpose the bytes first, and back later. It moves no transpose past a Relu, to
    which bytes are what they were. For any shape the transpose is not left out, and floats are more
    to move than bytes.
    """
    for convert in network.get_ordered_ops():
        if convert.get_type_name() != "Convert":
            continue
        transpose = convert.input_value(0).get_node()
        readers = list(convert.output(0).get_target_inputs())
        kinds = {reader.get_node().get_type_name() for reader in readers}
        if transpose.get_type_name() == "Transpose" and kinds == {"Convolution"}:
            pixels, order = transpose.input_values()
            if pixels.get_element_type() == openvino.Type.u8:
                floats = ops.relu(ops.convert(pixels, "f32"))
                for reader in readers:
                    reader.replace_source_output(ops.transpose(floats, order).output(0))


def _places(compiled: Any) -> list[_Place]:
    """Shapes and types of the outputs; none where the shapes are not known beforehand."""
    outputs = compiled.outputs
    if any(output.partial_shape.is_dynamic for output in outputs):
        return []
    return [(tuple(output.shape), output.element_type.to_dtype()) for output in outputs]


def _infer(request: Any, batch: NDArray[Any], places: list[_Place]) -> list[NDArray[Any]]:
    """The outputs for a batch, in arrays of their own: written there, or else copied."""
    outputs: list[NDArray[Any]] = [np.empty(shape, dtype) for shape, dtype in places]
    for index, output in enumerate(outputs):
        request.set_output_tensor(index, openvino.Tensor(output, shared_memory=True))
    # Memory is shared with arrays alone that may be written and have no gaps.
    shared = batch if batch.flags.carray else batch.copy()
    request.set_input_tensor(openvino.Tensor(shared, shared_memory=True))
    # To name the input here, or to be handed the outputs, would pass through slow dictionaries.
    request.infer(share_outputs=True)
    return outputs or [np.array(output.data) for output in request.output_tensors]


def _same(answer: list[NDArray[Any]], expected: list[NDArray[Any]]) -> bool:
    return all(map(np.array_equal, answer, expected))


def _supported(precision: str) -> openvino.Type:
    """OpenVINO's type of a precision that this CPU has."""
    known = {"FP32": "f32", "BF16": "bf16", "FP16": "f16"}
    offered = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    here = [known[capability] for capability in offered if capability in known]
    if precision not in here:
        raise RuntimeUnavailable(f"precision {precision!r}: this CPU has {', '.join(sorted(here))}")
    return _TYPES[precision]
