"""The batcher: takes images from any thread, bounds what waits, and answers with futures.

An image's way: `Batcher.submit`, where it is letterboxed -> the fair queue of the model's own
thread -> forward -> thresholds and boxes in the thread that brings the answer, or in a small pool
where a forward answers several -> the caller's future.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING

from models.types import DetectOptions, Image
from service.errors import QueueFull
from service.http.metrics import Metrics
from service.inference.flight import State, as_ours, fail
from service.inference.items import Inference, Item
from service.inference.model_thread import ModelThread
from service.settings import Settings

if TYPE_CHECKING:
    from models.detector import Detector


class Batcher:
    """One detector, loaded in a thread of its own, and what waits for it.

    Parameters
    ----------
    name : str
        The model's name, for messages and metrics.
    load : callable
        Makes the detector; called once, in the model's thread.
    settings : Settings
        Bounds of batches, queues and times.
    metrics : Metrics or None
        Where stages are measured.
    """

    def __init__(
        self,
        name: str,
        load: Callable[[], Detector],
        settings: Settings,
        metrics: Metrics | None = None,
    ) -> None:
        self.name = name
        self._settings = settings
        self._metrics = metrics or Metrics()
        self._lock = threading.Lock()
        self._waiting = {"images": 0, "frames": 0}
        self._most = {"images": settings.image_queue, "frames": settings.frame_queue}
        self._model = ModelThread(name, load, settings, self._metrics)

    @property
    def state(self) -> State:
        """Whether the model is loading, ready, failed, hung or closed."""
        return self._model.state

    @property
    def reason(self) -> str:
        """Why the model is not ready; empty while it is."""
        return self._model.reason

    @property
    def loaded(self) -> Future[None]:
        """Done once the first forward has passed, or failed with what prevented it."""
        return self._model.loaded

    @property
    def max_batch(self) -> int:
        """Most images of a forward; smaller than at first after the memory ran out."""
        return self._model.max_batch

    @property
    def detector(self) -> Detector:
        """The detector, to read its names and device from; its thread alone may run it.

        Raises
        ------
        ModelNotReady
            It is not loaded.
        """
        if self._model.detector is None:
            raise self._model.not_ready()
        return self._model.detector

    def check_room(self, kind: str = "images") -> None:
        """Refuse what would be refused now, before anything is done for it. Any thread.

        Raises
        ------
        QueueFull
            Too many images, or too many frames of sessions, are waiting.
        ModelNotReady
            The model is loading, failed, hung or closed.
        """
        if self.state is not State.READY:
            raise self._model.not_ready()
        most = self._most[kind]
        if self._waiting[kind] >= most:
            raise QueueFull(f"{most} {kind} wait for {self.name} already; try again later")

    def submit(
        self,
        image: Image,
        options: DetectOptions,
        *,
        session: str | None = None,
        imgsz: int | None = None,
        deadline: float | None = None,
    ) -> Future[Inference]:
        """Letterbox an image and queue it. Never waits; any thread that has a millisecond for it.

        Parameters
        ----------
        image : uint8 [H, W, 3]
            Blue, green, red; not to be changed before the answer is there.
        options : DetectOptions
            Applied after the forward.
        session : str or None
            The video that the image is a frame of; None for a single image.
        imgsz : int or None
            Side of the network's input in pixels; None takes the model's own.
        deadline : float or None
            ``time.monotonic`` after which the image is not taken up any more.

        Returns
        -------
        Future of Inference
            Cancelling it before the image is taken up drops the work. It may fail with
            ``ModelNotReady``, ``DeadlineExceeded`` or any error of ``models.errors``.

        Raises
        ------
        QueueFull
            Too many images, or too many frames of sessions, are waiting.
        ModelNotReady
            The model is loading, failed, hung or closed.
        """
        item = Item(options, session, deadline, time.monotonic())
        kind = "images" if session is None else "frames"
        with self._lock:
            self.check_room(kind)
            self._count(kind, 1)
        # Weakly: a future that kept its item would keep the pixels until the collector runs.
        item.future.add_done_callback(partial(self._left, weakref.ref(item), kind))
        self._prepare(item, image, imgsz)
        return item.future

    def close(self) -> None:
        """Refuse what waits, let the forwards in flight end, and free the model."""
        self._model.close()

    def _prepare(self, item: Item, image: Image, imgsz: int | None) -> None:
        began = time.monotonic()
        try:
            detector = self.detector
            prepare = detector.preprocess if item.options.exact else detector.preprocess_frame
            item.prepared = prepare(image, imgsz)
        except Exception as error:
            fail([item.future], as_ours(error, "the image could not be prepared"))
            return
        item.queued = time.monotonic()
        item.preprocess_seconds = item.queued - began
        self._model.put(item)

    def _left(self, leaving: weakref.ref[Item], kind: str, future: Future[Inference]) -> None:
        """An item was answered, failed or cancelled: its place is free."""
        with self._lock:
            self._count(kind, -1)
        item = leaving()
        if future.cancelled() and item is not None:
            self._model.discard(item)

    def _count(self, kind: str, change: int) -> None:
        self._waiting[kind] += change
        self._metrics.queue_length.labels(self.name).set(sum(self._waiting.values()))
