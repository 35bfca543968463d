"""OSNet put together anew: fewer and larger layers that give the rows of the published network.

The published graph has 250 layers of some ten microseconds each; these are a quarter fewer and take
an eighth less time. What is different, and exact but for the order of sums:

- Pixels are normalised in whole rows, and reach the first convolution in pairs: six planes of half
  the width, which need no rearrangement.
- The first layers of the four branches of a bottleneck look at the same maps, so they are one
  where the maps are small.
- The branches share the weights of their gate, so it is computed once, for four means one below
  the other.
- Means over whole maps are an average pooling of their size.
- Batch normalisation of the features is part of the last layer.

The network is that of Zhou et al. 2019, arXiv:1905.00953.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.errors import ModelError

STAGES = 3
BRANCHES = 4
"""Of a bottleneck; the first has one layer, each of the others one more than the one before."""

STEM_STRIDE = 4
"""By how much the first convolution and the pooling behind it make the maps smaller."""

JOINED_UP_TO = 32 * 16
"""Pixels of the maps whose first four layers are one; taking larger ones apart again costs more."""

_Weights = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution: weight [out, in / groups, height, width] and bias [out]."""

    weight: _Weights
    bias: _Weights | None = None


@dataclass(frozen=True, slots=True)
class Light:
    """A layer of a branch: a linear 1x1 convolution, then a depthwise one."""

    pointwise: Layer
    depthwise: Layer


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """Branches that look at regions of several sizes, weighted channel by channel and added."""

    reduce: Layer
    branches: tuple[tuple[Light, ...], ...]
    gate: tuple[Layer, Layer]
    expand: Layer
    shortcut: Layer | None


@dataclass(frozen=True, slots=True)
class OSNet:
    """The weights of a network; a stage is its bottlenecks and the layer behind them."""

    stem: Layer
    stages: tuple[tuple[tuple[Bottleneck, Bottleneck], Layer], ...]
    features: Layer


def read_osnet(network: onnx.ModelProto) -> OSNet:
    """The weights of a published network, whose convolutions come in the order of the paper.

    Raises
    ------
    ModelError
        It has other layers.
    """
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in network.graph.initializer}
    rows = {node.op_type: node for node in network.graph.node if len(node.input) > 1}
    convolutions = (node for node in network.graph.node if node.op_type == "Conv")
    layers = (Layer(*(values[name] for name in node.input[1:])) for node in convolutions)
    try:
        stem = next(layers)
        stages = tuple(
            ((_bottleneck(layers, widens=True), _bottleneck(layers)), next(layers))
            for _ in range(STAGES)
        )
        weight, bias = (values[name] for name in rows["Gemm"].input[1:])
        scale, shift, mean, variance = (
            values[name] for name in rows["BatchNormalization"].input[1:]
        )
    except (RuntimeError, StopIteration, KeyError) as error:
        raise ModelError("expected the layers of an OSNet") from error
    if next(layers, None) is not None:
        raise ModelError("expected the layers of an OSNet, got more of them")
    attributes = {item.name: item.f for item in rows["BatchNormalization"].attribute}
    factor = scale / np.sqrt(variance + attributes["epsilon"])
    features = Layer((weight * factor[:, None])[:, :, None, None], (bias - mean) * factor + shift)
    return OSNet(stem, stages, features)


def _bottleneck(layers: Iterator[Layer], *, widens: bool = False) -> Bottleneck:
    reduce = next(layers)
    branches = tuple(
        tuple(Light(next(layers), next(layers)) for _ in range(depth + 1))
        for depth in range(BRANCHES)
    )
    gates = [(next(layers), next(layers)) for _ in range(BRANCHES)]
    return Bottleneck(reduce, branches, gates[0], next(layers), next(layers) if widens else None)


def crops_network(
    osnet: OSNet, height: int, width: int, mean: _Weights, std: _Weights
) -> onnx.ModelProto:
    """A network of crops as they are cut.

    Parameters
    ----------
    height, width : int
        Size of a crop; multiples of 16.
    mean, std : float32 [3]
        Of the pixels: red, green, blue, 0 to 1.

    Returns
    -------
    ModelProto
        From ``crops`` uint8 [N, height, width, 3], blue, green, red, to ``output`` float32 [N, D].
    """
    graph = _Graph()
    maps = _stem(graph, osnet.stem, (height, width), 255 * mean[::-1], 255 * std[::-1])
    size = height // STEM_STRIDE, width // STEM_STRIDE
    for number, (bottlenecks, transition) in enumerate(osnet.stages):
        if number:
            maps = graph.mean(maps, (2, 2))
            size = size[0] // 2, size[1] // 2
        for bottleneck in bottlenecks:
            maps = _add_bottleneck(graph, bottleneck, maps, size)
        maps = graph.relu(graph.convolution(maps, transition))
    features = graph.relu(graph.convolution(graph.mean(maps, size), osnet.features))
    return graph.model([height, width, 3], features, len(osnet.features.weight))


def _stem(graph: _Graph, stem: Layer, size: tuple[int, int], mean: _Weights, std: _Weights) -> str:
    """Crops to the maps of the first stage; mean and std are of blue, green, red."""
    height, width = size
    rows = graph.add("Reshape", "crops", np.array([-1, height, width * 3]))
    pixels = graph.add("Cast", rows, to=TensorProto.FLOAT)
    centred = graph.add("Sub", pixels, np.tile(mean, width))
    scaled = graph.add("Mul", centred, np.tile(1 / std, width))
    pairs = graph.add("Reshape", scaled, np.array([-1, height, width // 2, 6]))
    maps = graph.add("Transpose", pairs, perm=[0, 3, 1, 2])
    out, _, rows_seen, columns_seen = stem.weight.shape
    # Seven columns around a pixel on the right of its pair's left one: a column of zeros more, and
    # they are four whole pairs, two of them on the left.
    weight = np.zeros((out, rows_seen, columns_seen + 1, 3), np.float32)
    weight[:, :, 1:] = stem.weight[:, ::-1].transpose(0, 2, 3, 1)
    paired = weight.reshape(out, rows_seen, -1, 6).transpose(0, 3, 1, 2)
    pads = [rows_seen // 2, 2, rows_seen // 2, 1]
    maps = graph.convolution(maps, Layer(paired, stem.bias), strides=[2, 1], pads=pads)
    pool = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
    return graph.add("MaxPool", graph.relu(maps), **pool)


def _add_bottleneck(graph: _Graph, block: Bottleneck, maps: str, size: tuple[int, int]) -> str:
    reduced = graph.relu(graph.convolution(maps, block.reduce))
    first = [branch[0] for branch in block.branches]
    if size[0] * size[1] <= JOINED_UP_TO:
        ends = graph.split(graph.light(reduced, _side_by_side(first)), axis=1)
    else:
        ends = [graph.light(reduced, light) for light in first]
    for number, branch in enumerate(block.branches):
        for light in branch[1:]:
            ends[number] = graph.light(ends[number], light)
    expanded = graph.convolution(_gated_sum(graph, ends, block.gate, size), block.expand)
    passed = maps if block.shortcut is None else graph.convolution(maps, block.shortcut)
    return graph.relu(graph.add("Add", expanded, passed))


def _gated_sum(
    graph: _Graph, branches: Sequence[str], gate: tuple[Layer, Layer], size: tuple[int, int]
) -> str:
    """The sum of the branches, each channel weighted by what the gate says of the means."""
    means = graph.add("Concat", *(graph.mean(maps, size) for maps in branches), axis=2)
    hidden = graph.relu(graph.convolution(means, gate[0]))
    factors = graph.split(graph.add("Sigmoid", graph.convolution(hidden, gate[1])), axis=2)
    weighted = [
        graph.add("Mul", maps, factor) for maps, factor in zip(branches, factors, strict=True)
    ]
    total = weighted[0]
    for maps in weighted[1:]:
        total = graph.add("Add", total, maps)
    return total


def _side_by_side(lights: Sequence[Light]) -> Light:
    """Layers of the same maps as one, whose channels are those of all."""
    biases = [light.depthwise.bias for light in lights]
    return Light(
        Layer(np.concatenate([light.pointwise.weight for light in lights])),
        Layer(
            np.concatenate([light.depthwise.weight for light in lights]),
            np.concatenate([bias for bias in biases if bias is not None]),
        ),
    )


class _Graph:
    """An ONNX graph that grows node by node; values go by name."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def add(self, kind: str, *inputs: str | NDArray[Any], **settings: Any) -> str:
        """A node of one output; arrays among its inputs become constants."""
        name = f"{kind.lower()}_{len(self._nodes)}"
        self._node(kind, inputs, [name], settings)
        return name

    def split(self, maps: str, axis: int) -> list[str]:
        """As many equal parts as there are branches."""
        names = [f"split_{len(self._nodes)}_{part}" for part in range(BRANCHES)]
        self._node("Split", [maps], names, {"axis": axis})
        return names

    def relu(self, maps: str) -> str:
        return self.add("Relu", maps)

    def mean(self, maps: str, size: tuple[int, int]) -> str:
        """The means of regions of a size.

        Of whole maps too: OpenVINO's pooling over all takes longer and answers in float32.
        """
        return self.add("AveragePool", maps, kernel_shape=size, strides=size, pads=[0] * 4)

    def light(self, maps: str, light: Light) -> str:
        linear = self.convolution(maps, light.pointwise)
        groups = len(light.depthwise.weight)
        return self.relu(self.convolution(linear, light.depthwise, group=groups))

    def convolution(self, maps: str, layer: Layer, **settings: Any) -> str:
        """A convolution; it moves pixel by pixel and leaves the size as it is, unless told."""
        height, width = layer.weight.shape[2:]
        settings = {
            "kernel_shape": [height, width],
            "strides": [1, 1],
            "pads": [height // 2, width // 2] * 2,
            "dilations": [1, 1],
            "group": 1,
        } | settings
        weights = [layer.weight] if layer.bias is None else [layer.weight, layer.bias]
        return self.add("Conv", maps, *weights, **settings)

    def model(self, crop: Sequence[int], features: str, dim: int) -> onnx.ModelProto:
        """The whole network, checked; it answers with the features as rows."""
        self._node("Flatten", [features], ["output"], {})
        crops = helper.make_tensor_value_info("crops", TensorProto.UINT8, ["batch", *crop])
        output = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", dim])
        graph = helper.make_graph(self._nodes, "osnet", [crops], [output], self._constants)
        opsets = [helper.make_opsetid("", 12)]
        network = helper.make_model(graph, opset_imports=opsets, ir_version=7)
        onnx.checker.check_model(network)
        return network

    def _node(
        self,
        kind: str,
        inputs: Sequence[str | NDArray[Any]],
        outputs: list[str],
        settings: dict[str, Any],
    ) -> None:
        names = [value if isinstance(value, str) else self._constant(value) for value in inputs]
        self._nodes.append(helper.make_node(kind, names, outputs, name=outputs[0], **settings))

    def _constant(self, value: NDArray[Any]) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name
