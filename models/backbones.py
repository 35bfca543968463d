"""Backbones by name: published classifiers as the trunk of FCN detectors and segmenters.

``mobilenet`` is the MobileNetV2 of the catalogue. Other names are those of TorchVision's functions,
``resnet34`` or ``convnext_tiny``; ``timm/NAME`` is one of the library timm, an extra.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from torch import nn

from models import catalog
from models.backbone_maps import backbone_of
from models.errors import (
    ModelError,
    UnknownName,
    WeightsCorrupt,
    WeightsUnavailable,
)
from models.fcn_backbone import Backbone, Colours, mobilenet_backbone
from models.torchvision_compat import load_torchvision

DEFAULT = "mobilenet"
"""The smallest, and its weights are to be had wherever the catalogue is."""

_TIMM = "timm/"


def load_backbone(name: str = DEFAULT, *, pretrained: bool = False) -> Backbone:
    """A backbone, with random weights or the published ones.

    Parameters
    ----------
    name : str
        ``mobilenet``, a classifier of TorchVision, or ``timm/`` and one of timm.
    pretrained : bool
        Fetch the weights that its library publishes, once, into the cache.

    Raises
    ------
    UnknownName
        No such network.
    WeightsUnavailable
        The weights cannot be reached; the message says where to put the file.
    ModelError
        The network has no maps at strides of 8, 16 and 32, or timm is not installed.
    """
    if name == DEFAULT:
        return mobilenet_backbone(catalog.fetch("mobilenet") if pretrained else None)
    if name.startswith(_TIMM):
        model, colours = _from_timm(name.removeprefix(_TIMM), pretrained)
        return backbone_of(model, colours)
    return backbone_of(classifier(name, pretrained=pretrained))


def classifier(name: str, *, pretrained: bool = False) -> nn.Module:
    """The whole classifier of a backbone of TorchVision or timm; see `load_backbone`."""
    if name.startswith(_TIMM):
        return _from_timm(name.removeprefix(_TIMM), pretrained)[0]
    models = load_torchvision().models
    known = models.list_models(module=models)
    if name not in known:
        near = difflib.get_close_matches(name, [DEFAULT, *known]) or [DEFAULT, "resnet34"]
        raise UnknownName(
            f"backbone {name!r}: {', '.join(near)}, any other classifier of TorchVision, or "
            "timm/NAME expected"
        )
    if pretrained:
        return _published(name, models.get_model_weights(name).DEFAULT)
    # What it would start from is drawn slowly, and better chosen by who trains it.
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    model: nn.Module = models.get_model(name, weights=None, **options)
    return model


def _published(name: str, weights: Any) -> nn.Module:
    """A classifier of TorchVision with its published weights, which it fetches itself."""
    folder = catalog.cache_dir() / "torchvision"
    file = folder / "checkpoints" / Path(urlsplit(weights.url).path).name
    start = file.stem.rpartition("-")[2]  # of the hash: TorchVision's names end with it
    if file.is_file():
        with file.open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
        if not found.startswith(start):
            raise WeightsCorrupt(f"{file} has sha256 {found}, expected {start}…; remove the file")
    try:
        with _hub_folder(folder):
            model: nn.Module = load_torchvision().models.get_model(
                name, weights=weights, progress=False
            )
    except (OSError, RuntimeError) as error:
        raise WeightsUnavailable(
            f"{name}: {weights.url} cannot be reached ({error}); put the file to {file}"
        ) from error
    return model


@contextmanager
def _hub_folder(folder: Path) -> Iterator[None]:
    """Let torch keep what it downloads in a folder of our cache."""
    before = torch.hub.get_dir()
    torch.hub.set_dir(folder)
    try:
        yield
    finally:
        torch.hub.set_dir(before)


def _from_timm(name: str, pretrained: bool) -> tuple[nn.Module, Colours]:
    """A classifier of timm, and the colours that it is used to."""
    load_torchvision()  # timm imports it, which fails where its operators do not fit torch
    try:
        timm: Any = import_module("timm")
    except ImportError as error:
        raise ModelError(
            "backbones of timm need that library: pip install 'trackline[timm]'"
        ) from error
    if not timm.is_model(name):
        near = ", ".join(timm.list_models(f"*{name.split('.')[0]}*")[:5])
        raise UnknownName(f"backbone 'timm/{name}': timm has no such network; near it: {near}")
    folder = catalog.cache_dir() / "timm"
    files = [folder / f"{name}{suffix}" for suffix in (".safetensors", ".pth")]
    own = next(({"file": str(file)} for file in files if file.is_file()), None)
    try:
        model = timm.create_model(
            name, pretrained=pretrained, pretrained_cfg_overlay=own, cache_dir=folder
        )
    except (OSError, RuntimeError) as error:
        raise WeightsUnavailable(
            f"timm/{name}: its published weights cannot be reached ({error}); "
            f"put the file to {files[0]} or {files[1].name}"
        ) from error
    config = model.pretrained_cfg
    return model, Colours(config["mean"], config["std"])
