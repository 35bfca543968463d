"""A server that is killed again and again in its work, and what the next one makes of it.

    python -m benchmarks.kill [--kills 50] [--seed 0] [--json FILE]

Clients send jobs, images and streams; at a random moment the server gets SIGKILL, and another one
starts on the same folder. Every third one is killed while it still takes up what was left. The
others are left alone until all is done: every job that was ever accepted must then have the tracks
of an undisturbed run, each line once, the lines that a reader had before must be the first of
them, and no process and no file of a dead server may be left.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks.fuzz_corpus import moving, whole
from benchmarks.kill_clients import ANSWER_SECONDS, TRACK, Clients, Ledger, Wrong, comparable
from benchmarks.service_process import Process, trackline

FRAMES = (500, 300, 40)
"""Of the videos that are sent as jobs; the last one is sent as streams too."""
LATEST = 2.5
"""Seconds after which a server is killed at the latest."""
HASTY = 3
"""One of so many servers is killed while it still works on what it found."""


@dataclass(frozen=True, slots=True)
class Kill:
    """One server's life.

    Attributes
    ----------
    after : float
        Seconds from the first request, or from its start where it took nothing new, to its death.
    unfinished : int
        Accepted jobs that were not done then.
    accepted, images, streams : int
        What it accepted, and answered whole.
    recovery : float or None
        Seconds until the next server was ready and had done all of these jobs; None where that one
        was killed before.
    """

    after: float
    unfinished: int
    accepted: int
    images: int
    streams: int
    recovery: float | None = None


class Trial:
    """Servers on one folder, one after the other.

    Parameters
    ----------
    folder : Path
        Of their jobs and temporary files.
    seed : int
        Of the moments.
    frames : sequence of int
        Of the videos.
    """

    def __init__(self, folder: Path, seed: int, frames: Sequence[int] = FRAMES) -> None:
        self.ledger = Ledger()
        self._rng = random.Random(seed)  # noqa: S311
        self._jobs, self._temporary = folder / "jobs", folder / "temporary"
        self._temporary.mkdir()
        self._videos = [moving(count) for count in frames]
        self._image = whole("png")
        self._expected: list[bytes] = []

    def run(self, kills: int) -> list[Kill]:
        """Kill so many servers, and leave a last one alone.

        Raises
        ------
        Wrong
            Something was lost, doubled, changed or left.
        """
        lives: list[Kill] = []
        for number in range(kills + 1):
            began = time.monotonic()
            with self._server() as server:
                hasty = 0 < number < kills and number % HASTY == HASTY - 1
                if hasty:
                    lives.append(self._kill(server, None))
                    continue
                if not self._expected:
                    self._expected = [self._undisturbed(server, video) for video in self._videos]
                self._all_done(server)
                if lives:
                    lives[-1] = replace(lives[-1], recovery=time.monotonic() - began)
                if number < kills:
                    lives.append(self._kill(server, self._clients(server)))
        return lives

    @contextmanager
    def _server(self) -> Iterator[Process]:
        places = {
            "TRACKLINE_JOBS_DIR": str(self._jobs),
            "TRACKLINE_MAX_RUNNING_JOBS": "2",
            "TRACKLINE_LOG_LEVEL": "error",
            "TMPDIR": str(self._temporary),
        }
        with trackline(places, ["--models", "fake"]) as server:
            yield server

    def _clients(self, server: Process) -> Clients:
        return Clients(server.address, self._videos, self._expected, self._image, self.ledger)

    def _kill(self, server: Process, clients: Clients | None) -> Kill:
        """Let clients work, or none, and kill the server in the middle."""
        accepted, images, streams = self._counts()
        began = time.monotonic()
        if clients is not None:
            clients.start()
        time.sleep(self._rng.uniform(0, LATEST))
        after = time.monotonic() - began
        unfinished = self._unfinished(server)
        alive = server.kill()
        if clients is not None:
            clients.join()
        if alive:
            raise Wrong(f"processes outlived their server: {alive}")
        if left := list(self._temporary.iterdir()):
            raise Wrong(f"temporary files outlived their server: {left}")
        now = self._counts()
        return Kill(after, unfinished, now[0] - accepted, now[1] - images, now[2] - streams)

    def _counts(self) -> tuple[int, int, int]:
        return len(self.ledger.accepted), self.ledger.images, self.ledger.streams

    def _unfinished(self, server: Process) -> int:
        listed = _get(server, "/v1/videos?limit=1000").json()["videos"]
        return sum(job["status"] != "done" for job in listed)

    def _undisturbed(self, server: Process, video: bytes) -> bytes:
        answer = httpx.post(server.address + TRACK, content=video, timeout=ANSWER_SECONDS)
        return comparable(answer.content)

    def _all_done(self, server: Process) -> None:
        """Wait for every job, and compare it with what it should have given."""
        listed = {job["id"] for job in _get(server, "/v1/videos?limit=1000").json()["videos"]}
        ledger = self.ledger
        if lost := ledger.accepted.keys() - listed:
            raise Wrong(f"jobs were accepted and are gone: {lost}")
        if len(listed) > len(ledger.accepted) + ledger.unanswered:
            raise Wrong(f"{len(listed)} jobs of {len(ledger.accepted)} that were accepted")
        for job in sorted(listed):
            lines = _get(server, f"/v1/videos/{job}/tracks").content
            number = ledger.accepted.get(job)
            right = self._expected if number is None else [self._expected[number]]
            if comparable(lines) not in right:
                raise Wrong(f"job {job} ended otherwise: {lines[-300:].decode()}")
            if not lines.startswith(ledger.seen.get(job, b"")):
                raise Wrong(f"a reader of job {job} had lines before that are not there now")
        files = {path.name for path in self._jobs.rglob("*") if path.name.startswith("draft-")}
        folders = {path.name for path in self._jobs.iterdir() if path.is_dir()}
        if files or folders != listed:
            raise Wrong(f"left behind: {files | (folders ^ listed)}")


def _get(server: Process, path: str) -> httpx.Response:
    return httpx.get(server.address + path, timeout=ANSWER_SECONDS).raise_for_status()


def main(arguments: list[str]) -> None:
    """Run the trial, print a row a kill, and fail where something was not right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="where the figures are written")
    given = parser.parse_args(arguments)
    with TemporaryDirectory() as folder:
        trial = Trial(Path(folder), given.seed)
        try:
            lives = trial.run(given.kills)
        except Wrong as wrong:
            raise SystemExit(str(wrong)) from wrong
    _show(lives, trial.ledger)
    if given.json is not None:
        figures = {"seed": given.seed, "kills": [asdict(life) for life in lives]}
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def _show(lives: Sequence[Kill], ledger: Ledger) -> None:
    table = Table("kill", "after", "unfinished", "accepted", "images", "streams", "recovery")
    for number, life in enumerate(lives, start=1):
        recovery = "killed again" if life.recovery is None else f"{life.recovery:.1f} s"
        counts = (life.unfinished, life.accepted, life.images, life.streams)
        table.add_row(str(number), f"{life.after:.2f} s", *map(str, counts), recovery)
    console = Console()
    console.print(table)
    console.print(
        f"{len(lives)} kills, {len(ledger.accepted)} jobs accepted: every one ended right, each "
        f"line once; {ledger.images} images and {ledger.streams} streams were answered whole."
    )


if __name__ == "__main__":
    main(sys.argv[1:])
