"""How the application starts and ends: whatever fails, every part of it is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import pytest
from fastapi import FastAPI

from models.fake import FakeDetector
from service.app import create_app
from service.errors import ShuttingDown
from service.settings import Settings
from tests.service.gate import WAIT

PARTS = ("results", "jobs", "segmenters", "models", "engine", "decoders", "codec")


class Broken(Exception):
    """What a part raises here."""


def broken() -> None:
    raise Broken


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    settings = Settings(models=("fake",), embedder="colour", jobs_dir=tmp_path)
    return create_app(settings, lambda name: FakeDetector())


def closed_by(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The parts in the order in which they are closed from now on."""
    closed: list[str] = []

    def note(name: str, close: Callable[[], None]) -> None:
        closed.append(name)
        close()

    for name in PARTS:
        part = getattr(app.state, name)
        monkeypatch.setattr(part, "close", partial(note, name, part.close))
    return closed


async def run(app: FastAPI) -> None:
    async with app.router.lifespan_context(app):
        batcher = app.state.models.loaded()["fake"]
        await asyncio.to_thread(batcher.loaded.result, WAIT)


def test_parts_are_closed_before_those_that_they_need(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = closed_by(app, monkeypatch)
    asyncio.run(run(app))
    assert closed == list(PARTS)
    with pytest.raises(ShuttingDown):
        app.state.shutdown.check()


@pytest.mark.parametrize("part", ["decoders", "jobs"])
def test_what_cannot_start_leaves_nothing_running(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    closed = closed_by(app, monkeypatch)
    monkeypatch.setattr(getattr(app.state, part), "start", broken)
    with pytest.raises(Broken):
        asyncio.run(run(app))
    assert closed == list(PARTS)


def test_what_cannot_be_closed_keeps_no_other_part_open(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = closed_by(app, monkeypatch)
    close = app.state.results.close

    def close_and_fail() -> None:
        close()
        raise Broken

    monkeypatch.setattr(app.state.results, "close", close_and_fail)
    with pytest.raises(Broken):
        asyncio.run(run(app))
    assert closed == list(PARTS)


def test_opencv_works_in_the_thread_that_calls_it_once_the_application_starts(app: FastAPI) -> None:
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        asyncio.run(run(app))
        assert cv2.getNumThreads() == 1
    finally:
        cv2.setNumThreads(before)
