"""Backbones by name: the families of classifiers, as trunks and made fully convolutional."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from models.backbone_maps import backbone_of
from models.backbones import classifier, load_backbone
from models.errors import ModelError, UnknownName, WeightsCorrupt, WeightsUnavailable
from models.fcn import to_fully_convolutional
from models.fcn_backbone import STRIDES
from models.fcn_network import FcnNetwork
from models.torchvision_compat import load_torchvision

FAMILIES = (
    "alexnet",
    "googlenet",
    "vgg11",
    "resnet34",
    "resnext50_32x4d",
    "timm/legacy_xception",
    "timm/seresnet18",
    "densenet121",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "efficientnet_b0",
    "convnext_tiny",
)
SIDE = 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    """The name of a family's small member."""
    name: str = request.param
    if name.startswith("timm/"):
        pytest.importorskip("timm", reason="the extra timm is not installed")
    return name


@torch.no_grad()
def test_made_fully_convolutional_a_family_keeps_its_numbers_and_slides_its_head(
    family: str,
) -> None:
    torch.manual_seed(0)
    model = classifier(family).eval()
    network = to_fully_convolutional(model, SIDE)
    image = torch.rand(1, 3, SIDE, SIDE)
    expected = model(image)
    torch.testing.assert_close(network(image)[..., 0, 0], expected, atol=1e-4, rtol=1e-4)
    # These networks pad, so a cut-out sees zeros where the whole image has pixels. Their heads
    # do not: each cell is the classifier's head on its window of the map.
    window = network.backbone(image).shape[-1]
    maps = network.backbone(torch.rand(1, 3, 2 * SIDE, 2 * SIDE))
    grid = network.head(maps)
    assert grid.shape[2:] == (8, 8)
    cuts = maps[0].unfold(1, window, 1).unfold(2, window, 1).flatten(1, 2).movedim(1, 0)
    cells = network.head(cuts).reshape(8, 8, -1).permute(2, 0, 1)
    torch.testing.assert_close(grid[0], cells, atol=1e-4, rtol=1e-4)


def test_a_family_is_the_trunk_of_a_detector(family: str) -> None:
    torch.manual_seed(0)
    backbone = load_backbone(family).eval()
    pixels = torch.randint(0, 256, (1, 96, 160, 3), dtype=torch.uint8)
    with torch.no_grad():
        maps = backbone(pixels)
    for stride, values, channels in zip(STRIDES, maps, backbone.channels, strict=True):
        assert values.shape == (1, channels, 96 // stride, 160 // stride)
        assert values.std() > 0
    network = FcnNetwork(backbone, ["person"], stride=16)
    answer = network(pixels)
    assert answer.objectness.shape == (1, 1, 6, 10)
    answer.objectness.sum().backward()
    learning = [weight.grad is not None for weight in backbone.parameters()]
    assert all(learning)


@torch.no_grad()
def test_maps_are_those_of_the_classifier_away_from_the_border() -> None:
    model = classifier("resnet34").eval()
    torch.manual_seed(1)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean = torch.randn(layer.num_features) / 10
    met: list[torch.Tensor] = []
    network: Any = model
    for stage in (network.layer2, network.layer3, network.layer4):
        stage.register_forward_hook(lambda _layer, _inputs, output: met.append(output.clone()))
    pixels = torch.randint(0, 256, (1, 64, 96, 3), dtype=torch.uint8)
    rgb = pixels.permute(0, 3, 1, 2).flip(1) / 255
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    model((rgb - mean) / std)
    for own, expected in zip(backbone_of(model).eval()(pixels), met[:3], strict=True):
        torch.testing.assert_close(own, expected, atol=1e-4, rtol=1e-4)


def test_a_name_that_is_none_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="resnet34"):
        load_backbone("resnet-34")
    pytest.importorskip("timm", reason="the extra timm is not installed")
    with pytest.raises(UnknownName, match="near it: legacy_xception"):
        load_backbone("timm/legacy_xceptio")


@pytest.mark.parametrize("name", ["squeezenet1_0", "swin_t", "vit_b_16"])
def test_a_network_without_such_maps_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match=r"backbone|traced"):
        load_backbone(name)


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of TorchVision's files in an empty cache, on a machine without a network."""
    monkeypatch.setenv("TRACKLINE_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setattr("torch.hub.urlopen", refuse)
    return tmp_path / "torchvision" / "checkpoints"


def test_weights_out_of_reach_are_an_error_that_says_where_to_put_them(unreachable: Path) -> None:
    place = unreachable / "resnet34-b627a593.pth"
    with pytest.raises(WeightsUnavailable, match=f"no network.*put the file to {place}"):
        load_backbone("resnet34", pretrained=True)


def test_weights_put_there_by_hand_are_read_if_their_hash_is_right(
    unreachable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(3)
    own = classifier("shufflenet_v2_x0_5")
    unreachable.mkdir(parents=True)
    file = unreachable / "weights.pth"
    torch.save(own.state_dict(), file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    published = load_torchvision().models.ShuffleNet_V2_X0_5_Weights
    for start in (digest[:8], "00000000"):
        file = file.rename(unreachable / f"shufflenet-{start}.pth")
        weights = published.DEFAULT.value.__class__(
            url=f"https://example.invalid/{file.name}",
            transforms=published.DEFAULT.transforms,
            meta=published.DEFAULT.meta,
        )
        monkeypatch.setattr(published.DEFAULT, "_value_", weights)
        if start == digest[:8]:
            backbone = load_backbone("shufflenet_v2_x0_5", pretrained=True)
            first = next(backbone.parameters())
            torch.testing.assert_close(first, next(own.parameters()))
        else:
            with pytest.raises(WeightsCorrupt, match=f"sha256 {digest}, expected 00000000"):
                load_backbone("shufflenet_v2_x0_5", pretrained=True)


def test_weights_of_timm_are_read_where_they_were_put_by_hand(unreachable: Path) -> None:
    pytest.importorskip("timm", reason="the extra timm is not installed")
    place = unreachable.parents[1] / "timm"
    with pytest.raises(WeightsUnavailable, match=f"put the file to {place}/seresnet18.safetensors"):
        load_backbone("timm/seresnet18", pretrained=True)
    torch.manual_seed(4)
    own = classifier("timm/seresnet18")
    place.mkdir(exist_ok=True)
    save_file(own.state_dict(), place / "seresnet18.safetensors")
    first = next(load_backbone("timm/seresnet18", pretrained=True).parameters())
    torch.testing.assert_close(first, next(own.parameters()))
