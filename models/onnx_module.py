"""An ONNX network as a torch module, so that one exported file also runs in torch.

It knows the operators that `models.embed_network` exports and no more. Shapes and indices are
plain lists of integers, so that none of them waits for a device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from models.errors import ModelError

Operator: TypeAlias = Callable[..., Any]
"""Called with the node's attributes and its inputs."""


class OnnxModule(nn.Module):
    """The network of an ONNX file.

    Parameters
    ----------
    path : Path
        The file: one input, any outputs.

    Raises
    ------
    ModelError
        It has an operator that is not known here.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        graph = onnx.load(path).graph
        unknown = {node.op_type for node in graph.node} - {"Constant", *_OPERATORS}
        if unknown:
            raise ModelError(
                f"{path}: torch cannot run it: no operator {', '.join(sorted(unknown))}"
            )
        self._input = graph.input[0].name
        self._outputs = [output.name for output in graph.output]
        self._steps = [_step(node) for node in graph.node if node.op_type != "Constant"]
        self._integers: dict[str, Any] = {}
        self._weights: dict[str, str] = {}
        for number, (name, value) in enumerate(_constants(graph).items()):
            if value.dtype == np.int64:
                self._integers[name] = value.tolist()
            else:
                self._weights[name] = f"weight_{number}"
                self.register_buffer(f"weight_{number}", torch.from_numpy(value.copy()))

    def forward(self, batch: Tensor) -> tuple[Tensor, ...]:
        """The outputs for a batch of inputs."""
        values: dict[str, Any] = {"": None, self._input: batch, **self._integers}
        values |= {name: self.get_buffer(buffer) for name, buffer in self._weights.items()}
        dtype = next((weight.dtype for weight in self.buffers()), torch.float32)
        for kind, attributes, inputs, outputs in self._steps:
            answer = _OPERATORS[kind](attributes, *(values[name] for name in inputs))
            # Pixels become what the weights are, which a caller may have made half precision.
            answer = answer.to(dtype) if kind == "Cast" else answer
            values |= zip(outputs, answer if kind == "Split" else [answer], strict=True)
        return tuple(values[name] for name in self._outputs)


def _constants(graph: onnx.GraphProto) -> dict[str, NDArray[Any]]:
    """What does not depend on the input: weights, shapes and indices, by name."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            tensors[node.output[0]] = node.attribute[0].t
    return {name: numpy_helper.to_array(tensor) for name, tensor in tensors.items()}


def _step(node: onnx.NodeProto) -> tuple[str, Mapping[str, Any], list[str], list[str]]:
    attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    if node.op_type == "Split":
        attributes["parts"] = len(node.output)
    return node.op_type, attributes, list(node.input), list(node.output)


def _conv(
    node: Mapping[str, Any], maps: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    top, left, bottom, right = node["pads"]
    if (top, left) != (bottom, right):
        maps, top, left = F.pad(maps, [left, right, top, bottom]), 0, 0
    strides, dilations, groups = node["strides"], node["dilations"], node.get("group", 1)
    return F.conv2d(maps, weight, bias, strides, [top, left], dilations, groups)


def _padding(node: Mapping[str, Any]) -> list[int]:
    top, left, bottom, right = node.get("pads", [0, 0, 0, 0])
    if (top, left) != (bottom, right):
        raise ModelError(f"padding: expected the same on both sides, got {node['pads']}")
    return [top, left]


def _max_pool(node: Mapping[str, Any], maps: Tensor) -> Tensor:
    return F.max_pool2d(maps, node["kernel_shape"], node["strides"], _padding(node))


def _average_pool(node: Mapping[str, Any], maps: Tensor) -> Tensor:
    return F.avg_pool2d(maps, node["kernel_shape"], node["strides"], _padding(node))


def _gather(node: Mapping[str, Any], maps: Tensor, indices: list[int]) -> Tensor:
    return maps.index_select(node["axis"], torch.tensor(indices, device=maps.device))


_OPERATORS: Mapping[str, Operator] = {
    "Add": lambda _, a, b: a + b,
    "AveragePool": _average_pool,
    "Cast": lambda _, values: values,
    "Clip": lambda _, values, low, high: values.clamp(low, high),
    "Concat": lambda node, *parts: torch.cat(parts, node["axis"]),
    "Conv": _conv,
    "Flatten": lambda _, values: values.flatten(1),
    "Gather": _gather,
    "MaxPool": _max_pool,
    "Mul": lambda _, a, b: a * b,
    "ReduceMean": lambda node, values: values.mean(node["axes"], bool(node["keepdims"])),
    "Relu": lambda _, values: values.relu(),
    "Reshape": lambda _, values, shape: values.reshape(shape),
    "Sigmoid": lambda _, values: values.sigmoid(),
    "Split": lambda node, maps: maps.chunk(node["parts"], node["axis"]),
    "Sub": lambda _, a, b: a - b,
    "Transpose": lambda node, values: values.permute(node["perm"]),
}
