"""Where the networks of a server run: in this process, or elsewhere behind the same protocol."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from models.detector import load_detector
from models.segmenter import load_segmenter
from models.types import DetectOptions, Image
from service.http.metrics import Metrics
from service.inference.batching import Batcher
from service.inference.flight import State
from service.inference.items import Inference
from service.settings import Settings

if TYPE_CHECKING:
    from models.detector import Detector
    from models.embedder import Embedder
    from models.segmenter import Segmenter


class Described(Protocol):
    """What is told of a detector; a `models.detector.Detector` tells it of itself."""

    @property
    def names(self) -> Mapping[int, str]:
        """The name of each class it knows."""

    @property
    def runtime(self) -> str:
        """What runs it."""

    @property
    def device(self) -> str:
        """Where it runs."""

    @property
    def precision(self) -> str:
        """What it computes in for images."""

    @property
    def frame_precision(self) -> str:
        """What it computes in for frames of videos."""

    @property
    def imgsz(self) -> int:
        """Side of the network's input in pixels."""

    @property
    def slots(self) -> int:
        """Forwards in flight."""


class ModelQueue(Protocol):
    """One detector and what waits for it; `service.inference.batching.Batcher` is one."""

    name: str

    @property
    def state(self) -> State:
        """Whether it is loading, ready, failed, hung or closed."""

    @property
    def reason(self) -> str:
        """Why it is not ready; empty while it is."""

    @property
    def loaded(self) -> Future[None]:
        """Done once it is ready, or failed with what prevented it."""

    @property
    def max_batch(self) -> int:
        """Most images of a forward."""

    @property
    def detector(self) -> Described:
        """What is known of it once it is loaded."""

    def check_room(self, kind: str = "images") -> None:
        """Refuse what would be refused now, before anything is done for it."""

    def submit(
        self,
        image: Image,
        options: DetectOptions,
        *,
        session: str | None = None,
        imgsz: int | None = None,
        deadline: float | None = None,
    ) -> Future[Inference]:
        """Letterbox an image and queue it; never waits. Not for the thread of an event loop."""

    def close(self) -> None:
        """Refuse what waits and give the detector back."""


class Engine(Protocol):
    """Gives the networks that a server's requests ask for."""

    def detector(self, name: str) -> ModelQueue:
        """Begin to load a detector; `ModelQueue.loaded` tells when it is ready."""

    def embedder(self, name: str) -> Embedder:
        """An embedder that is ready; may take seconds."""

    def segmenter(self, name: str) -> Segmenter:
        """A segmenter that is ready; may take seconds."""

    def close(self) -> None:
        """Give back what the engine itself holds; its networks are closed before."""


class LocalEngine:
    """Networks in this process.

    Parameters
    ----------
    settings : Settings
        Runtime, device and limits.
    metrics : Metrics
        Where the batchers measure.
    load : callable or None
        Makes the detector of a name; None takes `models.load_detector`.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        load: Callable[[str], Detector] | None = None,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._load = load or self._load_from_catalogue
        self._lock = threading.Lock()
        self._loads = 0

    @property
    def loading(self) -> bool:
        """Whether a network is being loaded; a runtime cannot be interrupted while it compiles."""
        return self._loads > 0

    def detector(self, name: str) -> Batcher:
        """A detector in a thread of its own."""

        def load() -> Detector:
            with self._counted():
                return self._load(name)

        return Batcher(name, load, self._settings, self._metrics)

    def embedder(self, name: str) -> Embedder:
        """An embedder, called in the threads of those who ask it."""
        from models.embedder import load_embedder

        with self._counted():
            return load_embedder(name, runtime=self._settings.runtime)

    def segmenter(self, name: str) -> Segmenter:
        """A segmenter."""
        settings = self._settings
        with self._counted():
            return load_segmenter(name, settings.runtime, settings.device, settings.threads)

    def close(self) -> None:
        """Nothing is held."""

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._lock:
            self._loads += 1
        try:
            yield
        finally:
            with self._lock:
                self._loads -= 1

    def _load_from_catalogue(self, name: str) -> Detector:
        settings = self._settings
        return load_detector(
            name,
            settings.runtime,
            settings.device,
            settings.threads,
            settings.precision,
            videos=True,
        )
