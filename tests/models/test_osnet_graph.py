"""OSNet put together anew answers what the network it was read from answers."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import helper
from torch import Tensor, nn

from benchmarks.embedders import read_truth
from models import catalog
from models.embed_crops import cut_crops, unit_rows
from models.embed_network import MEAN, RECIPES, STD, exported, take_crops
from models.errors import ModelError
from models.onnx_module import OnnxModule
from models.osnet_graph import JOINED_UP_TO, crops_network, read_osnet
from models.runtime.export import export_onnx

HEIGHT, WIDTH = 256, 128
"""With maps of both kinds: those whose first layers are joined, and larger ones."""


class Gate(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(channels, 2, 1), nn.Conv2d(2, channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        means = nn.functional.adaptive_avg_pool2d(maps, 1)
        factors: Tensor = self.up(self.down(means).relu()).sigmoid()
        return maps * factors


class Bottleneck(nn.Module):
    """As it is drawn in the paper; batch normalisation is part of the convolutions."""

    def __init__(self, taken: int, given: int) -> None:
        super().__init__()
        middle = given // 4
        self.reduce = nn.Conv2d(taken, middle, 1)
        self.branches = nn.ModuleList(
            nn.Sequential(*(layer for _ in range(depth) for layer in self.light(middle)))
            for depth in range(1, 5)
        )
        self.gate = Gate(middle)
        self.expand = nn.Conv2d(middle, given, 1)
        self.shortcut = nn.Conv2d(taken, given, 1) if taken != given else nn.Identity()

    @staticmethod
    def light(channels: int) -> tuple[nn.Module, ...]:
        pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        return pointwise, depthwise, nn.ReLU()

    def forward(self, maps: Tensor) -> Tensor:
        reduced = self.reduce(maps).relu()
        ends = [branch(reduced) for branch in self.branches]
        summed = sum(self.gate(end) for end in ends)
        added: Tensor = self.expand(summed) + self.shortcut(maps)
        return added.relu()


def small_osnet() -> nn.Module:
    """An OSNet of few channels with random weights and moments."""
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Conv2d(3, 8, 7, 2, 3), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    for taken, given in ((8, 16), (16, 24), (24, 32)):
        layers += [Bottleneck(taken, given), Bottleneck(given, given)]
        layers += [nn.Conv2d(given, given, 1), nn.ReLU()]
        layers += [nn.AvgPool2d(2)] if given < 32 else []
    moments = nn.BatchNorm1d(10)
    nn.init.uniform_(moments.get_buffer("running_mean"), -0.1, 0.1)
    nn.init.uniform_(moments.get_buffer("running_var"), 0.5, 2)
    nn.init.uniform_(moments.weight, 0.5, 2)
    nn.init.uniform_(moments.bias, 0, 1)
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10), moments, nn.ReLU()]
    return nn.Sequential(*layers).eval()


def run(network: onnx.ModelProto, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(network.SerializeToString())
    (rows,) = session.run(None, {"crops": crops})
    return np.asarray(rows)


def test_a_network_with_random_weights_answers_the_same(tmp_path: Path) -> None:
    network, path = small_osnet(), tmp_path / "osnet.onnx"
    axes = {"images": {0: "batch"}, "output": {0: "batch"}}
    export_onnx(network, torch.zeros(2, 3, HEIGHT, WIDTH), path, axes=axes, metadata={})
    crops = np.random.default_rng(0).integers(0, 256, (3, HEIGHT, WIDTH, 3), np.uint8)
    pixels = (crops[..., ::-1] / 255 - MEAN) / STD
    with torch.inference_mode():
        expected = network(torch.from_numpy(pixels.transpose(0, 3, 1, 2).astype(np.float32)))
    rebuilt = crops_network(read_osnet(onnx.load(path)), HEIGHT, WIDTH, MEAN, STD)
    assert HEIGHT * WIDTH // 64 <= JOINED_UP_TO < HEIGHT * WIDTH // 16
    np.testing.assert_allclose(run(rebuilt, crops), expected.numpy(), atol=1e-5)


@pytest.mark.weights
def test_people_and_noise_give_the_rows_of_the_published_network(mot_dir: Path) -> None:
    weights = catalog.locate("osnet-x0.25")
    if weights is None:
        pytest.skip("osnet_x0_25_msmt17.onnx is not here: trackline models pull osnet-x0.25")
    recipe = RECIPES["osnet-x0.25"]
    truth = read_truth(mot_dir / "TUD-Campus")
    found, frame = cv2.VideoCapture(str(truth.video)).read()
    assert found
    people = cut_crops(frame, truth.boxes[truth.frames == 0], recipe.height, recipe.width)
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (2, recipe.height, recipe.width, 3), np.uint8)
    crops = np.concatenate([people, noise])
    published = unit_rows(run(take_crops(onnx.load(weights), recipe), crops))
    path = exported("osnet-x0.25")
    np.testing.assert_allclose(unit_rows(run(onnx.load(path), crops)), published, atol=1e-5)
    with torch.inference_mode():
        (in_torch,) = OnnxModule(path)(torch.from_numpy(crops))
    np.testing.assert_allclose(unit_rows(in_torch.numpy()), published, atol=1e-5)


def test_another_network_is_refused() -> None:
    images = helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, [1, 3, 8, 4])
    output = helper.make_tensor_value_info("output", onnx.TensorProto.FLOAT, [1, 3, 8, 4])
    nodes = [helper.make_node("Relu", ["images"], ["output"])]
    graph = helper.make_graph(nodes, "other", [images], [output])
    with pytest.raises(ModelError, match="expected the layers of an OSNet"):
        read_osnet(helper.make_model(graph))
