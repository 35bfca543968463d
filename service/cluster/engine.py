"""The networks of a cluster, behind the protocols of those in this process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from ray.serve.handle import DeploymentHandle

from models.embed_colour import ColourEmbedder
from models.embed_crops import cut_crops
from models.embedder import Embedder
from models.segmenter import Segmenter
from models.types import Image
from service.cluster.calls import Calls, answer
from service.cluster.queue import RemoteQueue
from service.errors import Conflict
from service.http.metrics import Metrics
from service.settings import Settings

START_SECONDS = 300.0
"""How long a first replica may take to come."""
COLOUR = "colour"

Handles = Callable[[str], DeploymentHandle]


@dataclass(frozen=True, slots=True)
class AboutEmbedder:
    """What a replica tells of its embedder: its crops are uint8 [N, height, width, 3]."""

    name: str
    dim: int
    height: int = 0
    width: int = 0


@dataclass(frozen=True, slots=True)
class AboutSegmenter:
    """What a replica tells of its segmenter."""

    names: Mapping[int, str]
    runtime: str
    device: str


class RemoteEmbedder:
    """The embedder of a deployment; a `models.embedder.Embedder`. Crops are cut here."""

    def __init__(self, about: AboutEmbedder, handle: DeploymentHandle, calls: Calls) -> None:
        self.name = about.name
        self.dim = about.dim
        self._size = (about.height, about.width)
        self._handle = handle
        self._calls = calls

    def __call__(self, image: Image, boxes: ArrayLike) -> NDArray[np.float32]:
        """Unit rows float32 [N, dim] for boxes [N, 4] x1, y1, x2, y2 in pixels of the image."""
        crops = cut_crops(image, boxes, *self._size)
        if not len(crops):
            return np.empty((0, self.dim), np.float32)
        rows: NDArray[np.float32] = self._calls.start(
            answer(lambda: self._handle.rows.remote(crops))
        ).result()
        return rows

    def close(self) -> None:
        """The deployment stays, for others."""


class RemoteSegmenter:
    """The segmenter of a deployment; a `models.segmenter.Segmenter`."""

    def __init__(
        self, name: str, about: AboutSegmenter, handle: DeploymentHandle, calls: Calls
    ) -> None:
        self.name = name
        self.names = about.names
        self.runtime = about.runtime
        self.device = about.device
        self._handle = handle
        self._calls = calls

    def segment(self, image: Image) -> NDArray[np.uint8]:
        """The class id of each pixel, [H, W]. Any thread."""
        mask: NDArray[np.uint8] = self._calls.start(
            answer(lambda: self._handle.segment.remote(image))
        ).result()
        return mask

    def close(self) -> None:
        """The deployment stays, for others."""


class RayEngine:
    """Networks in deployments of Ray Serve; a `service.inference.engine.Engine`.

    Parameters
    ----------
    settings, metrics
        Of the ingress.
    handles : callable
        The handle of a deployment by its name.
    deployed : set of str
        Names of the deployments that there are.
    """

    def __init__(
        self, settings: Settings, metrics: Metrics, handles: Handles, deployed: set[str]
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._handles = handles
        self._deployed = deployed
        self._calls = Calls()

    def detector(self, name: str) -> RemoteQueue:
        """The detector of a deployment."""
        handle = self._handle(f"detector-{name}")
        return RemoteQueue(name, handle, self._settings, self._metrics, self._calls)

    def embedder(self, name: str) -> Embedder:
        """The embedder of a deployment; colours are looked at here."""
        if name == COLOUR:
            return ColourEmbedder()
        wanted, default = f"embedder-{name}", f"embedder-{self._settings.embedder}"
        # "auto" is one of the others; who asks for that one by its name is given it.
        chosen = wanted if wanted in self._deployed else default
        handle = self._handle(chosen)
        about = self._ask(handle.describe.remote)
        if chosen != wanted and about.name != name:
            raise self._not_deployed(wanted)
        if about.name == COLOUR:
            return ColourEmbedder()
        return RemoteEmbedder(about, handle, self._calls)

    def segmenter(self, name: str) -> Segmenter:
        """The segmenter of a deployment."""
        handle = self._handle(f"segmenter-{name}")
        return RemoteSegmenter(name, self._ask(handle.describe.remote), handle, self._calls)

    def close(self) -> None:
        """Stop to call."""
        self._calls.close()

    def _ask(self, call: Callable[[], Awaitable[Any]]) -> Any:
        return self._calls.start(answer(call)).result(START_SECONDS)

    def _handle(self, deployment: str) -> DeploymentHandle:
        if deployment not in self._deployed:
            raise self._not_deployed(deployment)
        return self._handles(deployment)

    def _not_deployed(self, deployment: str) -> Conflict:
        known = ", ".join(sorted(self._deployed))
        return Conflict(f"{deployment} is not deployed in this cluster; it has {known}")
