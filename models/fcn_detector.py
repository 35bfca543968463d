"""The FCN detector behind the Detector protocol: any image size, all objects in one look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.batch_detector import BatchDetector, PreparedImage
from models.fcn_grid import decode_boxes
from models.fcn_runtime import INPUT_STRIDE, load_fcn_runtime
from models.nms import batched_nms
from models.runtime import Runtime
from models.types import Detections, DetectOptions, Image

MOST_IOU = 0.5
"""Several cells answer for one object, by boxes that overlap by more than this and often by less
than the 0.7 at which networks with finer boxes are suppressed."""


class RawGrid(NamedTuple):
    """The answer for one image; see `models.fcn_network.FcnAnswer`."""

    logits: NDArray[np.float32]
    objectness: NDArray[np.float32]
    boxes: NDArray[np.float32]


class FcnDetector(BatchDetector):
    """An FCN network with what goes before and after it; a `models.detector.Detector`.

    The score of a detection is its objectness times the probability of its class. Boxes are
    suppressed at an IoU of `MOST_IOU` at most: an ``iou`` above it has no effect.

    Parameters
    ----------
    name : str
        Its name in the catalogue.
    names : mapping of int to str
        Its classes.
    network : Runtime
        Runs a `models.fcn_network.FcnNetwork`. It is taken over: `close` closes it.
    stride : int
        Pixels of the input from one cell to the next.
    imgsz : int
        Side of the input unless another is asked for.
    """

    task = "detect"

    def __init__(
        self,
        name: str,
        names: Mapping[int, str],
        network: Runtime,
        *,
        stride: int = 16,
        imgsz: int = 640,
    ) -> None:
        super().__init__(network)
        self.name = name
        self.names = names
        self.stride = stride
        self.imgsz = imgsz
        self.runtime = network.name
        self.device = network.device
        self.precision = self.frame_precision = network.precision
        self.slots = network.slots
        self.max_batch = network.max_batch

    def preprocess(self, image: Image, imgsz: int | None = None) -> PreparedImage:
        """Letterbox an image, padded to the stride alone. Any thread.

        Raises
        ------
        InvalidInput
            Not a uint8 image [H, W, 3], or an ``imgsz`` below 1.
        """
        side = self.imgsz if imgsz is None else imgsz
        return PreparedImage.letterboxed(image, side, INPUT_STRIDE)

    def rows(self, answer: list[NDArray[Any]], count: int) -> list[RawGrid]:
        """What the heads say of each image of a batch."""
        return [RawGrid(*heads) for heads in zip(*answer, strict=True)]

    def postprocess(
        self, raw: RawGrid, prepared: PreparedImage, options: DetectOptions
    ) -> Detections:
        """Read the detections of one image from the grid. Any thread."""
        objectness = _sigmoid(raw.objectness[0])
        # No score is above its objectness, so most cells are done with here.
        rows, columns = np.nonzero(objectness >= options.conf)
        probabilities = _softmax(raw.logits[:, rows, columns].T)
        classes = probabilities.argmax(axis=1).astype(np.int32)
        scores = objectness[rows, columns] * probabilities.max(axis=1, initial=0)
        keep = scores >= options.conf
        if options.classes is not None:
            keep &= np.isin(classes, list(options.classes))
        rows, columns, classes, scores = rows[keep], columns[keep], classes[keep], scores[keep]
        boxes = decode_boxes(raw.boxes[:, rows, columns].T, columns, rows, self.stride)
        groups = np.zeros_like(classes) if options.agnostic else classes
        threshold = min(options.iou, MOST_IOU)
        kept = batched_nms(boxes, scores, groups, threshold)[: options.max_det]
        found = prepared.letterbox.to_image(boxes[kept])
        return Detections(found, scores[kept], classes[kept], self.names)


def load_fcn_detector(
    name: str,
    *,
    runtime: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    precision: str = "auto",
) -> FcnDetector:
    """The FCN detector of a catalogue name; see `models.detector.load_detector`."""
    network, spec = load_fcn_runtime(
        name, "detector", runtime=runtime, device=device, threads=threads, precision=precision
    )
    names = dict(enumerate(spec.names))
    return FcnDetector(name, names, network, stride=spec.stride, imgsz=spec.imgsz)


def _sigmoid(values: NDArray[np.float32]) -> NDArray[np.float32]:
    # As a hyperbolic tangent it overflows for no value.
    answer: NDArray[np.float32] = 0.5 * (1 + np.tanh(0.5 * values))
    return answer


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """The probability of each class, for each row of [M, K]."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    answer: NDArray[np.float32] = powers / powers.sum(axis=1, keepdims=True)
    return answer
