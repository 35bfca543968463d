"""YOLO networks in eight bits, for OpenVINO: a fifth to a quarter less CPU time a forward.

What goes into a convolution is rounded to 256 steps between bounds that suit a few pictures, and
its weights to 255 steps a channel, so that whole numbers are multiplied (Jacob et al. 2018,
arXiv:1712.05877). How they are rounded is told in `models.rounding`. The head and the layers with
attention, which lose most by it, stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
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
from models.rounding import LEVELS, Bounds, Floats, patches, round_weights
from models.types import Image
from models.yolo_export import EXPORT_VERSION, exported
from models.yolo_head import HeadSpec

INT8_VERSION = 2
"""Raised whenever the rounding changes, so that older files are not taken for it."""

SIDES = (640, 448, 320)
"""Longer sides of the pictures on which the bounds are measured, in pixels."""

SAMPLE = 20_000
"""Values of one picture by which the bounds of an output are chosen."""

PIXELS = Bounds(0.0, 255.0)

EXACT = {"INFERENCE_PRECISION_HINT": openvino.Type.f32}

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
    """Let a YOLO network round what it multiplies, as suits some inputs [1, H, W, 3]."""
    _fuse_swish(network)
    convolutions = _rounded(network)
    values = {node: node.input_value(0) for node in convolutions}
    sources = {_key(source): source for value in values.values() for source in _sources(value)}
    bounds = _bounds(network, list(sources), inputs)
    for key, source in sources.items():
        readers = list(source.get_target_inputs())
        steps = _in_steps(source, bounds[key])
        for reader in readers:
            reader.replace_source_output(steps)
    for node, value in values.items():
        if not _sources(value):  # pixels, which are whole numbers already
            node.input(0).replace_source_output(_in_steps(value, PIXELS))
    network.validate_nodes_and_infer_types()
    for node, moments in zip(convolutions, _moments(network, convolutions, inputs), strict=True):
        node.input(1).replace_source_output(_weights_in_steps(node.input_value(1), moments))
    network.validate_nodes_and_infer_types()


def _rounded(network: openvino.Model) -> list[Any]:
    """The convolutions that are to multiply whole numbers."""
    names = " ".join(node.get_friendly_name() for node in network.get_ordered_ops())
    layers = re.findall(r"/model\.\d+/", names)
    kept = {layer for layer in layers if re.search(rf"{re.escape(layer)}\S*/attn/", names)}
    kept.add(max(layers, key=lambda layer: int(layer[len("/model.") : -1])))
    return [
        node
        for node in network.get_ordered_ops()
        if node.get_type_name() == "Convolution"
        and not any(layer in node.get_friendly_name() for layer in kept)
    ]


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


def _bounds(
    network: openvino.Model, keys: Sequence[tuple[str, int]], inputs: Sequence[NDArray[Any]]
) -> dict[tuple[str, int], Bounds]:
    """The bounds of some outputs that suit some inputs."""
    seen: dict[tuple[str, int], list[Floats]] = {key: [] for key in keys}
    for values in _watch(network, keys, inputs):
        for key, value in values.items():
            every = -(-value.size // SAMPLE)
            ends = np.array([value.min(), value.max()], np.float32)
            seen[key].append(np.concatenate([ends, value.ravel()[::every]]))
    return {key: Bounds.of(np.concatenate(several)) for key, several in seen.items()}


def _moments(
    network: openvino.Model, convolutions: Sequence[Any], inputs: Sequence[NDArray[Any]]
) -> list[Floats]:
    """The second moments [K, K] of what some convolutions multiply."""
    totals: list[Floats] = [np.zeros((), np.float32)] * len(convolutions)
    keys = [_key(node.input_value(0)) for node in convolutions]
    for values in _watch(network, list(dict.fromkeys(keys)), inputs):
        for number, (node, key) in enumerate(zip(convolutions, keys, strict=True)):
            kernel, layer = node.input_value(1).get_shape()[2:], node.get_attributes()
            parts = patches(values[key][0], kernel, layer["strides"], layer["pads_begin"])
            totals[number] = totals[number] + parts @ parts.T
    return totals


def _watch(
    network: openvino.Model, keys: Sequence[tuple[str, int]], inputs: Sequence[NDArray[Any]]
) -> Iterator[dict[tuple[str, int], Floats]]:
    """What some outputs of the network are for each input."""
    watched = network.clone()
    nodes = {node.get_friendly_name(): node for node in watched.get_ordered_ops()}
    watched.add_outputs([nodes[name].output(index) for name, index in keys])
    compiled = openvino.Core().compile_model(watched, "CPU", EXACT)
    for pixels in inputs:
        yield dict(zip(keys, compiled(pixels).to_tuple()[-len(keys) :], strict=True))


def _in_steps(source: Any, bounds: Bounds) -> Any:
    """An output rounded to the steps of some bounds."""
    shape = [1] * len(source.get_partial_shape())
    ends = [np.full(shape, end, np.float32) for end in (bounds.least, bounds.most)]
    low, high = (ops.constant(end) for end in ends)
    return ops.fake_quantize(source, low, high, low, high, LEVELS).output(0)


def _weights_in_steps(weights: Any, moments: Floats) -> Any:
    """Weights [O, I, h, w] rounded to 255 steps, as many below zero as above, for each of O."""
    values = weights.get_node().get_data(dtype=np.float32).reshape(weights.get_shape())
    rounded, largest = round_weights(values.reshape(len(values), -1), moments)
    high = largest.reshape(-1, 1, 1, 1)
    ends = [ops.constant(end) for end in (-high, high)]
    steps = ops.constant(rounded.reshape(values.shape))
    return ops.fake_quantize(steps, *ends, *ends, LEVELS - 1).output(0)


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
