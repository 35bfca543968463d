"""Clients that stop reading, or vanish in the middle: their work stops and nothing is left."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI
from numpy.typing import NDArray

from models import catalog
from models.fake import FakeDetector, FakePrepared
from service.tracks.outbox import MOST_LINES
from service.tracks.session import Session
from tests.service.clips import AS_LONG_AS, INDEX_LAST, clip
from tests.service.gate import WAIT
from tests.service.serving import serving
from tests.service.test_track import TRACK
from tests.service.test_track_faults import Reader, is_idle
from tests.service.wire import Wire, wait_until

MIB = 1024 * 1024
CLIENTS = 200
AT_ONCE = 8
STALL = 10.0
"""Seconds after which the server gives up a reader: much more than seeing that it rests takes."""
POOLS = ("AnyIO", "uvloop", "fake-prepare", "fake-read", "client")


def resident() -> int:
    """Bytes of this process, and so of its server, that are in memory."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in text.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def open_files() -> list[str]:
    """What each descriptor of this process is; temporary files have no name any more."""
    found = []
    for path in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(path.readlink()))
        except FileNotFoundError:
            continue  # the one that lists them
    return found


def temporary(files: list[str], folder: Path) -> list[str]:
    """Those that lie in a folder, whether they still have a name or not."""
    return [name for name in files if name.startswith(str(folder))]


def threads_of_its_own() -> set[str]:
    """Names of the threads, but for the workers of pools, which are bounded and stay."""
    names = (thread.name for thread in threading.enumerate())
    return {name for name in names if not name.startswith(POOLS)}


def test_decoding_stops_with_a_reader_and_the_session_is_given_up(tmp_path: Path) -> None:
    frames, stall = 2000, 1.5
    body = clip("mp4", frames)
    seen: list[Session] = []

    async def stop_reading(app: FastAPI) -> int:
        reader = Reader(body, asyncio.Event())
        asking = asyncio.create_task(reader.ask(app))
        async with asyncio.timeout(WAIT):
            await reader.uploaded.wait()
            seen.extend(app.state.sessions._running)
            before = resident()
            await asking
        return resident() - before

    with serving(stall_seconds=stall, spool_dir=tmp_path) as (_, app):
        grown = asyncio.run(stop_reading(app))
        (session,) = seen
        # A second and a half is enough for all of the frames: those that were followed are the
        # ones that found room.
        assert session.next_frame <= MOST_LINES + 2
        assert grown < 8 * MIB
        assert is_idle(app)
        assert not Path(f"/proc/{session._video.pid}").exists()
        assert temporary(open_files(), tmp_path) == []


class Crowded(FakeDetector):
    """Finds so much in every picture that the lines soon fill what the connection holds."""

    def start(self, batch: Sequence[FakePrepared]) -> Future[list[NDArray[np.float32]]]:
        left, top = (axis.ravel() * 20.0 for axis in np.meshgrid(np.arange(30), np.arange(18)))
        rows = np.column_stack([left, top, left + 15, top + 15, left * 0 + 0.9, left * 0])
        answer: Future[list[NDArray[np.float32]]] = Future()
        answer.set_result([rows.astype(np.float32)] * len(batch))
        return answer


def settled(read: Callable[[], tuple[float, ...]]) -> tuple[float, ...]:
    """What does not change any more for a second."""
    tick = threading.Event()
    last, same = read(), 0
    for _ in range(int(WAIT * 2 / 0.05)):
        tick.wait(0.05)
        now = read()
        last, same = now, same + 1 if now == last else 0
        if same == 20:
            return last
    raise AssertionError("it never came to rest")


def test_a_decoder_of_real_footage_rests_with_its_reader_and_dies_with_the_session(
    tmp_path: Path,
) -> None:
    footage = catalog.locate("sample-car-video")
    if footage is None:
        pytest.skip("no sample-car-video here: trackline models pull sample-car-video")
    with (
        serving(
            lambda name: Crowded(), stall_seconds=STALL, spool_dir=tmp_path, log_level="info"
        ) as (address, app),
        Wire(address, f"{TRACK}&max_det=1000&tracker=sort") as wire,
    ):
        wire.send(footage.read_bytes())
        wire.finish()
        frames = wire.line()["frames"]
        (session,) = app.state.sessions._running
        decoder = Path(f"/proc/{session._video.pid}")

        def at_work() -> tuple[float, ...]:
            user, system = (decoder / "stat").read_text().rpartition(")")[2].split()[11:13]
            return session.next_frame, int(user), int(system)

        rests = settled(at_work)
        memory = resident()
        assert 0 < rests[0] < frames / 2
        wait_until(lambda: is_idle(app), STALL * 3)
        # What the model had already may still be followed; nothing is decoded for it.
        assert session.next_frame <= rests[0] + app.state.settings.frames_in_flight
        assert not decoder.exists()
        assert resident() - memory < 8 * MIB
        assert temporary(open_files(), tmp_path) == []


def test_clients_that_vanish_in_the_middle_leave_nothing_behind(tmp_path: Path) -> None:
    streamed, spooled = clip("mp4", AS_LONG_AS), clip("mp4", AS_LONG_AS, options=INDEX_LAST)

    def vanish(number: int) -> None:
        share = (number % 20 + 1) / 21
        if number % 4:
            wire = Wire(address, TRACK)
            wire.send(streamed[: int(len(streamed) * max(share, 0.5))])
            assert wire.line()["type"] == "header"
        else:
            wire = Wire(address, TRACK)
            wire.send(spooled[: int(len(spooled) * share)])
        wire.vanish()

    with (
        serving(spool_dir=tmp_path, max_sessions=CLIENTS) as (address, app),
        ThreadPoolExecutor(AT_ONCE, "client") as pool,
    ):
        list(pool.map(vanish, range(AT_ONCE * 4)))
        wait_until(lambda: is_idle(app))
        gc.collect()
        files, threads, memory = len(open_files()), threads_of_its_own(), resident()
        list(pool.map(vanish, range(CLIENTS)))
        wait_until(lambda: is_idle(app))
        wait_until(lambda: len(open_files()) <= files)
        wait_until(lambda: threads_of_its_own() <= threads)
        gc.collect()
        assert resident() - memory < 16 * MIB
        assert temporary(open_files(), tmp_path) == []
        assert list(tmp_path.iterdir()) == []
