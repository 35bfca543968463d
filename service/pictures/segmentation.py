"""Semantic segmentation of single pictures: networks loaded when they are first asked for.

One thread loads and runs them. A picture is one forward that takes all cores, so that more threads
would only share them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models import catalog
from models.errors import ModelError
from models.segmenter import Segmenter
from models.types import Image
from service.errors import DeadlineExceeded, ModelNotReady, QueueFull, UnknownModel
from service.http.metrics import Metrics
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Segmented:
    """What a picture shows, pixel by pixel.

    Attributes
    ----------
    pixels : dict of int to int
        How many pixels belong to each class that is in the picture.
    names : dict of int to str
        The names of these classes.
    png : bytes
        The class id of each pixel, as a grey picture of the same size.
    queue_ms, inference_ms, postprocess_ms : float
        How long it waited, was looked at, and took to be written.
    """

    pixels: dict[int, int]
    names: dict[int, str]
    png: bytes
    queue_ms: float
    inference_ms: float
    postprocess_ms: float


class Segmenters:
    """The semantic segmenters of one server; all methods may be called from any thread.

    Parameters
    ----------
    settings : Settings
        Names those that may be asked for, and bounds what waits.
    metrics : Metrics
        Where the stages are measured.
    load : callable
        Makes the segmenter of a name.
    """

    def __init__(
        self, settings: Settings, metrics: Metrics, load: Callable[[str], Segmenter]
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._load = load
        self._loaded: dict[str, Segmenter] = {}
        self._pool = ThreadPoolExecutor(1, "segment")
        self._loading = False
        self._lock = threading.Lock()
        self._waiting = 0

    def choose(self, name: str | None = None) -> str:
        """The segmenter that a request means; the first of the settings where it names none.

        Raises
        ------
        UnknownModel
            No segmenter has this name.
        ModelNotReady
            The settings do not have it.
        """
        offered = self._settings.segmenters
        if name in offered:
            return name
        if name is None and offered:
            return offered[0]
        if name is not None and name not in catalog.names(task="semantic"):
            raise UnknownModel(
                f"no segmenter of this name is in the catalogue; here is {', '.join(offered)}"
            )
        raise ModelNotReady(
            f"this server segments with {', '.join(offered) or 'nothing'}; "
            "TRACKLINE_SEGMENTERS names what it may"
        )

    def submit(self, image: Image, name: str) -> Future[Segmented]:
        """Queue a picture for a segmenter that was chosen; never waits.

        Cancelling the future before the picture is taken up drops the work.

        Raises
        ------
        QueueFull
            Too many pictures are waiting.
        """
        most = self._settings.image_queue
        with self._lock:
            if self._waiting >= most:
                raise QueueFull(f"{most} images wait to be segmented already; try again later")
            self._waiting += 1
        future = self._pool.submit(self._segment, image, name, time.monotonic())
        future.add_done_callback(self._left)
        return future

    def describe(self) -> list[dict[str, str | bool | None]]:
        """Each segmenter that may be asked for, and how it runs where it is loaded."""
        loaded = dict(self._loaded)
        return [
            {
                "name": name,
                "loaded": name in loaded,
                "runtime": loaded[name].runtime if name in loaded else None,
                "device": loaded[name].device if name in loaded else None,
            }
            for name in self._settings.segmenters
        ]

    def close(self) -> None:
        """Drop what waits, let the forward under way end, and free the networks.

        One that is being loaded is not waited for.
        """
        self._pool.shutdown(wait=not self._loading, cancel_futures=True)
        for segmenter in list(self._loaded.values()):
            segmenter.close()
        self._loaded.clear()

    def _left(self, _future: Future[Segmented]) -> None:
        with self._lock:
            self._waiting -= 1

    # The pool's one thread.

    def _segment(self, image: Image, name: str, submitted: float) -> Segmented:
        if time.monotonic() > submitted + self._settings.deadline_seconds:
            raise DeadlineExceeded("the image waited past its deadline: the server is busy")
        if name not in self._loaded:
            self._loading = True
            try:
                self._loaded[name] = self._load(name)
            finally:
                self._loading = False
        segmenter = self._loaded[name]
        times = [time.monotonic()]
        mask = segmenter.segment(image)
        times.append(time.monotonic())
        counts = np.bincount(mask.ravel())
        pixels = {int(class_id): int(counts[class_id]) for class_id in np.flatnonzero(counts)}
        names = {class_id: segmenter.names[class_id] for class_id in pixels}
        png = encode_png(mask)
        times.append(time.monotonic())
        seconds = np.diff([submitted, *times])
        for stage, value in zip(("queue", "inference", "postprocess"), seconds, strict=True):
            self._metrics.stage.labels(name, stage).observe(float(value))
        return Segmented(pixels, names, png, *(round(float(value) * 1000, 3) for value in seconds))


def encode_png(mask: NDArray[np.uint8]) -> bytes:
    """A mask [H, W] as a grey PNG, losslessly.

    Raises
    ------
    ModelError
        It cannot be encoded.
    """
    encoded, buffer = cv2.imencode(".png", mask)
    if not encoded:
        raise ModelError(f"a mask of {list(mask.shape)} cannot be written as a PNG")
    return bytes(buffer)
