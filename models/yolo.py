"""YOLO detectors: letterbox, network, boxes of what passes the thresholds, suppression.

The network is an Ultralytics checkpoint run by `models.runtime`. One image is one forward on a
CPU, so its detections never depend on what else is in flight.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import catalog
from models.batch_detector import BatchDetector, PreparedImage
from models.errors import RuntimeUnavailable
from models.masks import ObjectMask, object_masks
from models.nms import batched_nms
from models.runtime import Runtime, check_settings, choose_runtime, load_runtime
from models.runtime.cpu import has_vnni
from models.types import Detections, DetectOptions, Image
from models.yolo_export import exported
from models.yolo_head import Candidates, HeadSpec, RawHead, candidates


class YoloDetector(BatchDetector):
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
    frames : Runtime or None
        What runs frames of videos, where that is another network; taken over too. It answers in
        the same form.
    """

    def __init__(
        self,
        name: str,
        spec: HeadSpec,
        network: Runtime,
        *,
        thinned: bool = False,
        frames: Runtime | None = None,
    ) -> None:
        super().__init__(network, frames)
        self.name = name
        self.spec = spec
        self.names = spec.names
        self.task = spec.task
        self.imgsz = spec.imgsz
        self.runtime = network.name
        self.device = network.device
        self.precision = network.precision
        self.frame_precision = (frames or network).precision
        self.slots = network.slots
        self.max_batch = network.max_batch
        masks = ("prototypes",) if spec.task == "segment" else ()
        self._last = (*masks, "anchors") if thinned else masks

    def preprocess(self, image: Image, imgsz: int | None = None) -> PreparedImage:
        """Letterbox an image, padded to the stride alone. Any thread.

        Raises
        ------
        InvalidInput
            Not a uint8 image [H, W, 3], or an ``imgsz`` below 1.
        """
        side = self.imgsz if imgsz is None else imgsz
        return PreparedImage.letterboxed(image, side, max(self.spec.strides))

    def rows(self, answer: list[NDArray[Any]], count: int) -> list[RawHead]:
        """What the head says of each image of a batch."""
        return [self._raw([array[row] for array in answer]) for row in range(count)]

    def _raw(self, arrays: list[NDArray[Any]]) -> RawHead:
        """What the network's outputs for one image are."""
        kinds, levels = self.spec.outputs, len(self.spec.strides)
        count = len(kinds) * levels
        maps = (array.reshape(-1, array.shape[-1]) for array in arrays[:count])
        fields: dict[str, Any] = {kind: tuple(islice(maps, levels)) for kind in kinds}
        return RawHead(**fields, **dict(zip(self._last, arrays[count:], strict=True)))

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
        if raw.prototypes is None:
            return detections, []
        coefficients = np.concatenate(raw.coefficients)[found.rows]
        masks = object_masks(coefficients, raw.prototypes, boxes, prepared.letterbox)
        seen = [row for row, mask in enumerate(masks) if mask.inside.any()]
        masks = [masks[row] for row in seen]
        outlines = tuple(mask.outline() for mask in masks)
        return replace(detections[seen], segments=outlines), masks

    def _select(self, raw: RawHead, prepared: PreparedImage, options: DetectOptions) -> Candidates:
        """The candidates that remain, in the input's pixels."""
        found = candidates(raw, self.spec, prepared.letterbox.input_size, options)
        if self.spec.end_to_end:
            return found.take(np.arange(len(found.scores))[: options.max_det])
        classes = np.zeros_like(found.classes) if options.agnostic else found.classes
        kept = batched_nms(found.boxes, found.scores, classes, options.iou)
        return found.take(kept[: options.max_det])


def load_yolo(
    name: str,
    *,
    runtime: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    precision: str = "auto",
    videos: bool = False,
) -> YoloDetector:
    """The YOLO detector of a catalogue name; see `models.detector.load_detector`."""
    chosen, place = choose_runtime(runtime, device)
    if precision == "int8":
        return _load_int8(name, chosen, threads)
    check_settings(threads, precision)
    if chosen == "torch":
        return _load_torch(name, place, threads, precision)
    path, spec = exported(name)
    network = load_runtime(path, chosen, threads, precision)
    frames = _for_frames(name, network, threads) if videos and precision == "auto" else None
    return YoloDetector(name, spec, network, frames=frames)


def _for_frames(name: str, network: Runtime, threads: int | None) -> Runtime | None:
    """The network in eight bits, where it is known to follow objects as well and costs less."""
    if network.name != "openvino" or not catalog.entry(name).int8 or not has_vnni():
        return None
    return _eight_bits(name, threads, network)[0]


def _load_int8(name: str, runtime: str, threads: int | None) -> YoloDetector:
    """The detector in eight bits, which is a matter of OpenVINO."""
    if runtime != "openvino":
        raise RuntimeUnavailable(
            f"precision 'int8': OpenVINO on a CPU has it, the runtime here is {runtime!r}"
        )
    network, spec = _eight_bits(name, threads)
    return YoloDetector(name, spec, network)


def _eight_bits(name: str, threads: int | None, beside: Any = None) -> tuple[Runtime, HeadSpec]:
    """The network in eight bits, and how its answers are read."""
    from models.runtime.openvino import OpenVinoRuntime
    from models.yolo_int8 import quantised

    path, spec = quantised(name)
    network = OpenVinoRuntime(path, threads=threads, beside=beside)
    network.precision = "int8"  # what is left of it is computed in the other one
    return network, spec


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
