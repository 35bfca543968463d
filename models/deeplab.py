"""DeepLabV3 on MobileNetV2, the network published for TensorFlow Lite, run by OpenVINO.

Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models import catalog
from models.errors import RuntimeUnavailable
from models.preprocess import check_image
from models.runtime import Runtime, check_settings, choose_runtime
from models.segmenter import class_map
from models.types import Image

SIDE = 257
"""Height and width of the network's input; the aspect is not kept."""


class DeepLab:
    """A `models.segmenter.Segmenter`.

    Parameters
    ----------
    name : str
        Its name in the catalogue.
    classes : sequence of str
        The names of its classes, by id.
    network : Runtime
        Answers scores [1, h, w, K] for RGB from -1 to 1. It is taken over.
    """

    def __init__(self, name: str, classes: Sequence[str], network: Runtime) -> None:
        self.name = name
        self.names: Mapping[int, str] = dict(enumerate(classes))
        self.runtime = network.name
        self.device = network.device
        self._network = network

    def segment(self, image: Image) -> NDArray[np.uint8]:
        """The class id of each pixel, [H, W]. Any thread."""
        height, width, _ = check_image(image).shape
        small = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        pixels = small[None, ..., ::-1].astype(np.float32) / 127.5 - 1
        (scores,) = self._network.run(pixels)
        return class_map(np.ascontiguousarray(scores[0].transpose(2, 0, 1)), (height, width))

    def close(self) -> None:
        """Give back the memory of the network. The segmenter cannot be used afterwards."""
        self._network.close()


def load(
    name: str, *, runtime: str = "auto", device: str = "auto", threads: int | None = None
) -> DeepLab:
    """The DeepLab of a catalogue name; see `models.segmenter.load_segmenter`.

    Raises
    ------
    RuntimeUnavailable
        A runtime other than OpenVINO is asked for: none of the others reads this file.
    """
    check_settings(threads, "auto")
    place = "cpu" if device == "auto" else device
    chosen, _ = choose_runtime("openvino" if runtime == "auto" else runtime, place)
    if chosen != "openvino":
        raise RuntimeUnavailable(f"{name} runs in OpenVINO alone; take 'openvino' or 'auto'")
    entry = catalog.entry(name)
    return DeepLab(name, entry.classes, _network(catalog.fetch(name), threads))


def _network(weights: Path, threads: int | None) -> Runtime:
    from models.runtime.openvino import OpenVinoRuntime

    return OpenVinoRuntime(weights, threads=threads)
