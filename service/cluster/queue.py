"""The detector of a deployment, behind the protocol of one in this process."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass

from ray.serve.handle import DeploymentHandle

from models.types import DetectOptions, Image
from service.cluster.calls import Calls, answer
from service.errors import DeadlineExceeded, ModelNotReady, QueueFull
from service.http.metrics import Metrics
from service.inference.flight import State, fail, settle
from service.inference.items import Inference
from service.settings import Settings
from service.tracks.session import RETRY_SECONDS


@dataclass(frozen=True, slots=True)
class About:
    """What a replica tells of its detector; a `service.inference.engine.Described`."""

    names: Mapping[int, str]
    runtime: str
    device: str
    precision: str
    frame_precision: str
    imgsz: int
    slots: int
    max_batch: int


class RemoteQueue:
    """The detector of a deployment; a `service.inference.engine.ModelQueue`.

    Batches are formed in the replicas, by the same `Batcher` as on one machine.

    Parameters
    ----------
    name : str
        The detector's name.
    handle : DeploymentHandle
        Of its deployment.
    settings, metrics
        Bounds of what waits, and where stages are measured.
    calls : Calls
        Where the calls are made.
    """

    def __init__(
        self,
        name: str,
        handle: DeploymentHandle,
        settings: Settings,
        metrics: Metrics,
        calls: Calls,
    ) -> None:
        self.name = name
        self.state = State.LOADING
        self.reason = "no replica has started yet"
        self.loaded: Future[None] = Future()
        self._handle = handle
        self._metrics = metrics
        self._calls = calls
        self._lock = threading.Lock()
        self._waiting = {"images": 0, "frames": 0}
        self._most = {"images": settings.image_queue, "frames": settings.frame_queue}
        self._about: About | None = None
        metrics.model_ready.labels(name).set(0)
        calls.start(answer(handle.describe.remote)).add_done_callback(self._described)

    @property
    def detector(self) -> About:
        """What is known of the detector."""
        if self._about is None:
            raise self._not_ready()
        return self._about

    @property
    def max_batch(self) -> int:
        """Most images of a forward."""
        return self.detector.max_batch

    def check_room(self, kind: str = "images") -> None:
        """Refuse what would be refused now; as `service.inference.batching.Batcher.check_room`."""
        if self.state is not State.READY:
            raise self._not_ready()
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
        """Send an image to a replica; as `service.inference.batching.Batcher.submit`."""
        kind = "images" if session is None else "frames"
        with self._lock:
            self.check_room(kind)
            self._count(kind, 1)
        future = self._calls.start(self._detect(image, options, session, imgsz, deadline))
        future.add_done_callback(lambda done: self._left(kind, done))
        return future

    def close(self) -> None:
        """Take no more; the deployment stays, for others."""
        with self._lock:
            self.state, self.reason = State.CLOSED, "it has been unloaded"
            self._metrics.model_ready.remove(self.name)
        fail([self.loaded], self._not_ready())

    async def _detect(
        self,
        image: Image,
        options: DetectOptions,
        session: str | None,
        imgsz: int | None,
        deadline: float | None,
    ) -> Inference:
        def send() -> Awaitable[Inference]:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise DeadlineExceeded("the image waited past its deadline: the server is busy")
            response: Awaitable[Inference] = self._handle.detect.remote(
                image, options, session, imgsz, left
            )
            return response

        while True:
            try:
                return await answer(send)
            except QueueFull:
                if session is None:
                    raise
                # No frame of a video is lost: its session waits, and so does its upload.
                await asyncio.sleep(RETRY_SECONDS)

    def _described(self, about: Future[About]) -> None:
        with self._lock:
            if about.cancelled() or self.state is State.CLOSED:
                return
            error = about.exception()
            if error is None:
                self._about = about.result()
                self.state, self.reason = State.READY, ""
                self._metrics.model_ready.labels(self.name).set(1)
            else:
                self.state, self.reason = State.FAILED, str(error)
        if error is None:
            settle(self.loaded, None)
        else:
            fail([self.loaded], self._not_ready())

    def _left(self, kind: str, done: Future[Inference]) -> None:
        with self._lock:
            self._count(kind, -1)
        if done.cancelled() or done.exception() is not None:
            return
        inference = done.result()
        self._metrics.batch_size.labels(self.name).observe(inference.batch_size)
        for stage, ms in inference.stages_ms.items():
            self._metrics.stage.labels(self.name, stage).observe(ms / 1000)

    def _count(self, kind: str, change: int) -> None:
        self._waiting[kind] += change
        self._metrics.queue_length.labels(self.name).set(sum(self._waiting.values()))

    def _not_ready(self) -> ModelNotReady:
        return ModelNotReady(f"the model {self.name} is not ready: {self.reason}")
