"""A detector without a network: it finds patches of strong colour, the same ones every time.

It stands in for a network where its behaviour is not the point: in tests of the service, and to
try an installation before any weights are there. It really looks at the pixels: draw a red
rectangle on a plain ground and it answers one ``red`` with the rectangle's box.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.detector import Detector
from models.preprocess import check_image
from models.types import Detections, DetectOptions, Image

# Which of blue, green and red are strong in a colour, as the bits 1, 2 and 4.
_BITS = {"red": 4, "green": 2, "blue": 1, "cyan": 3, "magenta": 5, "yellow": 6}
_NAMES = dict(enumerate(_BITS))
_LEAST_SATURATION = 96  # between the strongest and the weakest channel
_LEAST_AREA = 16  # pixels


@dataclass(frozen=True, slots=True)
class FakePrepared:
    """An image as it came; images of one size share a batch."""

    image: Image

    @property
    def key(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self.image.shape[:2]
        return height, width

    @property
    def pixels(self) -> int:
        """Height times width."""
        height, width = self.key
        return height * width


class FakeDetector(Detector):
    """Finds patches of strong colour; their confidence is their fill times their brightness.

    Parameters
    ----------
    before_forward : callable or None
        Called with the batch before each forward, in the owner's thread. What it raises is the
        forward's failure, and while it waits the forward takes time.
    slots, max_batch : int
        As in `models.detector.Detector`.
    """

    name = "fake"
    names: Mapping[int, str] = _NAMES
    task = "detect"
    runtime = "numpy"
    precision = frame_precision = "f32"
    device = "cpu"
    imgsz = 640

    def __init__(
        self,
        before_forward: Callable[[Sequence[FakePrepared]], None] | None = None,
        *,
        slots: int = 1,
        max_batch: int = 8,
    ) -> None:
        self.slots = slots
        self.max_batch = max_batch
        self._before_forward = before_forward

    def preprocess(self, image: Image, imgsz: int | None = None) -> FakePrepared:
        """Check the image; nothing has to be scaled."""
        return FakePrepared(check_image(image))

    def start(self, batch: Sequence[FakePrepared]) -> Future[list[NDArray[np.float32]]]:
        """Look at the images at once and answer a finished future."""
        future: Future[list[NDArray[np.float32]]] = Future()
        try:
            if self._before_forward is not None:
                self._before_forward(batch)
            future.set_result([_patches(prepared.image) for prepared in batch])
        except Exception as error:
            future.set_exception(error)
        return future

    def postprocess(
        self, raw: NDArray[np.float32], prepared: FakePrepared, options: DetectOptions
    ) -> Detections:
        """Apply the options to rows of x1, y1, x2, y2, score, class."""
        keep = raw[:, 4] >= options.conf
        if options.classes is not None:
            keep &= np.isin(raw[:, 5], list(options.classes))
        rows = raw[keep][: options.max_det]
        return Detections(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int32), self.names)

    def close(self) -> None:
        """Nothing is held."""


def load_fake(
    name: str = "fake",
    runtime: str = "auto",
    device: str = "auto",
    threads: int | None = None,
) -> FakeDetector:
    """The fake detector, whatever runtime and device are asked for."""
    return FakeDetector()


def _patches(image: Image) -> NDArray[np.float32]:
    """Rows of x1, y1, x2, y2, score, class [N, 6], best first: one a patch of one colour."""
    channels = cv2.split(image)
    most = cv2.max(cv2.max(channels[0], channels[1]), channels[2])
    least = cv2.min(cv2.min(channels[0], channels[1]), channels[2])
    middle = cv2.addWeighted(most, 0.5, least, 0.5, 0.0)
    strong = cv2.subtract(most, least) >= _LEAST_SATURATION
    bits = sum(
        (channel > middle).astype(np.uint8) << place for place, channel in enumerate(channels)
    )
    rows: list[tuple[float, ...]] = []
    for class_id, name in _NAMES.items():
        mask = (strong & (bits == _BITS[name])).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        for x, y, width, height, area in stats[1:].tolist():
            if area < _LEAST_AREA:
                continue
            patch = np.s_[y : y + height, x : x + width]
            brightness = float(most[patch][mask[patch] > 0].mean()) / 255
            score = brightness * area / (width * height)
            rows.append((x, y, x + width, y + height, score, class_id))
    rows.sort(key=lambda row: (-row[4], row[5], row[1], row[0]))
    return np.array(rows, np.float32).reshape(-1, 6)
