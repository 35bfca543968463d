"""Decoders and the process that forks them, killed while videos are followed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import httpx

from tests.service.clips import AS_LONG_AS, clip
from tests.service.gate import WAIT, Gate
from tests.service.jobs_client import job_server, left_in, post, status, stream
from tests.service.serving import serving
from tests.service.test_track import TRACK, lines_of
from tests.service.wire import Wire, wait_until


def test_a_job_whose_decoder_is_killed_fails_alone(tmp_path: Path, gate: Gate) -> None:
    with job_server(tmp_path, gate) as (http, app):
        gate.shut()
        doomed, other = post(http), post(http)
        wait_until(lambda: app.state.models.batcher("fake")._waiting["frames"] > 0)
        (run,) = app.state.jobs._running.values()
        os.kill(run._session._video.pid, signal.SIGKILL)
        gate.open()
        assert stream(http, doomed)[-1]["code"] == "decoder_failed"
        said = status(http, doomed)
        assert (said["status"], said["error"]["code"]) == ("failed", "decoder_failed")
        assert stream(http, other)[-1]["type"] == "end"
        assert left_in(tmp_path) == sorted([doomed, other])


def test_streams_end_with_the_process_that_forked_their_decoders_and_new_ones_start() -> None:
    data = clip("mp4", AS_LONG_AS)
    with serving() as (address, app):
        with Wire(address, TRACK) as wire:
            wire.send(data[: len(data) // 2])
            wire.line()
            app.state.decoders._process.kill()
            *_, error = wire.lines()
        assert error["code"] == "decoder_failed"
        assert (
            lines_of(httpx.post(address + TRACK, content=data, timeout=WAIT))[-1]["type"] == "end"
        )
        wait_until(lambda: app.state.sessions.count == 0)
