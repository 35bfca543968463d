"""What detectors share whose network takes a batch of images of one size."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.detector import Detector, Raw
from models.errors import InvalidInput
from models.preprocess import Letterbox, check_image
from models.types import Image


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """The network's input for one image, and how the image lies in it.

    Attributes
    ----------
    data : [H, W, 3]
    letterbox : Letterbox
    frame : bool
        The image is a frame of a video, of which a cheaper network may be asked.
    """

    data: NDArray[Any]
    letterbox: Letterbox
    frame: bool = False

    @classmethod
    def letterboxed(cls, image: Image, imgsz: int, stride: int) -> PreparedImage:
        """An image scaled to a longer side of ``imgsz``, padded to the stride alone.

        Raises
        ------
        InvalidInput
            Not a uint8 image [H, W, 3], or an ``imgsz`` below 1.
        """
        height, width, _ = check_image(image).shape
        letterbox = Letterbox.fit((height, width), imgsz, stride=stride)
        return cls(letterbox.apply(image), letterbox)

    @property
    def key(self) -> tuple[int, int, bool]:
        """Height and width of the input, and whether it is that of a frame."""
        return *self.letterbox.input_size, self.frame

    @property
    def pixels(self) -> int:
        """Size of the input, height times width."""
        height, width = self.letterbox.input_size
        return height * width


class BatchNetwork(Protocol):
    """What runs a network, as `models.runtime.Runtime` does."""

    def start(self, batch: NDArray[Any]) -> Future[Any]:
        """Begin the forward of a batch [N, H, W, 3]."""

    def close(self) -> None:
        """Give back the memory of the network."""


class BatchDetector(Detector):
    """A `models.detector.Detector` that says how the answer of a batch is taken apart.

    Parameters
    ----------
    network : BatchNetwork
        It is taken over: `close` closes it.
    frames : BatchNetwork or None
        What frames of videos are put through, where that is another one; taken over too.
    """

    def __init__(self, network: BatchNetwork, frames: BatchNetwork | None = None) -> None:
        self._network = network
        self._frames = frames or network

    def preprocess_frame(self, image: Image, imgsz: int | None = None) -> PreparedImage:
        """Like `preprocess`, for the network of frames."""
        return replace(self.preprocess(image, imgsz), frame=self._frames is not self._network)

    @abstractmethod
    def preprocess(self, image: Image, imgsz: int | None = None) -> PreparedImage:
        """Make an image ready for the network. Any thread."""

    @abstractmethod
    def rows(self, answer: Any, count: int) -> list[Raw]:
        """The answer of each of ``count`` images, of what the network answered for them all."""

    def start(self, batch: Sequence[PreparedImage]) -> Future[list[Raw]]:
        """Begin the forward of images of one input size. The owner's thread alone.

        Raises
        ------
        InvalidInput
            No image, or inputs of several sizes.
        """
        keys = {prepared.key for prepared in batch}
        if len(keys) != 1:
            raise InvalidInput(f"batch: expected images of one input size, got {sorted(keys)}")
        answer: Future[list[Raw]] = Future()
        answer.set_running_or_notify_cancel()  # from here on it cannot be cancelled
        inputs = [prepared.data for prepared in batch]
        count = len(inputs)

        def finish(outputs: Future[Any]) -> None:
            try:
                answer.set_result(self.rows(outputs.result(), count))
            except Exception as error:  # whatever failed belongs to the one who waits
                answer.set_exception(error)

        pixels = inputs[0][None] if count == 1 else np.stack(inputs)
        network = self._frames if batch[0].frame else self._network
        network.start(pixels).add_done_callback(finish)
        return answer

    def close(self) -> None:
        """Give back the memory of the networks. The detector cannot be used afterwards."""
        self._network.close()
        if self._frames is not self._network:
            self._frames.close()
