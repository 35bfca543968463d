"""The Detector protocol, and `load_detector`, which builds one by its catalogue name.

A detection has three steps, so that each can run where it costs least: `preprocess` and
`postprocess` in any thread, `start` in the one thread that owns the model. Thresholds and classes
are applied after the forward; requests that differ in them share it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from importlib import import_module
from typing import Any, Protocol, TypeAlias

from models.errors import InvalidInput, UnknownName
from models.installed import needing_packages
from models.types import Detections, DetectOptions, Image, class_ids

Raw: TypeAlias = Any
"""A network's answer for one image; only the detector that gave it can read it."""


class Prepared(Protocol):
    """An image made ready for the network."""

    @property
    def key(self) -> Hashable:
        """Only images with equal keys share a batch."""

    @property
    def pixels(self) -> int:
        """Size of the network's input, height times width."""


class Detector(Protocol):
    """What finds objects in images; detectors inherit `predict` from it.

    Attributes
    ----------
    name : str
        Its name in the catalogue.
    names : mapping of int to str
        The name of each class it knows.
    task : str
        ``detect`` or ``segment``.
    runtime, device : str
        What runs the network, and where.
    precision, frame_precision : str
        What it computes in, for images and for frames of videos.
    imgsz : int
        Side of the network's input unless another is asked for, in pixels.
    slots : int
        Forwards that may be in flight at once, at least 1.
    max_batch : int
        Images that one forward takes with profit; 1 where batching gains nothing.
    """

    name: str
    names: Mapping[int, str]
    task: str
    runtime: str
    device: str
    precision: str
    frame_precision: str
    imgsz: int
    slots: int
    max_batch: int

    def preprocess(self, image: Image, imgsz: int | None = None) -> Prepared:
        """Make an image ready for the network. Any thread."""

    def preprocess_frame(self, image: Image, imgsz: int | None = None) -> Prepared:
        """Like `preprocess`, for a frame of a video, of which a cheaper network may be asked."""
        return self.preprocess(image, imgsz)

    def start(self, batch: Sequence[Any]) -> Future[list[Raw]]:
        """Begin the forward of images with equal keys. The owner's thread alone.

        A runtime that works synchronously answers a finished future.
        """

    def postprocess(self, raw: Raw, prepared: Any, options: DetectOptions) -> Detections:
        """Read the detections of one image from the network's answer. Any thread."""

    def predict(
        self,
        images: Sequence[Image],
        *,
        conf: float = 0.25,
        iou: float = 0.7,
        classes: Sequence[str | int] | None = None,
        max_det: int = 300,
        agnostic: bool = False,
        imgsz: int | None = None,
    ) -> list[Detections]:
        """Detections of each image, in order. The owner's thread alone.

        Parameters
        ----------
        images : sequence of uint8 [H, W, 3]
            BGR images, of any sizes.
        conf : float
            Least confidence of a detection.
        iou : float
            Boxes that overlap a better one by more than this are suppressed. Heads that need no
            suppression do not use it.
        classes : sequence of names or ids, or None
            Classes that are wanted; None wants all.
        max_det : int
            Most detections of one image.
        agnostic : bool
            Suppress across classes, not within each.
        imgsz : int or None
            Side of the network's input in pixels; None takes the one it was trained at.

        Raises
        ------
        InvalidInput
            No image, something that is not one, or an option out of its range.
        UnknownName
            A class that the network does not know.
        """
        options = detect_options(
            self.names, conf=conf, iou=iou, classes=classes, max_det=max_det, agnostic=agnostic
        )
        if not len(images):
            raise InvalidInput("images: expected at least one uint8 array [H, W, 3], got none")
        waiting: deque[tuple[Any, Future[list[Raw]]]] = deque()
        found = []
        for image in images:
            if len(waiting) == self.slots:
                found.append(self._finish(*waiting.popleft(), options))
            prepared = self.preprocess(image, imgsz)
            waiting.append((prepared, self.start([prepared])))
        return found + [self._finish(*pair, options) for pair in waiting]

    def _finish(self, prepared: Any, raw: Future[list[Raw]], options: DetectOptions) -> Detections:
        return self.postprocess(raw.result()[0], prepared, options)

    def close(self) -> None:
        """Give back the memory of the network. The detector cannot be used afterwards."""


def detect_options(
    names: Mapping[int, str],
    *,
    conf: float = 0.25,
    iou: float = 0.7,
    classes: Iterable[str | int] | None = None,
    max_det: int = 300,
    agnostic: bool = False,
) -> DetectOptions:
    """Options made of what a caller gave, checked.

    Raises
    ------
    InvalidInput
        A threshold outside of 0 to 1, a limit below 1, or a class that is none of ``names``.
    """
    for option, value in (("conf", conf), ("iou", iou)):
        if not 0 <= value <= 1:
            raise InvalidInput(f"{option}: expected a number from 0 to 1, got {value!r}")
    if max_det < 1:
        raise InvalidInput(f"max_det: expected at least 1, got {max_det}")
    wanted = None if classes is None else class_ids(list(classes), names)
    return DetectOptions(conf, iou, wanted, max_det, agnostic)


_FAMILIES = {
    "fake": "models.fake:load_fake",
    "fcn": "models.fcn_detector:load_fcn_detector",
    "yolo": "models.yolo:load_yolo",
    "zoo": "models.zoo:load_zoo",
}
"""The function that loads a detector of each family; its module is imported when it is wanted."""


def load_detector(
    name: str,
    runtime: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    precision: str = "auto",
    videos: bool = False,
) -> Detector:
    """The detector of a catalogue name, ready to be used.

    Parameters
    ----------
    name : str
        A name in the catalogue, or ``fake`` for the detector that needs no weights.
    runtime : {"auto", "openvino", "onnx", "torch"}
        What runs the network. ``auto`` takes torch on CUDA where there is one, else the first
        that is installed of OpenVINO, ONNX Runtime and torch.
    device : {"auto", "cpu", "cuda"}
        Where it runs.
    threads : int or None
        CPU threads of the network; None takes all cores.
    precision : {"auto", "f32", "bf16", "f16", "int8"}
        What a YOLO network computes in; ``auto`` is the fastest that costs no accuracy, and
        ``int8`` OpenVINO's alone. The others have their own.
    videos : bool
        With ``auto``, frames of videos (`Detector.preprocess_frame`) go through a second network
        in eight bits, for those in the catalogue that follow objects as well with it, on a
        processor that multiplies bytes faster (VNNI). Images never do.

    Raises
    ------
    UnknownName
        No such detector, or no such runtime.
    WeightsError
        Its weights are not to be had, or are damaged.
    ModelError
        It could not be built, or the runtime or device is not there.
    """
    family = _family(name)
    module, _, function = _FAMILIES[family].partition(":")
    with needing_packages(name):
        load = getattr(import_module(module), function)
    settings: dict[str, Any] = {}
    if family == "yolo":
        settings = {"precision": precision, "videos": videos}
    detector: Detector = load(name, runtime=runtime, device=device, threads=threads, **settings)
    return detector


def _family(name: str) -> str:
    """Which of the families a name belongs to."""
    if name == "fake":
        return name
    from models import catalog

    entry = catalog.entry(name)
    if entry.task in ("detect", "segment"):
        if entry.network:
            return "zoo"
        if entry.file.endswith(".safetensors"):
            return "fcn"
        if entry.file.endswith(".pt"):
            return "yolo"
    raise UnknownName(f"{name!r} is no detector: its task is {entry.task}")
