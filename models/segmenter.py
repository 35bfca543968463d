"""A class for every pixel: the Segmenter protocol, and `load_segmenter` for catalogue names."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import PurePath
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from models import catalog
from models.errors import UnknownName
from models.installed import needing_packages
from models.types import Image


class Segmenter(Protocol):
    """What says of every pixel of an image what it belongs to.

    Attributes
    ----------
    name : str
        Its name in the catalogue.
    names : mapping of int to str
        The name of each class that it knows, the background's included.
    runtime, device : str
        What runs the network, and where.
    """

    name: str
    names: Mapping[int, str]
    runtime: str
    device: str

    def segment(self, image: Image) -> NDArray[np.uint8]:
        """The class id of each pixel, [H, W], for an image [H, W, 3]. Any thread.

        Raises
        ------
        InvalidInput
            Not a uint8 image [H, W, 3].
        ModelError
            The network has been closed, or failed.
        """

    def close(self) -> None:
        """Give back the memory of the network. The segmenter cannot be used afterwards."""


_MODULES = {".tflite": "deeplab", ".safetensors": "fcn_segmenter"}
"""What loads a file of weights, by its suffix."""


def load_segmenter(
    name: str, runtime: str = "auto", device: str = "auto", threads: int | None = None
) -> Segmenter:
    """The semantic segmenter of a catalogue name, ready to be used.

    Parameters
    ----------
    name : str
        A name in the catalogue whose task is ``semantic``.
    runtime, device, threads
        As of `models.detector.load_detector`. Published networks have one runtime, and another is
        refused; trained FCNs have all.

    Raises
    ------
    UnknownName
        No such segmenter, or no such runtime.
    WeightsError
        Its weights are not to be had, or are damaged.
    ModelError
        It could not be built, or the runtime or device is not there.
    """
    entry = catalog.entry(name)
    if entry.task != "semantic":
        raise UnknownName(f"{name!r} is no semantic segmenter: its task is {entry.task}")
    module = _MODULES.get(PurePath(entry.file).suffix, "zoo_segmenter")
    with needing_packages(name):
        load = import_module(f"models.{module}").load
    segmenter: Segmenter = load(name, runtime=runtime, device=device, threads=threads)
    return segmenter


def class_map(scores: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The best class of each pixel of an image, from scores at a lower resolution.

    Scores are interpolated, not classes, so that borders are smooth. Classes that win nowhere at
    the lower resolution are left out, which saves interpolating them.

    Parameters
    ----------
    scores : [K, h, w]
        Of each class, for equal cells of the image.
    size : (int, int)
        Height and width of the image.
    """
    height, width = size
    best = np.full(size, -np.inf, np.float32)
    answer = np.zeros(size, np.uint8)
    for class_id in np.unique(scores.argmax(axis=0)):
        score = cv2.resize(scores[class_id], (width, height), interpolation=cv2.INTER_LINEAR)
        better = score > best
        answer[better] = class_id
        np.maximum(best, score, out=best)
    return answer
