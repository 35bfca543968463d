"""YOLO networks in eight bits: what is rounded, what is not, and that the same is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models import boxes
from models.errors import InvalidInput, RuntimeUnavailable
from models.runtime.export import export_onnx
from models.types import DetectOptions
from models.yolo import load_yolo
from models.yolo_int8 import quantise
from tests.models.yolo_oracle import PHOTOGRAPHS, photograph, weights


class TinyYolo(nn.Module):
    """Layers named as those of a YOLO network are; the last one stands for its head."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.ModuleList(nn.Conv2d(wide, 16, 3, padding=1) for wide in (3, 16, 16, 16))

    def forward(self, pixels: Tensor) -> Tensor:
        x = pixels.permute(0, 3, 1, 2).to(torch.float32)
        for layer in self.model:
            x = nn.functional.silu(layer(x))
        return x


@pytest.fixture
def network(tmp_path: Path) -> openvino.Model:
    """The tiny network as OpenVINO reads it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        tiny = TinyYolo().eval().requires_grad_(False)
    next(tiny.parameters()).div_(255)  # the range of pixels, as in the exported networks
    axes = {"pixels": {1: "height", 2: "width"}, "head": {2: "height", 3: "width"}}
    path = tmp_path / "tiny.onnx"
    export_onnx(tiny, torch.zeros((1, 16, 24, 3), dtype=torch.uint8), path, axes=axes, metadata={})
    return openvino.Core().read_model(path)


def pixels(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (1, 32, 48, 3), dtype=np.uint8)


def answer(network: openvino.Model, batch: NDArray[Any]) -> NDArray[Any]:
    exact = {"INFERENCE_PRECISION_HINT": openvino.Type.f32}
    return np.array(openvino.Core().compile_model(network, "CPU", exact)(batch)[0])


def test_rounded_network_answers_nearly_the_same(network: openvino.Model) -> None:
    expected = answer(network, pixels(1))
    quantise(network, [pixels(2), pixels(3)])
    found = answer(network, pixels(1))
    assert not np.array_equal(found, expected)
    assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()


def test_all_layers_but_the_head_and_those_with_attention_are_rounded(
    network: openvino.Model,
) -> None:
    for node in network.get_ordered_ops():
        if node.get_type_name() == "Add" and "/model.2/" in node.get_friendly_name():
            node.set_friendly_name("/model.2/m/attn/Add")
    quantise(network, [pixels(2)])
    weighed = {
        node.get_friendly_name()[: len("/model.0")]: node.input_value(1).get_node().get_type_name()
        for node in network.get_ordered_ops()
        if node.get_type_name() == "Convolution"
    }
    kinds = [weighed[name] for name in sorted(weighed)]
    assert kinds == ["FakeQuantize", "FakeQuantize", "Constant", "Constant"]


def test_pixels_stay_as_they_are(network: openvino.Model) -> None:
    quantise(network, [pixels(2)])
    first = next(one for one in network.get_ordered_ops() if one.get_type_name() == "Convolution")
    steps = first.input_value(0).get_node()
    ends = [float(steps.input_value(end).get_node().get_data().item()) for end in (1, 2, 3, 4)]
    assert ends == [0, 255, 0, 255]


@pytest.mark.weights
def test_same_objects_are_found_whatever_else_is_in_flight() -> None:
    weights("yolo26n")
    rounded, exact = (
        load_yolo("yolo26n", runtime="openvino", precision=p) for p in ("int8", "f32")
    )
    pictures = [photograph(name) for name in PHOTOGRAPHS]
    together = rounded.predict(pictures * 3)
    for picture, found in zip(pictures * 3, together, strict=True):
        alone, expected = rounded.predict([picture])[0], exact.predict([picture])[0]
        np.testing.assert_array_equal(found.boxes, alone.boxes)
        sure = expected[expected.scores > 0.4]
        overlaps = boxes.box_iou(sure.boxes, found.boxes)
        same = sure.classes[:, None] == found.classes
        assert (np.where(same, overlaps, 0).max(axis=1) > 0.9).all()
    rounded.close()
    exact.close()


@pytest.mark.weights
def test_frames_of_videos_alone_go_through_eight_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    weights("yolo26n")
    monkeypatch.setattr("models.yolo.has_vnni", lambda: True)
    rounded, exact = (
        load_yolo("yolo26n", runtime="openvino", precision=p) for p in ("int8", "auto")
    )
    both = load_yolo("yolo26n", runtime="openvino", videos=True)
    assert (both.precision, both.frame_precision) == (exact.precision, "int8")
    options = DetectOptions()
    for name in PHOTOGRAPHS:
        picture = photograph(name)
        image, frame = both.preprocess(picture), both.preprocess_frame(picture)
        assert image.key != frame.key
        for prepared, alike in ((image, exact), (frame, rounded)):
            raw = both.start([prepared]).result()[0]
            found, expected = both.postprocess(raw, prepared, options), alike.predict([picture])[0]
            np.testing.assert_array_equal(found.boxes, expected.boxes)
            np.testing.assert_array_equal(found.scores, expected.scores)
    with pytest.raises(InvalidInput, match="one input size"):
        both.start([image, frame])
    for detector in (rounded, exact, both):
        detector.close()


@pytest.mark.weights
@pytest.mark.parametrize(
    ("name", "vnni", "settings"),
    [
        ("yolo26n", False, {"videos": True}),
        ("yolo26n", True, {}),
        ("yolo26n", True, {"videos": True, "precision": "f32"}),
        ("yolov8n", True, {"videos": True}),
    ],
    ids=["no VNNI", "not asked for", "another precision", "not measured"],
)
def test_frames_are_as_pictures_are_where_eight_bits_are_not_for_them(
    monkeypatch: pytest.MonkeyPatch, name: str, vnni: bool, settings: dict[str, Any]
) -> None:
    weights(name)
    monkeypatch.setattr("models.yolo.has_vnni", lambda: vnni)
    detector = load_yolo(name, runtime="openvino", **settings)
    picture = photograph(PHOTOGRAPHS[0])
    assert detector.preprocess_frame(picture).key == detector.preprocess(picture).key
    detector.close()


@pytest.mark.parametrize("runtime", ["torch", "onnx"])
def test_other_runtimes_refuse(runtime: str) -> None:
    with pytest.raises(RuntimeUnavailable, match="OpenVINO on a CPU has it"):
        load_yolo("yolo26n", runtime=runtime, device="cpu", precision="int8")
