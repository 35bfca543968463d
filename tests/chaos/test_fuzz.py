"""Damaged files: a hundred and more through a server; `benchmarks.fuzz_server` sends thousands."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import httpx

from benchmarks.fuzz_corpus import KINDS, VIDEOS, damaged, whole
from benchmarks.fuzz_server import ask_all
from tests.service.gate import WAIT
from tests.service.serving import serving
from tests.service.test_track_faults import is_idle
from tests.service.wire import wait_until

FILES = 5 * len(KINDS)
GREY = ("jpeg-grey", "png-deep")


def test_whole_files_of_every_kind_are_taken(client: httpx.Client) -> None:
    for kind in KINDS:
        route = "/v1/track?embedder=none" if kind in VIDEOS else "/v1/detect"
        answer = client.post(route, content=whole(kind))
        assert answer.status_code == 200, (kind, answer.text)
        assert ('"red"' in answer.text) == (kind not in GREY), kind


def test_a_file_is_made_again_by_its_number() -> None:
    assert damaged(77, seed=2) == damaged(77, seed=2)
    assert len({damaged(number).data for number in range(FILES)}) > 0.95 * FILES


def test_damaged_files_are_refused_or_followed_and_leave_nothing(tmp_path: Path) -> None:
    jobs, spool = tmp_path / "jobs", tmp_path / "spool"
    spool.mkdir()
    with serving(jobs_dir=jobs, spool_dir=spool) as (address, app):
        answers = list(ask_all(address, range(FILES), seed=1))
        assert [answer for answer in answers if answer.wrong] == []
        assert len(answers) == FILES
        said = Counter(answer.said[:3] for answer in answers)
        assert said.keys() <= {"200", "400", "413", "415"}
        assert min(said["200"], said["400"]) > FILES / 10, "the changes are too weak or too strong"
        wait_until(lambda: is_idle(app))
        assert list(spool.iterdir()) == []
        assert [path for path in jobs.iterdir() if path.is_dir()] == []
        assert httpx.get(f"{address}/v2/health/ready", timeout=WAIT).is_success
