"""FCN-32s, FCN-16s and FCN-8s behind the Segmenter protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.batch_detector import PreparedImage
from models.fcn_runtime import INPUT_STRIDE, load_fcn_runtime
from models.runtime import Runtime
from models.segmenter import class_map
from models.types import Image


class FcnSegmenter:
    """A trained FCN as a `models.segmenter.Segmenter`.

    Parameters
    ----------
    name : str
        Its name in the catalogue.
    classes : sequence of str
        The names of its classes, by id.
    network : Runtime
        Runs a `models.fcn_segmentation.FcnSegmentationNetwork`. It is taken over.
    imgsz : int
        Side of the input that it was trained at.
    """

    def __init__(self, name: str, classes: Sequence[str], network: Runtime, imgsz: int) -> None:
        self.name = name
        self.names: Mapping[int, str] = dict(enumerate(classes))
        self.runtime = network.name
        self.device = network.device
        self.imgsz = imgsz
        self._network = network

    def segment(self, image: Image) -> NDArray[np.uint8]:
        """The class id of each pixel, [H, W]. Any thread."""
        prepared = PreparedImage.letterboxed(image, self.imgsz, INPUT_STRIDE)
        place = prepared.letterbox
        (scores,) = self._network.run(prepared.data[None])
        bottom, right = place.end
        inner = np.ascontiguousarray(scores[0, :, place.top : bottom, place.left : right])
        return class_map(inner, place.image_size)

    def close(self) -> None:
        """Give back the memory of the network. The segmenter cannot be used afterwards."""
        self._network.close()


def load(
    name: str, *, runtime: str = "auto", device: str = "auto", threads: int | None = None
) -> FcnSegmenter:
    """The FCN of a catalogue name; see `models.segmenter.load_segmenter`."""
    network, spec = load_fcn_runtime(
        name, "segmenter", runtime=runtime, device=device, threads=threads
    )
    return FcnSegmenter(name, spec.names, network, spec.imgsz)
