"""Semantic segmenters: DeepLab with real weights, TorchVision's with weights made on the spot."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models import catalog
from models.deeplab import DeepLab
from models.errors import InvalidInput, ModelError, RuntimeUnavailable, UnknownName
from models.segmenter import Segmenter, class_map, load_segmenter
from models.torchvision_compat import load_torchvision
from models.zoo_segmenter import LONGER, NETWORKS, ZooSegmenter, build, resized

DEEPLAB = "deeplabv3-mobilenet"
NAMES = ("background", "left", "right")


class Halves(nn.Module):
    """Stands in for a network: the left half of every picture is class 1, the right half 2."""

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        scores = torch.zeros(len(pixels), 3, *pixels.shape[-2:])
        middle = pixels.shape[-1] // 2
        scores[:, 1, :, :middle] = 1
        scores[:, 2, :, middle:] = 1
        return {"out": scores}


class HalvesRuntime:
    """The same as a runtime that answers channels last, at a quarter of the resolution."""

    name, device, precision, slots, max_batch = "fake", "cpu", "f32", 1, 1

    def run(self, batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        assert batch.shape == (1, 257, 257, 3)
        assert -1 <= batch.min() <= batch.max() <= 1
        pixels = torch.from_numpy(batch[:, ::4, ::4]).permute(0, 3, 1, 2)
        return [Halves()(pixels)["out"].permute(0, 2, 3, 1).numpy()]

    def start(self, batch: NDArray[np.float32]) -> None:
        raise AssertionError("a segmenter runs one picture at a time, by `run`")

    def close(self) -> None:
        """Nothing to give back."""


def deeplab() -> Segmenter:
    return DeepLab("halves", NAMES, HalvesRuntime())  # type: ignore[arg-type]


def torchvision() -> Segmenter:
    return ZooSegmenter("halves", NAMES, Halves())


@pytest.mark.parametrize("make", [deeplab, torchvision])
@pytest.mark.parametrize(("height", "width"), [(90, 160), (700, 300), (1, 40)])
def test_every_pixel_has_its_class(make: Callable[[], Segmenter], height: int, width: int) -> None:
    segmenter = make()
    found = segmenter.segment(np.zeros((height, width, 3), np.uint8))
    assert found.dtype == np.uint8
    assert found.shape == (height, width)
    edge = width // 20 + 1
    assert (found[:, : width // 2 - edge] == 1).all()
    assert (found[:, width // 2 + edge :] == 2).all()
    assert segmenter.names == dict(enumerate(NAMES))


@pytest.mark.parametrize("make", [deeplab, torchvision])
def test_what_is_no_image_is_refused(make: Callable[[], Segmenter]) -> None:
    with pytest.raises(InvalidInput, match="got shape"):
        make().segment(np.zeros((4, 4), np.uint8))


def test_scores_are_interpolated_and_not_classes() -> None:
    scores = np.zeros((2, 1, 4), np.float32)
    scores[1] = [0, 0, 3, 9]
    scores[0] = 1
    found = class_map(scores, (1, 400))[0]
    # Between the centres at 150 and 250 the second class rises from 0 to 3 and passes 1.
    assert int(np.flatnonzero(found)[0]) == pytest.approx(150 + 100 / 3, abs=2)
    assert (np.diff(found.astype(int)) >= 0).all()


@pytest.mark.parametrize("network", ["fcn_resnet50", "deeplabv3_mobilenet_v3_large"])
def test_a_network_has_the_structure_of_its_published_weights(network: str) -> None:
    segmentation = load_torchvision().models.segmentation
    (published,) = (
        getattr(segmentation, name).DEFAULT
        for name in dir(segmentation)
        if name.lower() == f"{network}_weights"
    )
    names = [name for name in catalog.names("semantic") if catalog.entry(name).network == network]
    (entry,) = map(catalog.entry, names)
    assert list(entry.classes[1:]) == published.meta["categories"][1:]
    assert entry.file == published.url.rpartition("/")[2]
    assert entry.file.endswith(f"-{entry.sha256[:8]}.pth")
    with torch.device("meta"):
        model = build(network, len(entry.classes))
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == published.meta["num_params"]


def test_the_same_classes_as_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = build("deeplabv3_mobilenet_v3_large", 3).eval()
    name = _listed(model.state_dict(), tmp_path, monkeypatch)
    noise = np.random.default_rng(0).integers(0, 256, (520, 600, 3)).astype(np.uint8)
    image = np.asarray(cv2.GaussianBlur(noise, (0, 0), 9), np.uint8)
    weights = load_torchvision().models.segmentation.DeepLabV3_MobileNet_V3_Large_Weights.DEFAULT
    pixels = weights.transforms()(torch.from_numpy(image[..., ::-1].copy()).permute(2, 0, 1))
    np.testing.assert_allclose(resized(image), pixels.permute(1, 2, 0).numpy(), atol=1e-4)
    with torch.inference_mode():
        expected = model(pixels[None])["out"][0].argmax(0).numpy()
    found = load_segmenter(name).segment(image)
    assert (found == expected).mean() > 0.999


def _listed(state: object, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give weights a name in an operator's catalogue."""
    weights = folder / "weights.pth"
    torch.save(state, weights)
    (folder / "catalog.toml").write_text(
        f"""
[entries.halves]
task = "semantic"
network = "deeplabv3_mobilenet_v3_large"
sha256 = "{hashlib.sha256(weights.read_bytes()).hexdigest()}"
classes = ["background", "left", "right"]
sources = [{{ path = "weights.pth" }}]
""",
        encoding="utf-8",
    )
    monkeypatch.setenv("TRACKLINE_CATALOG", str(folder / "catalog.toml"))
    return "halves"


def test_weights_of_another_network_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = _listed({"weight": torch.zeros(1)}, tmp_path, monkeypatch)
    with pytest.raises(ModelError, match="expected the weights of deeplabv3_mobilenet_v3_large"):
        load_segmenter(name)
    with pytest.raises(RuntimeUnavailable, match="halves runs in torch alone"):
        load_segmenter(name, runtime="onnx")


def test_names_of_other_things_are_refused() -> None:
    with pytest.raises(UnknownName, match="its task is detect"):
        load_segmenter("yolo26n")
    with pytest.raises(UnknownName, match="one of fcn_resnet50"):
        build("unet", 2)
    assert {catalog.entry(name).network for name in catalog.names("semantic")} <= {"", *NETWORKS}


def test_a_long_strip_is_not_made_longer_than_is_useful() -> None:
    assert resized(np.zeros((10, 4000, 3), np.uint8)).shape == (3, LONGER, 3)
    assert resized(np.zeros((600, 800, 3), np.uint8)).shape == (520, 693, 3)


def test_a_closed_segmenter_says_so() -> None:
    segmenter = torchvision()
    segmenter.close()
    with pytest.raises(ModelError, match="has been closed"):
        segmenter.segment(np.zeros((9, 9, 3), np.uint8))


@pytest.mark.weights
def test_deeplab_finds_the_bus_and_the_people_around_it() -> None:
    if catalog.locate(DEEPLAB) is None:
        pytest.skip(f"the weights are not here: trackline models pull {DEEPLAB}")
    spec = importlib.util.find_spec("ultralytics")
    assert spec is not None
    assert spec.origin is not None
    image = cv2.imread(str(Path(spec.origin).parent / "assets" / "bus.jpg"))
    assert image is not None
    segmenter = load_segmenter(DEEPLAB)
    found = segmenter.segment(image)
    segmenter.close()
    bus, person = (catalog.entry(DEEPLAB).classes.index(name) for name in ("bus", "person"))
    assert (found[300:450, 100:700] == bus).mean() > 0.9
    assert found[720, 100] == found[680, 300] == person
    assert (found[:100] == bus).mean() < 0.1


@pytest.mark.weights
def test_deeplab_runs_in_openvino_alone() -> None:
    with pytest.raises(RuntimeUnavailable, match="runs in OpenVINO alone"):
        load_segmenter(DEEPLAB, runtime="onnx")
