"""Clients that stop reading, or vanish in the middle: their work stops and nothing is left."""

from __future__ import annotations

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fastapi import FastAPI

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
POOLS = ("AnyIO", "uvloop", "fake-prepare", "fake-read")


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
        ThreadPoolExecutor(AT_ONCE) as pool,
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
