"""Which models are loaded: detectors, each behind its batcher, and embedders."""

from __future__ import annotations

import atexit
import logging
import re
import threading
from typing import TYPE_CHECKING

from models import catalog
from models.errors import TracklineError
from service.errors import Conflict, ModelNotReady, ShuttingDown, UnknownModel
from service.inference.engine import Engine, ModelQueue
from service.inference.flight import State
from service.settings import Settings

if TYPE_CHECKING:
    from models.embedder import Embedder

log = logging.getLogger(__name__)

CLOSE_SECONDS = 10.0

NO_EMBEDDER = "none"
"""Named where tracks go by motion alone."""

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
FAKE = "fake"  # the detector that needs no weights and is in no catalogue


class Models:
    """The loaded models of one server; all methods may be called from any thread.

    Parameters
    ----------
    settings : Settings
        Names what is loaded at start, and the runtime and device.
    engine : Engine
        Where they run.
    """

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._settings = settings
        self._engine = engine
        self._lock = threading.Lock()
        self._batchers: dict[str, ModelQueue] = {}
        self._embedders: dict[str, Embedder] = {}
        self._embedder_lock = threading.Lock()
        self._embedder_loader = threading.Thread(
            target=self._load_embedder, name="embedder", daemon=True
        )
        self._closed = False

    def start(self) -> None:
        """Begin to load the models of the settings, each in its own thread; does not wait."""
        for name in self._settings.models:
            self.load(name)
        self._embedder_loader.start()

    def load(self, name: str) -> ModelQueue:
        """Begin to load a detector; `ModelQueue.loaded` tells when it is ready.

        Raises
        ------
        UnknownModel
            No detector has this name.
        Conflict
            As many detectors are loaded as the settings allow.
        """
        entry(name)
        with self._lock:
            if self._closed:
                raise ShuttingDown("the server is shutting down")
            batcher = self._batchers.get(name)
            if batcher is not None and batcher.state is not State.FAILED:
                return batcher
            most = self._settings.max_models
            if batcher is None and len(self._batchers) >= most:
                raise Conflict(f"{most} models are loaded, the most allowed; unload one first")
            fresh = self._engine.detector(name)
            self._batchers[name] = fresh
        if batcher is not None:
            batcher.close()
        return fresh

    def unload(self, name: str) -> None:
        """Refuse what waits for a detector and free it; may take seconds.

        Raises
        ------
        UnknownModel
            No detector has this name.
        Conflict
            It is not loaded.
        """
        with self._lock:
            batcher = self._batchers.pop(name, None)
        if batcher is None:
            entry(name)
            raise Conflict(f"{name} is not loaded")
        batcher.close()

    def batcher(self, name: str | None = None) -> ModelQueue:
        """The batcher of a ready detector; of the default one where no name is given.

        Raises
        ------
        UnknownModel
            No detector has this name.
        ModelNotReady
            It is not loaded, still loading, failed or hung.
        """
        name = name or self.default
        batcher = self.loaded().get(name)
        if batcher is None:
            entry(name)
            raise ModelNotReady(
                f"the model {name} is not loaded; POST /v1/models/{name}/load loads it"
            )
        if batcher.state is not State.READY:
            raise ModelNotReady(f"the model {name} is not ready: {batcher.reason}")
        return batcher

    @property
    def default(self) -> str:
        """The detector of requests that name none: the first of the settings that is ready."""
        loaded = self.loaded()
        names = [*self._settings.models, *loaded]
        ready = (name for name in names if name in loaded and loaded[name].state is State.READY)
        first = next(ready, names[0] if names else None)
        if first is None:
            raise ModelNotReady("no model is loaded; POST /v1/models/yolo26n/load loads one")
        return first

    @property
    def ready(self) -> bool:
        """Whether at least one detector has passed a forward and takes work."""
        return any(batcher.state is State.READY for batcher in self.loaded().values())

    def loaded(self) -> dict[str, ModelQueue]:
        """The batchers by name, whatever their state."""
        with self._lock:
            return dict(self._batchers)

    def embedder(self, name: str | None = None) -> Embedder | None:
        """An embedder, loaded when it is first asked for; may take seconds. None for `none`.

        Parameters
        ----------
        name : str or None
            None takes the one of the settings.

        Raises
        ------
        UnknownName
            No embedder has this name.
        WeightsError, ModelError
            It could not be loaded.
        """
        name = name or self._settings.embedder
        if name == NO_EMBEDDER:
            return None
        with self._embedder_lock:
            if name not in self._embedders:
                self._embedders[name] = self._engine.embedder(name)
            return self._embedders[name]

    def close(self) -> None:
        """Unload everything and take nothing more; what still loads is not waited for."""
        with self._lock:
            self._closed = True
            batchers = list(self._batchers.values())
            self._batchers.clear()
        for batcher in batchers:
            if batcher.state is State.LOADING:
                closing = threading.Thread(target=batcher.close, daemon=True)
                closing.start()
                _outlive(closing)
            else:
                batcher.close()
        if self._embedder_loader.is_alive():
            _outlive(self._embedder_loader)

    def _load_embedder(self) -> None:
        """Have the embedder of the settings ready before the first video asks for it."""
        try:
            self.embedder()
        except TracklineError:
            log.exception("the embedder %s could not be loaded", self._settings.embedder)


def _outlive(thread: threading.Thread) -> None:
    """Have the interpreter wait for a thread: it must not end while a runtime's code is run."""
    atexit.register(thread.join, CLOSE_SECONDS)


def known() -> list[str]:
    """Names of the detectors that can be loaded."""
    return [*catalog.names(task="detect"), *catalog.names(task="segment"), FAKE]


def entry(name: str) -> catalog.Entry | None:
    """The catalogue's entry of a detector; None for the one that needs no weights.

    Raises
    ------
    UnknownModel
        No detector has this name.
    """
    if name not in known():
        raise _unknown(name)
    return None if name == FAKE else catalog.entry(name)


def _unknown(name: str) -> UnknownModel:
    shown = name if NAME.fullmatch(name) else "of this name"
    return UnknownModel(f"no model {shown} is in the catalogue; GET /v1/models lists them")
