"""YOLO networks in eight bits, for OpenVINO: a sixth to a quarter less CPU time a forward.

What goes into a convolution is rounded to 256 steps between bounds that hold on a few pictures,
and its weights to 255 steps a channel, so that whole numbers are multiplied (Jacob et al. 2018,
arXiv:1712.05877). The head and the attention, which lose most by it, stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import opset13 as ops

from models.exports import export_once
from models.preprocess import Letterbox
from models.types import Image
from models.yolo_export import EXPORT_VERSION, exported
from models.yolo_head import HeadSpec

INT8_VERSION = 1
"""Raised whenever the rounding changes, so that older files are not taken for it."""

SIDES = (640, 448, 320)
"""Longer sides of the pictures on which the bounds are measured, in pixels."""

COVERED = 99.99
"""Per cent of a picture's values that are below the upper bound. Those above are cut off: finer
steps for all the others are worth more."""

_MOVING = frozenset(
    {"Concat", "Interpolate", "MaxPool", "Reshape", "Slice", "StridedSlice", "Transpose"}
    | {"Split", "VariadicSplit"}
)
"""Operations that move values and make no new ones."""


def quantised(name: str) -> tuple[Path, HeadSpec]:
    """The network of a catalogue name in eight bits, as an OpenVINO file; made if it is not there.

    Raises
    ------
    WeightsError
        The weights are not to be had.
    ModelError
        They are no checkpoint of a YOLO detector, or the cache cannot be written.
    RuntimeUnavailable
        Ultralytics, which the pictures come with, is not installed.
    """
    source, spec = exported(name)

    def write(_: Path, path: Path) -> None:
        network = openvino.Core().read_model(source)
        fits = [
            Letterbox.fit(one.shape[:2], side).apply(one) for one in _pictures() for side in SIDES
        ]
        quantise(network, [pixels[None] for pixels in fits])
        _save(network, path)

    return export_once(name, EXPORT_VERSION, write, suffix=f"-int8-{INT8_VERSION}.xml"), spec


def quantise(network: openvino.Model, inputs: Sequence[NDArray[Any]]) -> None:
    """Let a YOLO network round what it multiplies, between bounds measured on some inputs."""
    _fuse_swish(network)
    head = max(int(number) for number in re.findall(r"/model\.(\d+)/", " ".join(_names(network))))
    rounded = {}
    for node in network.get_ordered_ops():
        kept = f"/model.{head}/" in node.get_friendly_name() or "/attn/" in node.get_friendly_name()
        if node.get_type_name() == "Convolution" and not kept:
            rounded[node] = _sources(node.input_value(0))
    sources = {_key(source): source for several in rounded.values() for source in several}
    bounds = _measure(network, list(sources), inputs)
    for key, source in sources.items():
        consumers = list(source.get_target_inputs())
        steps = _in_steps(source, *bounds[key])
        for consumer in consumers:
            consumer.replace_source_output(steps)
    for node, several in rounded.items():
        if several:  # the first layer reads pixels, which are whole numbers already
            node.input(1).replace_source_output(_weights_in_steps(node.input_value(1)))
    network.validate_nodes_and_infer_types()


def _names(network: openvino.Model) -> list[str]:
    return [node.get_friendly_name() for node in network.get_ordered_ops()]


def _key(output: Any) -> tuple[str, int]:
    """Names an output of a node, in a copy of the network too."""
    return output.get_node().get_friendly_name(), output.get_index()


def _sources(value: Any) -> list[Any]:
    """The outputs that the values were computed in; none where they are pixels."""
    node = value.get_node()
    kind = node.get_type_name()
    if kind in ("Constant", "Convert", "Parameter"):
        return []
    if kind not in _MOVING:
        return [value]
    moved = node.input_values() if kind == "Concat" else [node.input_value(0)]
    return [source for one in moved for source in _sources(one)]


def _measure(
    network: openvino.Model, keys: Sequence[tuple[str, int]], inputs: Sequence[NDArray[Any]]
) -> dict[tuple[str, int], tuple[float, float]]:
    """The least value of each output, and the mean over the inputs of its upper bound."""
    watched = network.clone()
    nodes = {node.get_friendly_name(): node for node in watched.get_ordered_ops()}
    watched.add_outputs([nodes[name].output(index) for name, index in keys])
    exact = {"INFERENCE_PRECISION_HINT": openvino.Type.f32}
    compiled = openvino.Core().compile_model(watched, "CPU", exact)
    seen = []
    for pixels in inputs:
        values = compiled(pixels).to_tuple()[-len(keys) :]
        seen.append([(value.min(), np.percentile(value, COVERED)) for value in values])
    least, most = np.min(seen, axis=0)[:, 0], np.mean(seen, axis=0)[:, 1]
    return dict(zip(keys, zip(least.tolist(), most.tolist(), strict=True), strict=True))


def _in_steps(source: Any, least: float, most: float) -> Any:
    """An output rounded to 256 steps between two bounds; one of the steps is zero."""
    least, most = min(least, 0.0), max(most, 1e-3)
    step = (most - least) / 255
    below = round(-least / step)
    ends = [np.float32(-below * step), np.float32((255 - below) * step)]
    low, high = (ops.constant(end.reshape([1] * len(source.get_partial_shape()))) for end in ends)
    return ops.fake_quantize(source, low, high, low, high, 256).output(0)


def _weights_in_steps(weights: Any) -> Any:
    """Weights [O, I, h, w] rounded to 255 steps, as many below zero as above, for each of O."""
    values = weights.get_node().data.astype(np.float32)
    largest = np.maximum(np.abs(values).max(axis=(1, 2, 3), keepdims=True), 1e-8)
    low, high = ops.constant(-largest), ops.constant(largest)
    return ops.fake_quantize(ops.constant(values), low, high, low, high, 255).output(0)


def _fuse_swish(network: openvino.Model) -> None:
    """Make one operation of each ``x * sigmoid(x)``; left as two, they are not part of a layer."""
    for node in network.get_ordered_ops():
        if node.get_type_name() != "Multiply":
            continue
        x, gate = node.input_values()
        if x.get_node().get_type_name() == "Sigmoid":
            x, gate = gate, x
        if gate.get_node().get_type_name() == "Sigmoid" and gate.get_node().input_value(0) == x:
            swish = ops.swish(x)
            swish.set_friendly_name(node.get_friendly_name())
            openvino.utils.replace_node(node, swish)


def _pictures() -> list[Image]:
    """The pictures that come with Ultralytics: a street, and people close by."""
    found = find_spec("ultralytics")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("No module named 'ultralytics'", name="ultralytics")
    files = sorted(Path(found.origin).with_name("assets").glob("*.jpg"))
    pictures = [cv2.imread(str(file)) for file in files]
    return [np.asarray(picture, np.uint8) for picture in pictures]


def _save(network: openvino.Model, path: Path) -> None:
    """Write both files of a network; the one that is looked for comes last."""
    with TemporaryDirectory(prefix=".int8-", dir=path.parent) as folder:
        fresh = Path(folder, path.name)
        openvino.save_model(network, fresh, compress_to_fp16=False)
        fresh.with_suffix(".bin").replace(path.with_suffix(".bin"))
        fresh.replace(path)
