"""Classifiers made fully convolutional: one look gives what sliding the classifier gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.errors import InvalidInput, ModelError
from models.fcn import to_fully_convolutional
from models.torchvision_compat import load_torchvision

STRIDE, SIZE, CHANNELS, CLASSES = 32, 224, 6, 5


def backbone() -> nn.Sequential:
    """Five convolutions of stride 2 without padding: 7x7 maps at 224."""
    layers: list[nn.Module] = []
    for before, after in zip((3, 4, 4, 6, 6), (4, 4, 6, 6, CHANNELS), strict=True):
        layers += [nn.Conv2d(before, after, 2, stride=2), nn.Tanh()]
    return nn.Sequential(*layers)


def dense(inputs: int) -> list[nn.Module]:
    return [nn.Linear(inputs, 16), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(16, CLASSES)]


class Functional(nn.Module):
    """A head written as functions and methods."""

    def __init__(self) -> None:
        super().__init__()
        self.features = backbone()
        self.first = nn.Linear(CHANNELS * 49, 16)
        self.norm = nn.BatchNorm1d(16)
        self.second = nn.Linear(16, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        values = functional.relu(self.features(images))
        values = values.view(values.size(0), -1)
        values = functional.dropout(self.norm(self.first(values)), training=self.training)
        answer: Tensor = self.second(torch.relu(values))
        return answer


class Mean(nn.Module):
    """Global pooling as a mean over two axes, then a layer normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.features = backbone()
        self.head = nn.Sequential(nn.LayerNorm(CHANNELS), nn.Linear(CHANNELS, CLASSES, bias=False))

    def forward(self, images: Tensor) -> Tensor:
        answer: Tensor = self.head(self.features(images).mean([2, 3]))
        return answer


HEADS: dict[str, Callable[[], nn.Module]] = {
    "flatten and a stack": lambda: nn.Sequential(*backbone(), nn.Flatten(), *dense(CHANNELS * 49)),
    "global mean": lambda: nn.Sequential(
        *backbone(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), *dense(CHANNELS)
    ),
    "global maximum": lambda: nn.Sequential(
        *backbone(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), *dense(CHANNELS)
    ),
    "mean of fixed size": lambda: nn.Sequential(
        *backbone(), nn.AvgPool2d(7), nn.Flatten(), nn.BatchNorm1d(CHANNELS), *dense(CHANNELS)
    ),
    "grid of the same size": lambda: nn.Sequential(
        *backbone(), nn.AdaptiveAvgPool2d(7), nn.Dropout(), nn.Flatten(), *dense(CHANNELS * 49)
    ),
    "grid of another size": lambda: nn.Sequential(
        *backbone(), nn.AdaptiveAvgPool2d((3, 4)), nn.Flatten(), *dense(CHANNELS * 12)
    ),
    "convolution behind the pooling": lambda: nn.Sequential(
        *backbone(), nn.AdaptiveAvgPool2d(1), nn.Conv2d(CHANNELS, CLASSES, 1), nn.Flatten()
    ),
    "functions and methods": Functional,
    "mean over axes": Mean,
}


def made(kind: str) -> nn.Module:
    """A classifier in evaluation mode, with normalisation that does something."""
    torch.manual_seed(len(kind))
    model = HEADS[kind]()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm1d):
            nn.init.normal_(layer.weight)
            layer.running_mean = torch.randn(layer.num_features) / 10
    return model.eval()


@torch.no_grad()
def slid(model: nn.Module, images: Tensor, window: int, stride: int) -> Tensor:
    """Answers [N, K, rows, columns] of a classifier for each window cut out of the images."""
    cuts = images.unfold(2, window, stride).unfold(3, window, stride)
    rows, columns = cuts.shape[2:4]
    answers = [model(cuts[:, :, row, column]) for row in range(rows) for column in range(columns)]
    grid = torch.stack(answers, 2)
    return grid.reshape(*grid.shape[:2], rows, columns)


@pytest.mark.parametrize("kind", HEADS)
def test_at_twice_the_size_an_8x8_grid_equals_sliding_the_classifier(kind: str) -> None:
    model = made(kind)
    network = to_fully_convolutional(model, SIZE)
    # Blobs, so that windows differ in what is averaged over them.
    images = 4 * functional.interpolate(torch.rand(1, 3, 8, 8), (2 * SIZE, 2 * SIZE))
    with torch.no_grad():
        grid = network(images)
    assert grid.shape == (1, CLASSES, 8, 8)
    torch.testing.assert_close(grid, slid(model, images, SIZE, STRIDE), atol=1e-6, rtol=1e-5)
    assert grid.flatten(2).std(2).max() > 1e-4, "the same answer everywhere shows nothing"


@pytest.mark.parametrize("kind", HEADS)
def test_at_the_training_size_the_numbers_are_the_same(kind: str) -> None:
    model = made(kind)
    images = torch.rand(3, 3, SIZE, SIZE)
    with torch.no_grad():
        grid, expected = to_fully_convolutional(model, SIZE)(images), model(images)
    torch.testing.assert_close(grid, expected[:, :, None, None], atol=1e-4, rtol=0)


def test_oblong_training_sizes_and_images_work() -> None:
    model = nn.Sequential(*backbone(), nn.Flatten(), nn.Linear(CHANNELS * 2 * 3, CLASSES)).eval()
    network = to_fully_convolutional(model, (64, 96))
    assert network(torch.rand(2, 3, 64, 96)).shape == (2, CLASSES, 1, 1)
    assert network(torch.rand(2, 3, 96, 224)).shape == (2, CLASSES, 2, 5)


def test_the_model_itself_stays_as_it_is() -> None:
    model = made("flatten and a stack").train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    network = to_fully_convolutional(model, SIZE)
    with torch.no_grad():
        for weight in network.parameters():
            weight.zero_()
    assert model.training
    assert not network.training
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name])


def test_the_grid_can_be_trained() -> None:
    network = to_fully_convolutional(made("global mean"), SIZE)
    network(torch.rand(1, 3, 256, 256)).sum().backward()
    assert all(weight.grad is not None for weight in network.parameters())


class Undecided(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.mean((2, 3)) if images.sum() > 0 else images.amax((2, 3))


class Tokens(nn.Module):
    """What a transformer does: cells become tokens that mix."""

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(2).transpose(1, 2).mean(1)


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (Undecided(), ModelError, "Undecided cannot be traced"),
        (Tokens(), ModelError, "head goes through"),
        (nn.Sequential(*backbone()), InvalidInput, r"\[N, K\].*\[2, 6, 7, 7\]"),
        (
            nn.Sequential(*backbone(), nn.Flatten(), nn.Linear(10, 2)),
            InvalidInput,
            r"does not take \[N, 3, 224, 224\]",
        ),
        (
            nn.Sequential(*backbone(), nn.AdaptiveMaxPool2d(3), nn.Flatten(), nn.Linear(54, 2)),
            ModelError,
            "maxima over a grid",
        ),
        (
            nn.Sequential(
                *backbone(), nn.AdaptiveAvgPool2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(54, 2)
            ),
            ModelError,
            "ReLU.*stands between",
        ),
        (
            nn.Sequential(*backbone(), nn.Flatten(), nn.BatchNorm1d(294), nn.Linear(294, 2)),
            ModelError,
            "window of 7x7",
        ),
    ],
)
def test_what_cannot_be_converted_is_refused_by_name(
    model: nn.Module, error: Any, message: str
) -> None:
    with pytest.raises(error, match=message):
        to_fully_convolutional(model, SIZE)


def test_torchvision_suppresses_with_our_operator() -> None:
    operators = load_torchvision().ops
    boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 4.5], [9, 9, 12, 12]])
    scores = torch.tensor([0.5, 0.9, 0.7])
    assert operators.nms(boxes, scores, 0.5).tolist() == [1, 2]
    assert operators.batched_nms(boxes, scores, torch.tensor([0, 1, 1]), 0.5).tolist() == [1, 2, 0]
