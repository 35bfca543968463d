"""The tests of jobs once more, with their table in a real PostgreSQL server."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Iterator

import pytest

pytest.importorskip(
    "psycopg", reason="no PostgreSQL driver here: pip install trackline[postgresql]"
)

import psycopg

from service.jobs.store import PATIENCE, JobStore, StoreFailed
from tests.service.postgresql import database, postgresql, programs
from tests.service.test_jobs import (
    test_a_job_belongs_to_the_key_that_sent_it,
    test_a_queued_job_can_be_deleted,
    test_a_restart_removes_what_is_half_there,
    test_deleting_a_running_job_ends_its_readers_and_removes_everything,
    test_jobs_over_the_limit_of_bytes_go_oldest_first,
    test_jobs_that_ended_long_ago_go,
    test_shutting_down_leaves_a_running_job_to_the_next_start,
)
from tests.service.test_jobs_kill import (
    test_a_job_that_cannot_be_reproduced_fails_and_says_so,
    test_jobs_of_a_killed_server_end_as_if_nothing_had_been,
    videos,
)

__all__ = [
    "test_a_job_belongs_to_the_key_that_sent_it",
    "test_a_job_that_cannot_be_reproduced_fails_and_says_so",
    "test_a_queued_job_can_be_deleted",
    "test_a_restart_removes_what_is_half_there",
    "test_deleting_a_running_job_ends_its_readers_and_removes_everything",
    "test_jobs_of_a_killed_server_end_as_if_nothing_had_been",
    "test_jobs_over_the_limit_of_bytes_go_oldest_first",
    "test_jobs_that_ended_long_ago_go",
    "test_shutting_down_leaves_a_running_job_to_the_next_start",
    "videos",
]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    bin_dir = programs()
    if bin_dir is None:
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    with postgresql(bin_dir) as url:
        yield url


@pytest.fixture(autouse=True)
def in_postgresql(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every server of a test finds its jobs in a database of the test's own."""
    with database(server, f"jobs_{uuid.uuid4().hex}") as url:
        monkeypatch.setenv("TRACKLINE_DATABASE_URL", url)
        yield


def test_a_connection_that_the_database_ended_is_replaced(server: str) -> None:
    url = os.environ["TRACKLINE_DATABASE_URL"]
    store = JobStore(url)
    assert store.find("nobody") is None
    with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as other:
        ended = other.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s",
            [url.rsplit("/", 1)[1]],
        ).fetchall()
    assert ended == [(True,)]
    assert store.find("nobody") is None
    store.close()


def test_a_database_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PATIENCE, "postgresql", {"connect_timeout": 2})
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(StoreFailed):
        JobStore(f"postgresql+psycopg://127.0.0.1:{silent.getsockname()[1]}/trackline")
