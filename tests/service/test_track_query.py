"""Which embedder a request gets, and how long its frames may wait."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from models.embedder import suits
from models.fake import FakeDetector
from service.live.query import LiveConfig
from service.settings import Settings
from service.tracks.query import FollowQuery, TrackQuery

NAMES = {0: "person", 2: "car", 7: "truck"}


def chosen(default: str, **given: Any) -> str | None:
    """Name of the embedder of a request to a server with that default."""
    detector = SimpleNamespace(detector=SimpleNamespace(names=NAMES))

    def embedder(name: str | None = None) -> Any:
        name = name or default
        return None if name == "none" else SimpleNamespace(name=name)

    models: Any = SimpleNamespace(embedder=embedder, batcher=lambda name: detector)
    loaded = FollowQuery(**given).load_embedder(models)
    return None if loaded is None else loaded.name


@pytest.mark.parametrize(
    ("classes", "wanted"),
    [
        (None, "osnet-x0.25"),
        ("person", "osnet-x0.25"),
        ("car, person", "osnet-x0.25"),
        ("0", "osnet-x0.25"),
        ("car,truck", None),
        ("2,7", None),
    ],
)
def test_what_knows_people_alone_is_not_asked_about_cars(
    classes: str | None, wanted: str | None
) -> None:
    assert chosen("osnet-x0.25", classes=classes) == wanted


def test_what_knows_objects_of_any_kind_is_asked_about_cars_too() -> None:
    assert chosen("colour", classes="car") == "colour"
    assert suits("mobilenet", {"car"})


def test_an_embedder_that_is_named_is_taken_whatever_the_classes() -> None:
    assert chosen("colour", classes="car", embedder="osnet-x0.25") == "osnet-x0.25"


def test_none_and_trackers_that_never_ask_get_none() -> None:
    assert chosen("colour", embedder="none") is None
    assert chosen("none") is None
    assert chosen("colour", tracker="bytetrack") is None


@pytest.mark.parametrize(("query", "seconds"), [(TrackQuery(), 60.0), (LiveConfig(), 2.0)])
def test_a_frame_of_a_file_waits_for_longer_than_one_of_a_camera(
    query: FollowQuery, seconds: float
) -> None:
    settings = Settings(deadline_seconds=2, frame_deadline_seconds=60)
    assert query.session_options(FakeDetector(), settings).deadline_seconds == seconds
