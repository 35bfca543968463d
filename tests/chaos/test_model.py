"""A model that fails in every way: what images, streams and jobs are told, and that all recover."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from numpy.typing import NDArray

from models.fake import FakeDetector, FakePrepared
from tests.service.clips import clip
from tests.service.gate import WAIT, Gate, until
from tests.service.jobs_client import post, status, stream
from tests.service.pictures import jpeg
from tests.service.serving import serving
from tests.service.test_http import assert_problem
from tests.service.test_track import TRACK, lines_of
from tests.service.test_track_faults import is_idle

SAID = {"model-failed": 500, "model-not-ready": 503}
"""Codes of the refusals, and their status."""
LONGEST = 8.0
"""Seconds of a forward until it counts as hung: everyone is in the queue long before."""


class Faulty(FakeDetector):
    """A detector behind a gate that can also forget one of its answers."""

    def __init__(self, gate: Gate) -> None:
        super().__init__(gate)
        self.forgets = False

    def start(self, batch: Sequence[FakePrepared]) -> Future[list[NDArray[np.float32]]]:
        answers = super().start(batch).result()
        future: Future[list[NDArray[np.float32]]] = Future()
        future.set_result(answers[:-1] if self.forgets else answers)
        return future


def break_with(error: Exception) -> Callable[[Gate, Faulty], None]:
    """Let every forward raise."""

    def inject(gate: Gate, _: Faulty) -> None:
        gate.broken = error
        gate.open()

    return inject


def forget(gate: Gate, detector: Faulty) -> None:
    """Let every forward give one answer less than it was given images."""
    detector.forgets = True
    gate.open()


def hang(gate: Gate, _: Faulty) -> None:
    """Let no forward come back."""


FAULTS = {
    "raises": break_with(RuntimeError("cuDNN at 0xdead")),
    "runs out of memory": break_with(MemoryError()),
    "answers with the wrong length": forget,
    "hangs": hang,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_everyone_is_told_and_everything_works_again_afterwards(
    fault: str, tmp_path: Path, gate: Gate
) -> None:
    detector = Faulty(gate)
    picture, video = jpeg(), clip("mp4", 20)
    with (
        serving(
            lambda name: detector,
            jobs_dir=tmp_path,
            forward_seconds=LONGEST if fault == "hangs" else 60,
            probe_seconds=0.05,
        ) as (address, app),
        httpx.Client(base_url=address, timeout=WAIT) as http,
        ThreadPoolExecutor(2) as pool,
    ):
        gate.shut()
        image = pool.submit(http.post, "/v1/detect", content=picture)
        track = pool.submit(http.post, TRACK, content=video)
        job = post(http)
        until(lambda: all_wait(app))
        FAULTS[fault](gate, detector)

        answer = image.result(WAIT)
        code = answer.json()["type"].rpartition(":")[2]
        assert_problem(answer, SAID[code], code)
        errors = [lines_of(track.result(WAIT))[-1], stream(http, job)[-1]]
        assert {line["type"] for line in errors} == {"error"}
        assert {line["code"].replace("_", "-") for line in errors} <= set(SAID)
        assert all("0xdead" not in text for text in [answer.text, *map(str, errors)])
        assert status(http, job)["status"] == "failed"
        until(lambda: http.get("/v2/health/ready").status_code == 503)

        gate.broken, detector.forgets = None, False
        gate.open()
        until(lambda: http.get("/v2/health/ready").is_success)
        assert http.post("/v1/detect", content=picture).is_success
        assert lines_of(http.post(TRACK, content=video))[-1]["type"] == "end"
        assert stream(http, post(http))[-1]["type"] == "end"
        until(lambda: is_idle(app))


def all_wait(app: FastAPI) -> bool:
    """Whether the image and frames of both videos are with the model."""
    waiting = app.state.models.batcher("fake")._waiting
    in_flight = app.state.settings.frames_in_flight
    return bool(waiting["images"] == 1 and waiting["frames"] == 2 * in_flight)
