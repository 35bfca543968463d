"""YOLO detectors: letterbox, network, boxes of what passes the thresholds, suppression.

The network is an Ultralytics checkpoint run by `models.runtime`. One image is one forward on a
CPU, so its detections never depend on what else is in flight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import catalog
from models.detector import Detector
from models.errors import InvalidInput
from models.masks import ObjectMask, object_masks
from models.nms import batched_nms
from models.preprocess import Letterbox, check_image
from models.runtime import Runtime, check_settings, choose_runtime, load_runtime
from models.types import Detections, DetectOptions, Image
from models.yolo_export import exported
from models.yolo_head import Candidates, HeadSpec, RawHead, candidates


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """The network's input for one image, and how the image lies in it."""

    data: Image
    letterbox: Letterbox

    @property
    def key(self) -> tuple[int, int]:
        """Height and width of the input."""
        return self.letterbox.input_size

    @property
    def pixels(self) -> int:
        """Size of the input, height times width."""
        return self.key[0] * self.key[1]


class YoloDetector(Detector):
    """A YOLO network with what goes before and after it; a `models.detector.Detector`.

    Parameters
    ----------
    name : str
        Its name in the catalogue.
    spec : HeadSpec
        How its answers are read.
    network : Runtime
        What runs it. It is taken over: `close` closes it.
    thinned : bool
        The network is a `models.yolo_network.BestAnchors`.
    """

    def __init__(
        self, name: str, spec: HeadSpec, network: Runtime, *, thinned: bool = False
    ) -> None:
        self.name = name
        self.spec = spec
        self.names = spec.names
        self.task = spec.task
        self.imgsz = spec.imgsz
        self.runtime = network.name
        self.device = network.device
        self.slots = network.slots
        self.max_batch = network.max_batch
        masks = ("coefficients", "prototypes") if spec.task == "segment" else ()
        self._outputs = ("features", "logits", *masks, *(("anchors",) if thinned else ()))
        self._network = network

    def preprocess(self, image: Image, imgsz: int | None = None) -> PreparedImage:
        """Letterbox an image, padded to the stride alone. Any thread.

        Raises
        ------
        InvalidInput
            Not a uint8 image [H, W, 3], or an ``imgsz`` below 1.
        """
        height, width, _ = check_image(image).shape
        side = self.imgsz if imgsz is None else imgsz
        letterbox = Letterbox.fit((height, width), side, stride=max(self.spec.strides))
        return PreparedImage(letterbox.apply(image), letterbox)

    def start(self, batch: Sequence[PreparedImage]) -> Future[list[RawHead]]:
        """Begin the forward of images of one input size. The owner's thread alone.

        Raises
        ------
        InvalidInput
            No image, or inputs of several sizes.
        """
        keys = {prepared.key for prepared in batch}
        if len(keys) != 1:
            raise InvalidInput(f"batch: expected images of one input size, got {sorted(keys)}")
        answer: Future[list[RawHead]] = Future()
        answer.set_running_or_notify_cancel()  # from here on it cannot be cancelled
        count = len(batch)

        def finish(outputs: Future[list[NDArray[Any]]]) -> None:
            try:
                arrays = dict(zip(self._outputs, outputs.result(), strict=True))
                answer.set_result([_row(arrays, row) for row in range(count)])
            except Exception as error:  # whatever failed belongs to the one who waits
                answer.set_exception(error)

        images = [prepared.data for prepared in batch]
        pixels = images[0][None] if count == 1 else np.stack(images)
        self._network.start(pixels).add_done_callback(finish)
        return answer

    def postprocess(
        self, raw: RawHead, prepared: PreparedImage, options: DetectOptions
    ) -> Detections:
        """Read the detections of one image from the network's answer. Any thread.

        Where the network segments, objects whose mask has no pixel are left out.
        """
        return self.postprocess_masks(raw, prepared, options)[0]

    def postprocess_masks(
        self, raw: RawHead, prepared: PreparedImage, options: DetectOptions
    ) -> tuple[Detections, list[ObjectMask]]:
        """Like `postprocess`, with the masks themselves; none if the network gives none."""
        found = self._select(raw, prepared, options)
        boxes = prepared.letterbox.to_image(found.boxes)
        detections = Detections(boxes, found.scores, found.classes, self.names)
        if raw.coefficients is None or raw.prototypes is None:
            return detections, []
        coefficients = raw.coefficients[:, found.columns].T
        masks = object_masks(coefficients, raw.prototypes, boxes, prepared.letterbox)
        seen = [row for row, mask in enumerate(masks) if mask.inside.any()]
        masks = [masks[row] for row in seen]
        outlines = tuple(mask.outline() for mask in masks)
        return replace(detections[seen], segments=outlines), masks

    def _select(self, raw: RawHead, prepared: PreparedImage, options: DetectOptions) -> Candidates:
        """The candidates that remain, in the input's pixels."""
        found = candidates(raw, self.spec, prepared.key, options)
        if self.spec.end_to_end:
            return found.take(np.arange(len(found.scores))[: options.max_det])
        classes = np.zeros_like(found.classes) if options.agnostic else found.classes
        kept = batched_nms(found.boxes, found.scores, classes, options.iou)
        return found.take(kept[: options.max_det])

    def close(self) -> None:
        """Give back the memory of the network. The detector cannot be used afterwards."""
        self._network.close()


def load_yolo(
    name: str,
    *,
    runtime: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    precision: str = "auto",
) -> YoloDetector:
    """The YOLO detector of a catalogue name; see `models.detector.load_detector`."""
    check_settings(threads, precision)
    chosen, place = choose_runtime(runtime, device)
    if chosen == "torch":
        return _load_torch(name, place, threads, precision)
    path, spec = exported(name)
    return YoloDetector(name, spec, load_runtime(path, chosen, threads, precision))


def _load_torch(name: str, device: str, threads: int | None, precision: str) -> YoloDetector:
    """The detector as a torch module, without an export."""
    weights = catalog.fetch(name)
    from models.runtime.cuda import CudaRuntime
    from models.runtime.torch import TorchRuntime
    from models.yolo_network import BestAnchors, load_checkpoint

    network = load_checkpoint(weights, end_to_end=catalog.entry(name).end_to_end)
    if device == "cuda":
        runtime = CudaRuntime(BestAnchors(network), precision=precision)
        return YoloDetector(name, network.spec, runtime, thinned=True)
    return YoloDetector(
        name, network.spec, TorchRuntime(network, threads=threads, precision=precision)
    )


def _row(arrays: Mapping[str, NDArray[Any]], row: int) -> RawHead:
    """The answer of one image of a batch."""
    return RawHead(**{name: array[row] for name, array in arrays.items()})
