"""The wall clock jumps: only the age of jobs is told by it, every deadline by a steady clock."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.service.clips import AS_LONG_AS, clip
from tests.service.gate import Gate
from tests.service.jobs_client import job_server, post, status, stream
from tests.service.pictures import jpeg
from tests.service.test_track import TRACK
from tests.service.wire import Wire, wait_until

YEAR = 365 * 86400.0
MAY_ASK = {
    "service/http/stages.py",  # the times of traces
    "service/jobs/jobs.py",  # how old a job is that has ended
    "service/jobs/intake.py",  # when it came
    "service/jobs/run.py",  # when it ended
}


@pytest.mark.parametrize("jump", [YEAR, -YEAR], ids=["forward", "back"])
def test_what_is_under_way_does_not_notice(
    jump: float, tmp_path: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = clip("mp4", AS_LONG_AS)
    with job_server(tmp_path, gate) as (http, app), Wire(str(http.base_url), TRACK) as wire:
        gate.shut()
        running, queued = post(http), post(http)
        wire.send(data[: len(data) // 2])
        wait_until(lambda: app.state.models.batcher("fake")._waiting["frames"] > 4)
        steady = time.time
        monkeypatch.setattr(time, "time", lambda: steady() + jump)
        gate.open()
        wire.send(data[len(data) // 2 :])
        wire.finish()
        assert [line["type"] for line in wire.lines()][-1] == "end"
        for job_id in (running, queued):
            assert stream(http, job_id)[-1]["type"] == "end"
        app.state.jobs.sweep()
        assert [status(http, job_id)["status"] for job_id in (running, queued)] == ["done"] * 2
        assert http.post("/v1/detect", content=jpeg()).is_success
        assert http.get("/v2/health/ready").is_success


def test_nothing_else_asks_for_the_time_of_day() -> None:
    asking = set()
    for package in ("service", "tracker", "models"):
        for path in (ROOT / package).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            if any(map(is_time_of_day, ast.walk(tree))):
                asking.add(path.relative_to(ROOT).as_posix())
    assert asking == MAY_ASK


def is_time_of_day(node: ast.AST) -> bool:
    """Whether a node names a clock that can be set."""
    return isinstance(node, ast.Attribute) and ast.unparse(node) in {
        *("time.time", "time.time_ns", "time.gmtime", "time.localtime"),
        *("datetime.now", "datetime.datetime.now", "datetime.utcnow"),
    }
