"""Jobs of others: their ids cannot be guessed, and knowing one opens nothing on any route."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute

from service.routes import videos
from tests.service.clips import clip
from tests.service.gate import WAIT
from tests.service.serving import serving

MINE, THEIRS, ADMIN = "5f0d9a7e61b24c83", "c1d2e3f4a5b60718", "90817263544a3b2c"


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    jobs_dir = tmp_path_factory.mktemp("jobs")
    with (
        serving(jobs_dir=jobs_dir, api_keys=f"{MINE},{THEIRS}", admin_key=ADMIN) as (address, _),
        httpx.Client(base_url=address, timeout=6 * WAIT) as http,
    ):
        yield http


def sent_by(key: str) -> dict[str, str]:
    return {"X-API-Key": key}


@pytest.fixture(scope="module")
def mine(http: httpx.Client) -> str:
    response = http.post("/v1/videos", content=clip("mp4", 5), headers=sent_by(MINE))
    job_id: str = response.json()["id"]
    http.get(f"/v1/videos/{job_id}/tracks", headers=sent_by(MINE))
    return job_id


ROUTES = [
    (method, route.path)
    for route in videos.router.routes
    if isinstance(route, APIRoute) and "{job_id}" in route.path
    for method in sorted(route.methods or ())
]


def test_every_route_of_a_job_is_tried_here() -> None:
    assert len(ROUTES) >= 7


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_job_of_another_is_as_unknown_as_one_that_never_was(
    http: httpx.Client, mine: str, method: str, path: str
) -> None:
    known, unknown = path.format(job_id=mine), path.format(job_id="0" * len(mine))
    for key in (THEIRS, ADMIN):
        refused = http.request(method, known, headers=sent_by(key))
        never = http.request(method, unknown, headers=sent_by(key))
        assert refused.status_code == never.status_code == 404
        assert refused.json()["detail"] == never.json()["detail"]
    for headers in ({}, sent_by(MINE[:-1]), sent_by(MINE.upper()), {"Cookie": f"key={MINE}"}):
        assert http.request(method, known, headers=headers).status_code == 401
    assert http.get(f"/v1/videos/{mine}", headers=sent_by(MINE)).json()["status"] == "done"


def test_ids_are_128_random_bits(http: httpx.Client) -> None:
    ids = [
        http.post("/v1/videos", content=clip("gif", 1), headers=sent_by(THEIRS)).json()["id"]
        for _ in range(8)
    ]
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in ids)
    values = [int(one, 16) for one in ids]
    assert len(set(values)) == len(values)
    # Bits that never change would be no random ones; of eight numbers hardly one bit is so.
    same = sum(len({value >> bit & 1 for value in values}) == 1 for bit in range(128))
    assert same < 16


@pytest.mark.parametrize(
    "job_id", ["%2e%2e", "..%2f..%2fetc", "*", "%25", "' OR 1=1 --", "\\..\\", "a" * 4000, "%00"]
)
def test_an_id_is_never_a_path_or_a_query(
    http: httpx.Client, mine: str, job_id: str, tmp_path: Path
) -> None:
    for method, path in ROUTES:
        response = http.request(method, path.format(job_id=job_id), headers=sent_by(MINE))
        assert response.status_code in (404, 405)
    assert http.get(f"/v1/videos/{mine}", headers=sent_by(MINE)).is_success
