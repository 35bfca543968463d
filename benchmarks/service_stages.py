"""What the stages of the way cost alone: CPU time of decoding, letterboxing and the network.

The cores divided by their sum is the most that a service on this machine could do, if nothing
else had to be done and no core ever waited.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any

import av
import numpy as np

from models.detector import load_detector
from models.runtime.cpu import cpu_count
from models.types import Image
from models.yolo import YoloDetector
from service.pictures.images import decode_image

WARM_SECONDS = 6.0
"""In which the runtime compiles the network for a shape that comes often, in the background."""
MOST_PIXELS = 50_000_000


@dataclass(frozen=True, slots=True)
class Stages:
    """CPU seconds of one picture, each stage measured alone.

    Attributes
    ----------
    decode, letterbox, inference : float
        CPU seconds of all cores together.
    alone : float
        Wall seconds of decoding and a forward with nothing else in flight.
    """

    decode: float
    letterbox: float
    inference: float
    alone: float

    @property
    def limit(self) -> float:
        """Pictures a second that the cores allow."""
        return cpu_count() / (self.decode + self.letterbox + self.inference)


class Meter:
    """Measures the stages with a detector of its own.

    Parameters
    ----------
    model : str
        Name of a YOLO detector in the catalogue.
    precision : str
        What its network computes in.
    """

    def __init__(self, model: str, precision: str) -> None:
        detector = load_detector(model, precision=precision)
        if not isinstance(detector, YoloDetector):
            raise SystemExit(f"{model}: a YOLO detector is expected")
        self._detector = detector
        self._warm: set[tuple[int, int, bool]] = set()

    def video(self, data: bytes, frames: int) -> Stages:
        """The stages of the first frames of a video."""

        def decode() -> list[Image]:
            with av.open(BytesIO(data), "r") as container:
                container.streams.video[0].codec_context.thread_count = 1
                decoded = zip(range(frames), container.decode(video=0), strict=False)
                pictures = (frame.reformat(format="bgr24") for _, frame in decoded)
                return [np.asarray(one.to_ndarray(), np.uint8) for one in pictures]

        return self._measure(decode)

    def pictures(self, files: Sequence[bytes]) -> Stages:
        """The stages of pictures."""

        def decode() -> list[Image]:
            return [decode_image(file, MOST_PIXELS, MOST_PIXELS) for file in files]

        return self._measure(decode)

    def close(self) -> None:
        """Give back the memory of the network."""
        self._detector.close()

    def _measure(self, decode: Callable[[], list[Image]]) -> Stages:
        images, decoding, decoding_wall = _timed(decode)
        prepared, letterboxing, _ = _timed(lambda: list(map(self._detector.preprocess, images)))
        if prepared[0].key not in self._warm:
            self._warm.add(prepared[0].key)
            until = time.monotonic() + WARM_SECONDS
            while time.monotonic() < until:
                self._forward(prepared)
        _, inference, _ = _timed(lambda: self._forward(prepared))
        alone = sorted(_timed(partial(self._forward, [one]))[2] for one in prepared[:8])
        count = len(images)
        return Stages(
            decode=decoding / count,
            letterbox=letterboxing / count,
            inference=inference / count,
            alone=decoding_wall / count + alone[len(alone) // 2],
        )

    def _forward(self, prepared: Sequence[Any]) -> None:
        for answer in [self._detector.start([one]) for one in prepared]:
            answer.result()


def _timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """What the work answers, and its CPU and wall seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    answer = work()
    return answer, time.process_time() - cpu, time.perf_counter() - wall
