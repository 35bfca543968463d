"""TorchVision's segmentation networks behind the Segmenter protocol: FCN and DeepLabV3.

Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models import catalog
from models.errors import ModelError, UnknownName
from models.preprocess import check_image
from models.runtime import check_settings, torch_device
from models.segmenter import class_map
from models.torchvision_compat import load_torchvision
from models.types import Image
from models.zoo_network import load_state

NETWORKS = ("fcn_resnet50", "deeplabv3_resnet50", "deeplabv3_mobilenet_v3_large")
"""The networks, by the names of the functions of ``torchvision.models.segmentation``."""

SHORTER = 520
"""Pixels of the input's shorter side, as in training, unless the longer one became too long."""

LONGER = 3 * SHORTER
"""Most pixels of the input's longer side."""

# Of ImageNet's colours from 0 to 255, red, green, blue.
_MEAN = np.array([0.485, 0.456, 0.406], np.float32) * 255
_STD = np.array([0.229, 0.224, 0.225], np.float32) * 255


class ZooSegmenter:
    """A `models.segmenter.Segmenter`.

    Parameters
    ----------
    name : str
        Its name in the catalogue.
    classes : sequence of str
        The names of its classes, by id.
    network : nn.Module
        One of TorchVision's, with its weights. It is taken over.
    device : str
        Where it runs.
    """

    runtime = "torch"

    def __init__(
        self, name: str, classes: Sequence[str], network: nn.Module, device: str = "cpu"
    ) -> None:
        self.name = name
        self.names: Mapping[int, str] = dict(enumerate(classes))
        self.device = device
        self._network: nn.Module | None = network.eval().requires_grad_(False).to(device)

    def segment(self, image: Image) -> NDArray[np.uint8]:
        """The class id of each pixel, [H, W]. Any thread."""
        network = self._network
        if network is None:
            raise ModelError("this network has been closed")
        height, width, _ = check_image(image).shape
        pixels = torch.from_numpy(resized(image)).permute(2, 0, 1)[None]
        try:
            with torch.inference_mode():
                scores = network(pixels.to(self.device))["out"][0]
        except RuntimeError as error:
            raise ModelError(f"torch cannot run a picture of {[height, width]}: {error}") from error
        return class_map(scores.cpu().numpy(), (height, width))

    def close(self) -> None:
        """Give back the memory of the network. The segmenter cannot be used afterwards."""
        self._network = None


def resized(image: Image) -> NDArray[np.float32]:
    """The network's input [h, w, 3] for an image, normalised RGB, its aspect kept."""
    height, width, _ = image.shape
    scale = min(SHORTER / min(height, width), LONGER / max(height, width))
    size = max(int(width * scale), 1), max(int(height * scale), 1)
    # Averaged where the picture is made smaller, as TorchVision's own transform does.
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    rgb = cv2.resize(image, size, interpolation=way)[..., ::-1]
    return np.asarray((rgb - _MEAN) / _STD, np.float32)


def build(network: str, classes: int) -> Any:
    """One of TorchVision's networks with random weights, of the structure of the published ones.

    Raises
    ------
    UnknownName
        No such network.
    """
    if network not in NETWORKS:
        raise UnknownName(f"network {network!r}: one of {', '.join(NETWORKS)} expected")
    function = getattr(load_torchvision().models.segmentation, network)
    return function(weights=None, weights_backbone=None, num_classes=classes, aux_loss=True)


def load(
    name: str, *, runtime: str = "auto", device: str = "auto", threads: int | None = None
) -> ZooSegmenter:
    """The TorchVision segmenter of a catalogue name; see `models.segmenter.load_segmenter`.

    Raises
    ------
    RuntimeUnavailable
        A runtime other than torch is asked for.
    """
    check_settings(threads, "auto")
    place = torch_device(name, runtime, device)
    entry = catalog.entry(name)
    weights: Path = catalog.fetch(name)
    if threads is not None:
        torch.set_num_threads(threads)
    model = build(entry.network, len(entry.classes))
    load_state(model, weights, entry.network)
    return ZooSegmenter(name, entry.classes, model, place)
