"""Twice the load that a server can take: a short form of `benchmarks.soak`, without its times."""

from __future__ import annotations

from benchmarks.fuzz_corpus import moving, whole
from benchmarks.soak import served, soak
from benchmarks.soak_clients import Kind

CLIENTS = {Kind.IMAGE: 4, Kind.STREAM: 1, Kind.JOB: 1}
SMALL = {"TRACKLINE_MAX_REQUESTS": "4", "TRACKLINE_MAX_SESSIONS": "2"}


def test_work_is_refused_or_ends_and_nothing_is_left() -> None:
    bodies = {Kind.IMAGE: whole("png"), Kind.STREAM: moving(20), Kind.JOB: moving(20)}
    with served("fake", **SMALL) as (server, folder):
        result = soak(server, folder, bodies, 6.0, 2.0, clients=CLIENTS)
    accepted = {one.kind for one in result.loaded if one.status in (200, 202)}
    assert accepted == set(Kind)
    assert any(one.status == 429 for one in result.loaded)
    assert any(one.vanished for one in result.loaded)
    assert [row for row in result.rows() if not row.timed and not row.kept] == []
