"""What runs in the replicas of Ray Serve: networks, and the application that asks them."""

from __future__ import annotations

import asyncio
import time

import numpy as np
from fastapi import FastAPI
from numpy.typing import NDArray
from ray import serve
from starlette.types import ASGIApp, Receive, Scope, Send

from models.embed_network import NetworkEmbedder
from models.types import DetectOptions, Image
from service.app import create_app
from service.cluster.engine import AboutEmbedder, AboutSegmenter, RayEngine
from service.cluster.queue import About
from service.http.metrics import Metrics
from service.inference.engine import LocalEngine
from service.inference.flight import State
from service.inference.items import Inference
from service.settings import Settings

CROPS_TOGETHER = 8
"""Requests for embeddings that are answered as one, each with the crops of a frame."""
CROPS_WAIT_SECONDS = 0.002
NETWORKS = "trackline"
"""The application of Serve that has the networks."""


class Detector:
    """A detector behind the same batcher as on one machine: pixel budget, fairness, deadlines."""

    def __init__(self, name: str, settings: Settings) -> None:
        self._batcher = LocalEngine(settings, Metrics()).detector(name)
        self._batcher.loaded.result()

    async def describe(self) -> About:
        """What is known of the detector."""
        detector = self._batcher.detector
        return About(
            dict(detector.names),
            detector.runtime,
            detector.device,
            detector.precision,
            detector.frame_precision,
            detector.imgsz,
            detector.slots,
            self._batcher.max_batch,
        )

    async def detect(
        self,
        image: Image,
        options: DetectOptions,
        session: str | None,
        imgsz: int | None,
        seconds: float | None,
    ) -> Inference:
        """The objects of an image, if they can be found within so many seconds."""
        deadline = None if seconds is None else time.monotonic() + seconds
        future = await asyncio.to_thread(
            self._batcher.submit, image, options, session=session, imgsz=imgsz, deadline=deadline
        )
        return await asyncio.wrap_future(future)

    def check_health(self) -> None:
        """Have Serve replace a replica whose network has failed or hangs."""
        if self._batcher.state is not State.READY:
            raise RuntimeError(f"the detector is not ready: {self._batcher.reason}")


class Embedder:
    """An embedder that takes the crops of several frames, whoever they are from, at once."""

    def __init__(self, name: str, settings: Settings) -> None:
        self._embedder = LocalEngine(settings, Metrics()).embedder(name)

    async def describe(self) -> AboutEmbedder:
        """What is known of the embedder."""
        embedder = self._embedder
        if not isinstance(embedder, NetworkEmbedder):
            return AboutEmbedder(embedder.name, embedder.dim)
        return AboutEmbedder(embedder.name, embedder.dim, *embedder.size)

    @serve.batch(  # type: ignore[untyped-decorator]
        max_batch_size=CROPS_TOGETHER, batch_wait_timeout_s=CROPS_WAIT_SECONDS
    )
    async def rows(self, crops: list[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """Unit rows for the crops of each request."""
        assert isinstance(self._embedder, NetworkEmbedder)  # noqa: S101  # others are asked nothing
        joined = await asyncio.to_thread(self._embedder.rows, np.concatenate(crops))
        return np.split(joined, np.cumsum([len(part) for part in crops])[:-1])


class Segmenter:
    """A segmenter, one picture at a time."""

    def __init__(self, name: str, settings: Settings) -> None:
        self._segmenter = LocalEngine(settings, Metrics()).segmenter(name)
        self._one = asyncio.Lock()

    async def describe(self) -> AboutSegmenter:
        """What is known of the segmenter."""
        segmenter = self._segmenter
        return AboutSegmenter(dict(segmenter.names), segmenter.runtime, segmenter.device)

    async def segment(self, image: Image) -> NDArray[np.uint8]:
        """The class id of each pixel, [H, W]."""
        async with self._one:
            return await asyncio.to_thread(self._segmenter.segment, image)


@serve.ingress()
class Ingress:
    """The same application as on one machine, with its networks elsewhere.

    Parameters
    ----------
    settings : Settings
        Of this application.
    deployed : set of str
        Names of the deployments of networks.
    networks : object
        Handles of them, where they belong to this application of Serve.
    """

    def __init__(self, settings: Settings, deployed: set[str], *networks: object) -> None:
        self._settings = settings
        self._deployed = deployed
        self._app: FastAPI | None = None

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """The application, in the replica that is to serve it."""
        app = self._app = create_app(self._settings, make_engine=self._engine)

        async def at_root(scope: Scope, receive: Receive, send: Send) -> None:
            # Serve tells its own prefix, which is a part of our paths.
            await app({**scope, "root_path": ""}, receive, send)

        return at_root

    def check_health(self) -> None:
        """Have Serve replace a replica that keeps no jobs: the one before it had their folder."""
        if self._settings.keep_jobs and self._app and not self._app.state.jobs.kept:
            raise RuntimeError("another replica has the folder of jobs")

    def _engine(self, settings: Settings, metrics: Metrics) -> RayEngine:
        return RayEngine(
            settings,
            metrics,
            lambda name: serve.get_deployment_handle(name, app_name=NETWORKS),
            self._deployed,
        )
