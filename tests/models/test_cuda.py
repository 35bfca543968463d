"""The way of a batch on CUDA, walked on the CPU, where nothing is recorded."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.detector import detect_options
from models.errors import ModelError
from models.runtime import cuda
from models.runtime.cuda import CudaRuntime
from models.runtime.torch import TorchRuntime
from models.yolo import YoloDetector
from models.yolo_network import BestAnchors, load_checkpoint
from tests.models.yolo_oracle import photograph, weights


class Sizes(nn.Module):
    """Counts its forwards, and answers the sum of each image and how many images came."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        self.seen.append(len(images))
        return images.sum(dim=(1, 2, 3)), images.flatten(1)


def images(count: int, side: int = 4) -> NDArray[np.float32]:
    return np.random.default_rng(count).normal(size=(count, side, side, 3)).astype(np.float32)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 16])
def test_batch_is_filled_up_and_its_own_part_answered(count: int) -> None:
    network = Sizes()
    runtime = CudaRuntime(network, precision="f32", device="cpu")
    batch = images(count)
    sums, flat = runtime.run(batch)
    np.testing.assert_allclose(sums, batch.sum(axis=(1, 2, 3)), rtol=1e-5)
    np.testing.assert_array_equal(flat, batch.reshape(count, -1))
    assert set(network.seen) == {1 << (count - 1).bit_length()}
    runtime.close()


def test_both_lanes_answer_what_was_asked_of_them() -> None:
    runtime = CudaRuntime(Sizes(), precision="f32", device="cpu")
    batches = [images(count) for count in (1, 2, 3, 4)] * 8
    answers = [runtime.start(batch) for batch in batches]
    for batch, answer in zip(batches, answers, strict=True):
        np.testing.assert_array_equal(answer.result(timeout=30)[1], batch.reshape(len(batch), -1))
    runtime.close()


def test_shapes_are_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "MAX_SHAPES", 2)
    monkeypatch.setattr(cuda, "LANES", 1)
    runtime = CudaRuntime(Sizes(), precision="f32", device="cpu")
    for side in (4, 5, 6, 4, 5, 6):
        batch = images(1, side)
        np.testing.assert_array_equal(runtime.run(batch)[1], batch.reshape(1, -1))
    lane = runtime._lanes.get()
    assert len(lane._programs) == 2
    runtime._lanes.put(lane)
    runtime.close()


def test_failing_batch_leaves_the_lanes_to_others() -> None:
    runtime = CudaRuntime(_Tuple(nn.Conv2d(3, 4, 1)), precision="f32", device="cpu")
    for _ in range(3):
        with pytest.raises(ModelError, match=r"cannot run a batch of float32 \[1, 4, 4, 3\]"):
            runtime.run(images(1))
    assert len(runtime.run(np.zeros((1, 3, 2, 2), np.float32))) == 1
    runtime.close()


@pytest.mark.weights
@pytest.mark.parametrize("name", ["yolo26n", "yolov8n", "yolo26n-seg"])
def test_best_anchors_give_the_same_detections(name: str) -> None:
    path = weights(name)
    plain, thinned = load_checkpoint(path), load_checkpoint(path)
    detectors = [
        YoloDetector(name, plain.spec, TorchRuntime(plain)),
        YoloDetector(
            name,
            thinned.spec,
            CudaRuntime(BestAnchors(thinned), precision="f32", device="cpu"),
            thinned=True,
        ),
    ]
    image = photograph("bus.jpg")
    options = detect_options(plain.spec.names, conf=0.05)
    found = []
    for detector in detectors:
        prepared = [detector.preprocess(image), detector.preprocess(image[:, ::-1])]
        raw = detector.start(prepared).result()
        pairs = zip(raw, prepared, strict=True)
        found.append([detector.postprocess(*pair, options) for pair in pairs])
        detector.close()
    for expected, ours in zip(*found, strict=True):
        assert len(ours) == len(expected) > 4
        np.testing.assert_allclose(ours.boxes, expected.boxes, atol=1e-2)
        np.testing.assert_allclose(ours.scores, expected.scores, atol=1e-4)
        assert (ours.segments is None) == (expected.segments is None)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")
def test_recorded_graph_answers_what_the_network_does() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten()).eval()
    batch = np.random.default_rng(0).normal(size=(3, 3, 8, 8)).astype(np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy(batch)).numpy()
    runtime = CudaRuntime(_Tuple(network), precision="f32")
    for _ in range(3):
        np.testing.assert_allclose(runtime.run(batch)[0], expected, atol=1e-2)
    runtime.close()


class _Tuple(nn.Module):
    """A network's one output as a tuple."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor]:
        return (self.network(images),)
