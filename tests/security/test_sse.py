"""Floods of readers of a job's events: they hold up neither the job nor each other."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.security.sockets import connect, say, statuses, until_closed
from tests.service.gate import until
from tests.service.jobs_client import Steps, job_server, post, status, stream

FRAMES = 12
READERS = 100


def follow(http: httpx.Client, job_id: str, more: bytes = b"") -> socket.socket:
    """A reader of events that has asked for them, and reads nothing yet."""
    wire = connect(str(http.base_url).rstrip("/"))
    wire.sendall(
        b"GET /v1/videos/%b/tracks HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n"
        b"%bConnection: close\r\n\r\n" % (job_id.encode(), more)
    )
    return wire


def held() -> tuple[int, int]:
    """Threads and descriptors of this process, in which the server runs."""
    return threading.active_count(), len(os.listdir("/proc/self/fd"))


def test_readers_that_do_not_read_hold_up_neither_the_job_nor_those_who_do(
    tmp_path: Path,
) -> None:
    steps = Steps()
    with job_server(tmp_path, steps) as (http, _), ExitStack() as stack:
        job_id = post(http, FRAMES)
        lazy = [stack.enter_context(follow(http, job_id)) for _ in range(READERS)]
        steps.let(FRAMES)
        lines = stream(http, job_id)
        assert lines[-1]["type"] == "end"
        assert status(http, job_id)["status"] == "done"
        for wire in lazy:
            assert until_closed(wire).count(b'"type":"frame"') == FRAMES


def test_readers_that_come_and_go_leave_nothing_behind(tmp_path: Path) -> None:
    steps = Steps()
    with job_server(tmp_path, steps) as (http, _):
        job_id = post(http, FRAMES)
        before = held()
        for _ in range(2 * READERS):
            follow(http, job_id).close()
        # The pool of threads may have grown meanwhile, and each of them has the table open.
        until(
            lambda: max(now - then for now, then in zip(held(), before, strict=True)) < READERS / 4
        )
        steps.let(FRAMES)
        assert stream(http, job_id)[-1]["type"] == "end"


def test_more_readers_than_connections_are_told_so(tmp_path: Path) -> None:
    steps = Steps()
    with job_server(tmp_path, steps, max_connections=10) as (http, _), ExitStack() as stack:
        job_id = post(http, FRAMES)
        for _ in range(9):  # and the client's own
            stack.enter_context(follow(http, job_id))
        assert statuses(say(str(http.base_url).rstrip("/"), b"")) == [503]
        steps.let(FRAMES)
        assert stream(http, job_id)[-1]["type"] == "end"


@pytest.mark.parametrize("last", [b"9" * 5000, b"-1", b"1e9", b"\xff", b"NaN", b"0x10", b"1 2"])
def test_what_is_no_event_is_refused(tmp_path: Path, last: bytes) -> None:
    with job_server(tmp_path) as (http, _):
        job_id = post(http, FRAMES)
        with follow(http, job_id, b"Last-Event-ID: " + last + b"\r\n") as wire:
            assert statuses(until_closed(wire)) == [422]
