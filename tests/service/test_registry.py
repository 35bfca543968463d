"""Which models are loaded, by which names, and what happens to the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

from models.errors import ModelError, UnknownName
from models.fake import FakeDetector
from service.errors import Conflict, ModelNotReady, ShuttingDown, UnknownModel
from service.http.metrics import Metrics
from service.inference.engine import LocalEngine
from service.inference.flight import State
from service.inference.registry import Models, entry, known
from service.settings import Settings
from tests.service.gate import WAIT

Make = Callable[..., Models]


@pytest.fixture
def make() -> Iterator[Make]:
    """Registries that load the fake detector for every name."""
    running: list[Models] = []

    def start(load: Callable[[str], FakeDetector] | None = None, **settings: Any) -> Models:
        given = Settings.model_validate({"models": "fake", "embedder": "colour"} | settings)
        models = Models(given, LocalEngine(given, Metrics(), load or (lambda name: FakeDetector())))
        running.append(models)
        models.start()
        for batcher in models.loaded().values():
            batcher.loaded.exception(WAIT)
        return models

    yield start
    for models in running:
        models.close()


def test_the_first_model_of_the_settings_that_is_ready_is_the_default(make: Make) -> None:
    def load(name: str) -> FakeDetector:
        if name == "yolo26n":
            raise ModelError("no such device")
        return FakeDetector()

    models = make(load, models="yolo26n,yolo11n,fake")
    assert models.default == "yolo11n"
    assert models.batcher().name == "yolo11n"
    with pytest.raises(ModelNotReady, match="yolo26n is not ready"):
        models.batcher("yolo26n")


@pytest.mark.parametrize(
    "name", ["nope", "", "../etc/passwd", "YOLO26N", "osnet-x0.25", "sample-car-video", "a" * 100]
)
def test_only_detectors_of_the_catalogue_can_be_named(make: Make, name: str) -> None:
    models = make()
    with pytest.raises(UnknownModel):
        models.load(name)
    with pytest.raises(UnknownModel):
        entry(name)
    assert name not in known()


def test_loading_twice_gives_the_same_batcher_and_a_failed_one_is_tried_again(make: Make) -> None:
    outcomes = iter([ModelError("busy"), None])

    def load(name: str) -> FakeDetector:
        if name != "fake" and (error := next(outcomes)):
            raise error
        return FakeDetector()

    models = make(load)
    assert models.load("fake") is models.load("fake")
    failed = models.load("yolo26n")
    assert isinstance(failed.loaded.exception(WAIT), ModelError)
    again = models.load("yolo26n")
    again.loaded.result(WAIT)
    assert failed is not again
    assert models.batcher("yolo26n") is again


def test_no_more_models_than_allowed(make: Make) -> None:
    models = make(max_models=1)
    with pytest.raises(Conflict, match="unload one first"):
        models.load("yolo26n")
    models.unload("fake")
    models.load("yolo26n").loaded.result(WAIT)
    assert models.ready


def test_after_closing_nothing_is_loaded_and_nothing_is_taken(make: Make) -> None:
    models = make()
    batcher = models.batcher()
    models.close()
    assert batcher.state is State.CLOSED
    assert not models.ready
    with pytest.raises(ShuttingDown):
        models.load("fake")
    with pytest.raises(ModelNotReady):
        models.batcher("fake")


def test_a_server_may_have_no_embedder_unless_one_is_named(make: Make) -> None:
    models = make(embedder="none")
    assert models.embedder() is None
    assert models.embedder("none") is None
    assert models.embedder("colour") is not None


def test_an_embedder_is_loaded_once_for_all_who_ask(make: Make) -> None:
    models = make()
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(models.embedder("colour"))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert len({id(embedder) for embedder in found}) == 1
    embedder = models.embedder("colour")
    assert embedder is not None
    rows = embedder(np.zeros((20, 20, 3), np.uint8), np.array([[0, 0, 10, 10]], np.float32))
    assert rows.shape == (1, embedder.dim)
    with pytest.raises(UnknownName):
        models.embedder("nobody")


def test_a_detector_that_is_closed_is_not_one_that_has_failed() -> None:
    """Someone is woken for a gauge at 0; where nobody wants the detector there is none."""
    settings, metrics = Settings(), Metrics()
    batcher = LocalEngine(settings, metrics, lambda name: FakeDetector()).detector("fake")
    batcher.loaded.result(WAIT)
    gauge = partial(metrics.registry.get_sample_value, "trackline_model_ready", {"model": "fake"})
    assert gauge() == 1
    batcher.close()
    assert gauge() is None
