"""A log line is one JSON object that names its request."""

from __future__ import annotations

import io
import logging
import subprocess
import sys

import httpx
import orjson

from service.http.logs import JsonFormatter, request_id
from tests.service.clips import clip
from tests.service.gate import WAIT
from tests.service.test_track import TRACK
from tests.service.test_track_faults import gated


def record(**extra: object) -> logging.LogRecord:
    made = logging.LogRecord("service.x", logging.WARNING, "x.py", 1, "%d lost", (3,), None)
    vars(made).update(extra)
    return made


def test_a_record_becomes_one_line_with_what_was_given_beside_it() -> None:
    line = JsonFormatter().format(record(model="yolo26n", text="two\nlines"))
    assert "\n" not in line
    fields = orjson.loads(line)
    assert (fields["level"], fields["logger"], fields["message"]) == (
        "warning",
        "service.x",
        "3 lost",
    )
    assert (fields["model"], fields["text"]) == ("yolo26n", "two\nlines")
    assert "request_id" not in fields


def test_the_request_that_is_worked_for_is_named() -> None:
    token = request_id.set("r-1")
    try:
        assert orjson.loads(JsonFormatter().format(record()))["request_id"] == "r-1"
    finally:
        request_id.reset(token)


def test_exceptions_keep_their_traceback() -> None:
    made = record()
    try:
        raise KeyError("missing")
    except KeyError:
        made.exc_info = sys.exc_info()
    assert "KeyError: 'missing'" in orjson.loads(JsonFormatter().format(made))["exception"]


def test_a_warning_of_python_is_a_line_too() -> None:
    code = (
        "import warnings; from service.http.logs import configure; configure('info'); "
        "warnings.warn('soon gone', DeprecationWarning)"
    )
    command = [sys.executable, "-W", "always", "-c", code]
    said = subprocess.run(command, stderr=subprocess.PIPE, check=True, timeout=WAIT).stderr
    (line,) = said.splitlines()
    assert "soon gone" in orjson.loads(line)["message"]


def test_what_a_streams_thread_logs_names_the_request() -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonFormatter())
    log = logging.getLogger("service.tracks.follower")
    log.addHandler(handler)
    try:
        with gated() as (address, _, gate):
            gate.broken = RuntimeError("lost")
            headers = {"X-Request-ID": "r-2"}
            answer = httpx.post(
                address + TRACK, content=clip("mp4", 3), headers=headers, timeout=WAIT
            )
    finally:
        log.removeHandler(handler)
    assert answer.text.endswith("\n")
    (line,) = map(orjson.loads, written.getvalue().splitlines())
    assert line["level"] == "error"
    assert line["request_id"] == "r-2"
