"""ONNX files in torch: the numbers of ONNX Runtime, and a clear refusal of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from models.errors import ModelError
from models.onnx_module import OnnxModule


def write(path: Path, nodes: list[onnx.NodeProto], **weights: np.ndarray) -> Path:
    """A network of these nodes, from ``images`` float32 [N, 4, 8, 8] to ``output``."""
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 4, 8, 8])
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, None)
    initializers = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "test", [images], [output], initializers)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=8), path
    )
    return path


RANDOM = np.random.default_rng(0)
KERNEL = RANDOM.standard_normal((6, 2, 3, 3)).astype(np.float32)
POOL = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
CONV = {"strides": [2, 1], "pads": [1, 1, 1, 1], "dilations": [1, 1], "group": 2}


def node(kind: str, *inputs: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, [*inputs], ["output"], **attributes)


@pytest.mark.parametrize(
    ("nodes", "weights"),
    [
        ([node("Conv", "images", "w", **CONV)], {"w": KERNEL}),
        ([node("Conv", "images", "w", "b", **CONV)], {"w": KERNEL, "b": KERNEL[:, 0, 0, 0]}),
        ([node("Conv", "images", "w", **(CONV | {"pads": [1, 2, 0, 1]}))], {"w": KERNEL}),
        ([node("MaxPool", "images", **POOL)], {}),
        ([node("AveragePool", "images", **POOL, count_include_pad=1)], {}),
        ([node("ReduceMean", "images", axes=[2, 3], keepdims=0)], {}),
        ([node("Gather", "images", "i", axis=1)], {"i": np.array([2, 0, 1])}),
        (
            [
                helper.make_node("Split", ["images"], ["left", "right"], axis=3),
                node("Concat", "right", "left", axis=2),
            ],
            {},
        ),
        ([node("Transpose", "images", perm=[0, 2, 3, 1])], {}),
        ([node("Reshape", "images", "shape")], {"shape": np.array([-1, 8, 32])}),
    ],
    ids=lambda value: value[-1].op_type if isinstance(value, list) else "",
)
def test_an_operator_gives_what_onnx_runtime_gives(
    nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray], tmp_path: Path
) -> None:
    path = write(tmp_path / "network.onnx", nodes, **weights)
    images = RANDOM.standard_normal((3, 4, 8, 8)).astype(np.float32)
    (expected,) = onnxruntime.InferenceSession(str(path)).run(None, {"images": images})
    with torch.inference_mode():
        (output,) = OnnxModule(path)(torch.from_numpy(images))
    np.testing.assert_allclose(output.numpy(), expected, atol=1e-5)


def test_an_unknown_operator_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "network.onnx", [node("Selu", "images")])
    with pytest.raises(ModelError, match="no operator Selu"):
        OnnxModule(path)


def test_padding_on_one_side_alone_is_refused(tmp_path: Path) -> None:
    pool = {**POOL, "pads": [0, 0, 1, 1]}
    network = OnnxModule(write(tmp_path / "network.onnx", [node("MaxPool", "images", **pool)]))
    with pytest.raises(ModelError, match="padding: expected the same on both sides"):
        network(torch.zeros(1, 4, 8, 8))
