"""Appearance by a network: crops in, one unit row a crop out, on any runtime.

The normalisation of the pixels is part of the exported network, so that crops go in as the bytes
they are. Each forward has a core of its own: a network this small keeps no more than one busy.
OpenVINO gets crops in fours, and what is left as a two and a one: a network that takes any number
costs half as much again. In torch a forward costs most by itself, so it gets chunks of one size.
The row of a box does not depend on the boxes that come with it, so the same frame and boxes give
the same rows whatever else runs.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

from models.embed_crops import cut_crops, unit_rows
from models.exports import export_once
from models.osnet_graph import crops_network, read_osnet
from models.runtime import Runtime, check_settings, choose_runtime, load_runtime
from models.types import Image

CHUNKS = (4, 2, 1)
"""Crops of one forward in OpenVINO; eight would save another tenth."""

TORCH_CHUNK = 8
"""Crops of one forward in torch."""

EXPORT_VERSION = 2
"""Raised whenever the exported network changes, so that older files are not taken for it."""

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
"""Of ImageNet's pixels: red, green, blue, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network of the catalogue is used: crops in, features out, and how it is exported."""

    height: int
    width: int
    dim: int
    export: Callable[[Path], onnx.ModelProto]


class NetworkEmbedder:
    """Appearance by a network of the catalogue; any number of threads may call it.

    Parameters
    ----------
    name : str
        A key of `RECIPES`.
    runtime : {"auto", "openvino", "onnx", "torch"}
        What runs it.
    threads : int or None
        CPU threads; None takes all cores.
    precision : {"auto", "f32", "bf16"}
        What it computes in.

    Raises
    ------
    WeightsError
        The weights are not to be had.
    ModelError
        They are no such network, or the runtime cannot run it.
    """

    def __init__(
        self,
        name: str,
        runtime: str = "auto",
        threads: int | None = None,
        precision: str = "auto",
    ) -> None:
        self.name = name
        self._recipe = RECIPES[name]
        self.dim = self._recipe.dim
        self._runtime = _load(exported(name), self._recipe, runtime, threads, precision)
        openvino = self._runtime.name == "openvino"
        self._chunks = CHUNKS if openvino and self._same_in_chunks() else (1,)
        self._starting = Lock()

    def __call__(self, image: Image, boxes: ArrayLike) -> NDArray[np.float32]:
        """Unit rows float32 [N, dim] for boxes [N, 4] x1, y1, x2, y2 in pixels of the image."""
        return self.rows(self.crops(image, boxes))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a crop in pixels."""
        return self._recipe.height, self._recipe.width

    def crops(self, image: Image, boxes: ArrayLike) -> NDArray[np.uint8]:
        """What of an image the network looks at, uint8 [N, height, width, 3]."""
        return cut_crops(image, boxes, self._recipe.height, self._recipe.width)

    def rows(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Unit rows float32 [N, dim] for crops as `crops` cuts them."""
        if not len(crops):
            return np.empty((0, self.dim), np.float32)
        batches = self._batches(crops)
        if len(batches) == 1:
            return unit_rows(self._runtime.run(batches[0])[0][: len(crops)])
        # A runtime takes new work from one thread at a time, and answers any number.
        with self._starting:
            parts = [self._runtime.start(batch) for batch in batches]
        rows = np.concatenate([part.result()[0] for part in parts])
        return unit_rows(rows[: len(crops)])

    def _batches(self, crops: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
        if self._runtime.name != "torch":
            return self._cut(crops)
        # Another size of the batch would give other bits.
        padded = np.zeros((len(crops) + -len(crops) % TORCH_CHUNK, *crops.shape[1:]), np.uint8)
        padded[: len(crops)] = crops
        return list(padded.reshape(-1, TORCH_CHUNK, *crops.shape[1:]))

    def _cut(self, crops: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
        """The crops in as few of the chunks as there can be."""
        chunks = []
        for size in self._chunks:
            while len(crops) >= size:
                chunks.append(crops[:size])
                crops = crops[size:]
        return chunks

    def _same_in_chunks(self) -> bool:
        """Whether crops give the same bits together as alone."""
        random = np.random.default_rng(0)
        crops = random.integers(0, 256, (max(CHUNKS), *self.size, 3), np.uint8)
        alone = np.concatenate([self._runtime.run(crop[None])[0] for crop in crops])
        return all(
            np.array_equal(self._runtime.run(crops[:size])[0], alone[:size]) for size in CHUNKS
        )

    def close(self) -> None:
        """Give back the memory of the network."""
        self._runtime.close()


def exported(name: str) -> Path:
    """The ONNX file of an embedder, made from its weights if it is not in the cache yet.

    Raises
    ------
    WeightsError
        The weights are not to be had.
    ModelError
        They are no such network, or the cache cannot be written.
    """
    return export_once(
        name, EXPORT_VERSION, lambda weights, path: _write(RECIPES[name].export(weights), path)
    )


def _load(path: Path, recipe: Recipe, runtime: str, threads: int | None, precision: str) -> Runtime:
    check_settings(threads, precision)
    chosen, _ = choose_runtime(runtime, "cpu")
    if chosen == "openvino":
        from models.runtime.openvino import OpenVinoRuntime

        shapes = [(count, recipe.height, recipe.width, 3) for count in CHUNKS]
        return OpenVinoRuntime(path, threads=threads, precision=precision, shapes=shapes)
    if chosen != "torch":
        return load_runtime(path, chosen, threads, precision)
    from models.onnx_module import OnnxModule
    from models.runtime.torch import TorchRuntime

    return TorchRuntime(OnnxModule(path), threads=threads, precision=precision)


def _write(model: onnx.ModelProto, path: Path) -> None:
    """Write a network; the file is there complete or not at all."""
    handle, partial = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(model.SerializeToString())
        os.replace(partial, path)
    finally:
        Path(partial).unlink(missing_ok=True)


def _osnet(weights: Path) -> onnx.ModelProto:
    recipe = RECIPES["osnet-x0.25"]
    return crops_network(read_osnet(onnx.load(weights)), recipe.height, recipe.width, MEAN, STD)


def _mobilenet(weights: Path) -> onnx.ModelProto:
    import torch

    from models.mobilenet import load_mobilenet
    from models.runtime.export import export_onnx

    recipe = RECIPES["mobilenet"]
    network = load_mobilenet(weights)
    with tempfile.TemporaryDirectory(prefix="trackline-") as folder:
        path = Path(folder) / "mobilenet.onnx"
        example = torch.zeros(1, 3, recipe.height, recipe.width)
        axes = {"images": {0: "batch"}, "features": {0: "batch"}}
        export_onnx(network, example, path, axes=axes, metadata={})
        return take_crops(onnx.load(path), recipe)


def take_crops(network: onnx.ModelProto, recipe: Recipe) -> onnx.ModelProto:
    """Let a network of normalised images take crops as they are cut.

    Parameters
    ----------
    network : ModelProto
        Its one input is float32 [N, 3, H, W], red, green, blue, normalised as for ImageNet.

    Returns
    -------
    ModelProto
        The same, with an input ``crops`` uint8 [N, H, W, 3], blue, green, red.
    """
    graph = network.graph
    old = graph.input[0].name
    constants: dict[str, NDArray[Any]] = {
        "crops_order": np.array([2, 1, 0], np.int64),
        "crops_mean": (MEAN * 255).reshape(1, 3, 1, 1),
        "crops_scale": (1 / (STD * 255)).astype(np.float32).reshape(1, 3, 1, 1),
    }
    graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in constants.items())
    nodes = [
        helper.make_node("Cast", ["crops"], ["crops_float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["crops_float"], ["crops_planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Gather", ["crops_planes", "crops_order"], ["crops_rgb"], axis=1),
        helper.make_node("Sub", ["crops_rgb", "crops_mean"], ["crops_centred"]),
        helper.make_node("Mul", ["crops_centred", "crops_scale"], [old]),
    ]
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])
    shape: list[str | int | None] = ["batch", recipe.height, recipe.width, 3]
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info("crops", TensorProto.UINT8, shape))
    onnx.checker.check_model(network)
    return network


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "osnet-x0.25": Recipe(256, 128, 512, _osnet),
        "mobilenet": Recipe(224, 224, 1280, _mobilenet),
    }
)
