"""TorchVision's detection networks, built to be fed with pictures that are resized already.

Thresholds that a request may choose are applied after the forward, so that the networks here are
built with the lowest score and the widest suppression that can be asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.errors import ModelError, UnknownName
from models.torchvision_compat import load_torchvision

LEAST_SCORE = 0.01
"""Objects below this leave no network, whatever is asked for."""

WIDEST_IOU = 0.7
"""Boxes of one class that overlap a better one by more than this leave no network."""

MOST_OBJECTS = 300
"""The best so many objects of an image leave a network."""

MOST_MASKS = 100
"""The same where each of them gets a mask, which costs more than all else; as published."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is built as its published weights want it.

    Attributes
    ----------
    frozen : float or None
        The backbone's batch normalisation is frozen, with this epsilon; None if it is not.
    prefix : str
        How the names of its thresholds begin.
    masks : bool
        It gives each object a mask.
    """

    frozen: float | None
    prefix: str = ""
    masks: bool = False


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "fasterrcnn_mobilenet_v3_large_fpn": Recipe(frozen=1e-5, prefix="box_"),
        "fasterrcnn_mobilenet_v3_large_320_fpn": Recipe(frozen=1e-5, prefix="box_"),
        "fasterrcnn_resnet50_fpn": Recipe(frozen=0.0, prefix="box_"),
        "maskrcnn_resnet50_fpn": Recipe(frozen=0.0, prefix="box_", masks=True),
        "retinanet_resnet50_fpn": Recipe(frozen=0.0),
        "fcos_resnet50_fpn": Recipe(frozen=1e-5),
        "ssd300_vgg16": Recipe(frozen=None),
        "ssdlite320_mobilenet_v3_large": Recipe(frozen=None),
    }
)
"""The networks, by the names of the functions of ``torchvision.models.detection``."""


class InputSize(NamedTuple):
    """To which size a network wants its pictures resized.

    Attributes
    ----------
    fixed : (int, int) or None
        Height and width of every input; None where the aspect is kept.
    shorter, longer : int
        Else the shorter side becomes the first of these, unless the longer one became more than
        the second.
    """

    fixed: tuple[int, int] | None
    shorter: int
    longer: int


class RawObjects(NamedTuple):
    """What a network finds in one image, in pixels of its input.

    Attributes
    ----------
    boxes : float32 [N, 4]
        x1, y1, x2, y2.
    scores : float32 [N]
    labels : int64 [N]
        The network's own class numbers.
    masks : float32 [N, h, w] or None
        Probabilities on a grid over each box.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]
    masks: NDArray[np.float32] | None


class ZooNetwork:
    """One of TorchVision's detection networks, with its weights.

    Parameters
    ----------
    network : str
        One of `RECIPES`.
    outputs : int
        Class numbers that it knows, the background's included.
    weights : Path
        Its state dictionary. Nothing but tensors is read from it.
    device : str
        Where it runs.

    Raises
    ------
    UnknownName
        No such network.
    ModelError
        The weights cannot be read or do not fit.
    """

    def __init__(self, network: str, outputs: int, weights: Path, device: str = "cpu") -> None:
        model = build(network, outputs)
        load_state(model, weights, network)
        transform = model.transform
        fixed = transform.fixed_size
        self.size = InputSize(
            None if fixed is None else (fixed[1], fixed[0]),
            transform.min_size[-1],
            transform.max_size,
        )
        model.transform = _Normalised(
            transform.image_mean, transform.image_std, transform.size_divisible
        )
        self._model: nn.Module | None = model.eval().requires_grad_(False).to(device)
        self._device = device

    def start(self, batch: NDArray[np.float32]) -> Future[list[RawObjects]]:
        """The objects of each picture of a batch [N, H, W, 3], BGR from 0 to 255; finished."""
        answer: Future[list[RawObjects]] = Future()
        try:
            answer.set_result(self._run(batch))
        except Exception as error:  # whatever failed belongs to the one who waits
            answer.set_exception(error)
        return answer

    def _run(self, batch: NDArray[np.float32]) -> list[RawObjects]:
        if self._model is None:
            raise ModelError("this network has been closed")
        pixels = torch.from_numpy(batch).to(self._device)
        pictures = list(pixels.flip(-1).permute(0, 3, 1, 2).contiguous() / 255)
        try:
            with torch.inference_mode():
                return [_raw(found) for found in self._model(pictures)]
        except RuntimeError as error:
            raise ModelError(
                f"torch cannot run {len(batch)} pictures of {list(batch.shape[1:])}: {error}"
            ) from error

    def close(self) -> None:
        """Give back the memory of the network."""
        self._model = None


def build(network: str, outputs: int) -> Any:
    """One of TorchVision's networks with random weights, of the structure of the published ones.

    Parameters
    ----------
    network : str
        One of `RECIPES`.
    outputs : int
        Class numbers that it knows, the background's included.

    Raises
    ------
    UnknownName
        No such network.
    """
    recipe = RECIPES.get(network)
    if recipe is None:
        raise UnknownName(f"network {network!r}: one of {', '.join(RECIPES)} expected")
    torchvision = load_torchvision()
    thresholds = {
        "score_thresh": LEAST_SCORE,
        "nms_thresh": WIDEST_IOU,
        "detections_per_img": MOST_MASKS if recipe.masks else MOST_OBJECTS,
    }
    named = {recipe.prefix + name: value for name, value in thresholds.items()}
    function = getattr(torchvision.models.detection, network)
    model = function(weights=None, weights_backbone=None, num_classes=outputs, **named)
    if recipe.frozen is not None:
        _freeze(model.backbone, recipe.frozen)
    return model


def _freeze(module: nn.Module, eps: float) -> None:
    """Put frozen batch normalisation, as the published weights have it, in place of the other."""
    frozen = import_module("torchvision.ops").FrozenBatchNorm2d
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, frozen(child.num_features, eps=eps))
        else:
            _freeze(child, eps)


def load_state(model: nn.Module, weights: Path, network: str) -> None:
    """Read a state dictionary into a network, and nothing but tensors.

    Raises
    ------
    ModelError
        The file cannot be read, or its tensors do not fit.
    """
    try:
        state = torch.load(weights, map_location="cpu", weights_only=True)
        model.load_state_dict(state)
    except Exception as error:  # a damaged file fails in many ways
        raise ModelError(
            f"{weights}: expected the weights of {network} for these classes: {error}"
        ) from error


def _raw(found: Mapping[str, Tensor]) -> RawObjects:
    masks = found.get("masks")
    return RawObjects(
        found["boxes"].cpu().numpy(),
        found["scores"].cpu().numpy(),
        found["labels"].cpu().numpy(),
        None if masks is None else masks[:, 0].cpu().numpy(),
    )


class _Normalised(nn.Module):
    """Stands in for a network's transform: no resizing, and its answers stay as they are."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float], stride: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)
        self.stride = stride

    def forward(self, images: list[Tensor], targets: None = None) -> tuple[Any, None]:
        """The batch, normalised, and padded to the stride at its bottom and right."""
        batch = (torch.stack(images) - self.mean) / self.std
        height, width = batch.shape[-2:]
        padding = (0, -width % self.stride, 0, -height % self.stride)
        image_list = import_module("torchvision.models.detection.image_list").ImageList
        return image_list(functional.pad(batch, padding), [(height, width)] * len(images)), targets

    def postprocess(self, found: Any, _sizes: Any, _images: Any) -> Any:
        """The detections as they are."""
        return found
