"""TorchVision's detectors behind the Detector protocol: R-CNN, RetinaNet, FCOS and SSD."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from models import catalog
from models.batch_detector import BatchDetector, PreparedImage
from models.box_masks import box_mask
from models.errors import InvalidInput
from models.nms import batched_nms
from models.preprocess import MAX_IMGSZ, Letterbox, check_image
from models.runtime import check_settings, torch_device
from models.torchvision_compat import load_torchvision
from models.types import Detections, DetectOptions, Image
from models.zoo_network import InputSize, RawObjects, ZooNetwork

_CUDA_BATCH = 8


class ZooDetector(BatchDetector):
    """One of TorchVision's networks with what goes before and after it; a `Detector`.

    Its own suppression is as wide as `models.zoo_network.WIDEST_IOU`; an ``iou`` above that
    counts as that.

    Parameters
    ----------
    name : str
        Its name in the catalogue.
    classes : sequence of str
        The names of its classes, by id.
    network : ZooNetwork
        It is taken over: `close` closes it.
    task : {"detect", "segment"}
        Whether it has masks.
    device : str
        Where the network runs.
    """

    runtime = "torch"
    precision = frame_precision = "f32"
    slots = 1

    def __init__(
        self,
        name: str,
        classes: Sequence[str],
        network: ZooNetwork,
        *,
        task: str = "detect",
        device: str = "cpu",
    ) -> None:
        super().__init__(network)
        self.name = name
        self.names: Mapping[int, str] = dict(enumerate(classes))
        self.task = task
        self.device = device
        self.size: InputSize = network.size
        self.imgsz = self.size.longer if self.size.fixed is None else self.size.fixed[0]
        self.max_batch = 1 if device == "cpu" else _CUDA_BATCH
        self._ids = class_of_label(classes)

    def preprocess(self, image: Image, imgsz: int | None = None) -> PreparedImage:
        """Resize an image as the network was trained. Any thread.

        Parameters
        ----------
        image : uint8 [H, W, 3]
            Blue, green, red.
        imgsz : int or None
            Most pixels of the longer side; the bound of the shorter one is scaled with it.
            Networks with an input of one size take no other.

        Raises
        ------
        InvalidInput
            Not such an image, or an ``imgsz`` that the network does not take.
        """
        height, width, _ = check_image(image).shape
        inner = self._inner((height, width), self.imgsz if imgsz is None else imgsz)
        # In float32, as the network's own transform does it: nothing is rounded.
        data = image.astype(np.float32)
        if inner != (height, width):
            data = cv2.resize(data, inner[::-1], interpolation=cv2.INTER_LINEAR)
        return PreparedImage(data, Letterbox((height, width), inner, inner, 0, 0))

    def _inner(self, image: tuple[int, int], imgsz: int) -> tuple[int, int]:
        """Height and width of the input for an image of this height and width."""
        if not 1 <= imgsz <= MAX_IMGSZ:
            raise InvalidInput(f"imgsz: expected 1 to {MAX_IMGSZ} pixels, got {imgsz}")
        if self.size.fixed is not None:
            if imgsz != self.imgsz:
                raise InvalidInput(f"imgsz: {self.name} takes {self.imgsz} alone, got {imgsz}")
            return self.size.fixed
        longer = imgsz
        shorter = self.size.shorter * imgsz / self.size.longer
        scale = min(shorter / min(image), longer / max(image))
        return max(int(image[0] * scale), 1), max(int(image[1] * scale), 1)

    def rows(self, answer: list[RawObjects], count: int) -> list[RawObjects]:
        """The network answers image by image."""
        return answer

    def postprocess(
        self, raw: RawObjects, prepared: PreparedImage, options: DetectOptions
    ) -> Detections:
        """Read the detections of one image from the network's answer. Any thread.

        Where the network segments, objects whose mask has no pixel are left out.
        """
        classes = self._ids[raw.labels]
        keep = (classes >= 0) & (raw.scores >= options.conf)
        if options.classes is not None:
            keep &= np.isin(classes, list(options.classes))
        rows = np.flatnonzero(keep)
        groups = np.zeros_like(rows) if options.agnostic else classes[rows]
        kept = batched_nms(raw.boxes[rows], raw.scores[rows], groups, options.iou)
        rows = rows[kept[: options.max_det]]
        boxes = prepared.letterbox.to_image(raw.boxes[rows])
        found = Detections(boxes, raw.scores[rows], classes[rows], self.names)
        if raw.masks is None:
            return found
        size = prepared.letterbox.image_size
        masks = [box_mask(*pair, size) for pair in zip(raw.masks[rows], boxes, strict=True)]
        seen = [row for row, mask in enumerate(masks) if mask.inside.any()]
        return replace(found[seen], segments=tuple(masks[row].outline() for row in seen))


def load_zoo(
    name: str, *, runtime: str = "auto", device: str = "auto", threads: int | None = None
) -> ZooDetector:
    """The TorchVision detector of a catalogue name; see `models.detector.load_detector`.

    Raises
    ------
    RuntimeUnavailable
        A runtime other than torch is asked for: these networks suppress and pool within their
        forward, which is not exported.
    """
    check_settings(threads, "auto")
    place = torch_device(name, runtime, device)
    entry = catalog.entry(name)
    weights = catalog.fetch(name)
    if threads is not None:
        torch.set_num_threads(threads)
    outputs = len(class_of_label(entry.classes))
    network = ZooNetwork(entry.network, outputs, weights, place)
    return ZooDetector(name, entry.classes, network, task=entry.task, device=place)


def class_of_label(classes: Sequence[str]) -> NDArray[np.int32]:
    """The class id of each label that a network answers, -1 where there is none.

    Label 0 is the background. Networks of COCO's 80 classes use the numbers of its 91 original
    categories, 11 of which are in no picture; those of other classes count from 1.
    """
    published = _coco_categories()
    if list(classes) == [category for category in published[1:] if category != "N/A"]:
        ids = {category: row for row, category in enumerate(classes)}
        return np.array([ids.get(category, -1) for category in published], np.int32)
    return np.arange(-1, len(classes), dtype=np.int32)


def _coco_categories() -> Sequence[str]:
    """The names of COCO's labels from 0, as TorchVision publishes them with its weights."""
    weights = load_torchvision().models.detection.FasterRCNN_ResNet50_FPN_Weights.COCO_V1
    categories: Sequence[str] = weights.meta["categories"]
    return categories
