"""A server at twice its capacity for long: quick refusals, accepted work ends, nothing grows.

    python -m benchmarks.soak [--seconds 1800] [--model yolo26n] [--json FILE]

First clients that wait for their answers measure what the server can do, of images and videos
together. Then twice as many come, at random moments and whatever the server says, and every tenth
of them leaves in the middle. Refusals are 429; accepted images, streams and jobs are read to their
end; and what the server holds is looked at again and again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.fuzz_corpus import moving
from benchmarks.service_images import pictures
from benchmarks.service_process import Process, trackline
from benchmarks.soak_clients import Answer, Kind, Traffic
from benchmarks.soak_watch import Held, Watch, held_by, quarters
from models import catalog

TIMES = 2.0
"""Load, in capacities."""
CLIENTS = {Kind.IMAGE: 32, Kind.STREAM: 2, Kind.JOB: 1}
"""That measure the capacity."""
WIDTH, HEIGHT = 640, 360
FRAMES = 48
LOOKS = 60
"""At what the server holds; each of them holds it up for some milliseconds."""
QUICK = 0.1
"""Seconds in which a refusal must be there."""
SLOWER = 3.0
"""Times the p99 at capacity that accepted images may take."""
GROWTH = {"memory_mib": 0.03, "threads": 0.05, "handles": 0.1, "processes": 0.25, "files": 0.25}
"""Share by which the last quarter may be above the third one, where the load only wavers."""
SLACK = {"memory_mib": 16, "threads": 16, "handles": 16, "processes": 4, "files": 20}
"""The same in units of each, where a share says little: pools fill up to their bounds."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure and its bound.

    Attributes
    ----------
    what : str
        What it is.
    value : float
        What was measured.
    most : float
        What is allowed.
    timed : bool
        Whether it depends on how busy the machine is otherwise.
    """

    what: str
    value: float
    most: float
    timed: bool = False

    @property
    def kept(self) -> bool:
        """Whether the bound is kept."""
        return self.value <= self.most


@dataclass(frozen=True, slots=True)
class Soak:
    """What was seen.

    Attributes
    ----------
    capacity, offered : mapping of Kind to float
        Answers a second that the server can give, and clients a second that came.
    calm, loaded : list of Answer
        Of the clients that measured, and of those that came.
    seen : list of Held
        While they came.
    before, after : Held
        While nobody was there.
    """

    capacity: Mapping[Kind, float]
    offered: Mapping[Kind, float]
    calm: list[Answer]
    loaded: list[Answer]
    seen: list[Held]
    before: Held
    after: Held

    def rows(self) -> list[Row]:
        """The figures and their bounds."""
        refused = [answer.head for answer in self.loaded if answer.status == 429]
        lasting = [answer for answer in self.loaded if not answer.vanished]
        odd = [answer for answer in lasting if answer.status not in (200, 202, 429)]
        unended = [answer for answer in lasting if answer.status in (200, 202) and not answer.ended]
        calm, loaded = (_p99(answers) for answers in (self.calm, self.loaded))
        rows = [
            Row("nobody was refused, so it was no test", float(not refused), 0, timed=True),
            Row("answers other than 200, 202 and 429", len(odd), 0),
            Row("accepted work that did not end", len(unended), 0),
            Row("p99 of refusals, ms", 1000 * _percentile(refused, 99), 1000 * QUICK, timed=True),
            Row("p99 of accepted images, ms", loaded, SLOWER * calm, timed=True),
        ]
        for name, (third, last) in quarters(self.seen).items():
            most = max(third * (1 + GROWTH[name]), third + SLACK[name])
            rows.append(Row(f"{name}, last quarter", last, most))
        for name in ("threads", "handles", "processes", "files"):
            idle, most = getattr(self.after, name), getattr(self.before, name) + SLACK[name]
            rows.append(Row(f"{name}, when all have gone", idle, most))
        return rows


def soak(
    server: Process,
    folder: Path,
    bodies: Mapping[Kind, bytes],
    seconds: float,
    measure_seconds: float,
    *,
    clients: Mapping[Kind, int] = CLIENTS,
) -> Soak:
    """Measure the capacity of a server, and then give it twice as much to do.

    Parameters
    ----------
    server : Process
        The server.
    folder : Path
        Has its jobs and temporary files.
    bodies : mapping of Kind to bytes
        A picture and two videos.
    seconds, measure_seconds : float
        How long the load lasts, and the measurement before it.
    clients : mapping of Kind to int
        That measure the capacity.
    """
    warm, calm = (Traffic(server.port, bodies) for _ in range(2))
    asyncio.run(warm.closed(clients, measure_seconds / 4))
    before = _settled(server, folder)
    began = time.monotonic()
    asyncio.run(calm.closed(clients, measure_seconds))
    took = time.monotonic() - began
    counts = Counter(answer.kind for answer in calm.answers if answer.status in (200, 202))
    capacity = {kind: counts[kind] / took for kind in Kind}
    offered = {kind: TIMES * rate for kind, rate in capacity.items()}
    load = Traffic(server.port, bodies, seed=1)
    with Watch(server, folder, seconds / LOOKS) as watch:
        asyncio.run(load.open(offered, seconds))
    after = _settled(server, folder)
    return Soak(capacity, offered, calm.answers, load.answers, watch.seen[:LOOKS], before, after)


def _settled(server: Process, folder: Path) -> Held:
    """What is held once work of clients that left has ended."""
    until = time.monotonic() + 30
    while (held := held_by(server, folder)).processes > 2 and time.monotonic() < until:
        time.sleep(0.2)
    return held


def _p99(answers: Sequence[Answer]) -> float:
    """Milliseconds of accepted images."""
    images = (one for one in answers if one.kind is Kind.IMAGE and one.status == 200)
    return 1000 * _percentile([one.whole for one in images if not one.vanished], 99)


def _percentile(values: Sequence[float], share: float) -> float:
    return float(np.percentile(values, share)) if values else 0.0


@contextmanager
def served(model: str, **settings: str) -> Iterator[tuple[Process, Path]]:
    """A server, and the folder of its jobs and temporary files."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "temporary").mkdir()
        places = {
            "TRACKLINE_JOBS_DIR": str(folder / "jobs"),
            "TMPDIR": str(folder / "temporary"),
            "TRACKLINE_EMBEDDER": "colour",
            # Jobs are refused too, and wait for minutes at most.
            "TRACKLINE_MAX_QUEUED_JOBS": "4",
            "TRACKLINE_LOG_LEVEL": "error",
        }
        with trackline(places | settings, ["--models", model]) as server:
            yield server, folder


def main(arguments: list[str]) -> None:
    """Soak a server, print the table, and fail where a bound is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--measure-seconds", type=float, default=20)
    parser.add_argument("--model", default="yolo26n")
    parser.add_argument("--json", type=Path, help="where the figures are written")
    given = parser.parse_args(arguments)
    footage = catalog.fetch("sample-car-video").read_bytes()
    video = moving(FRAMES)
    picture = pictures(footage, WIDTH, HEIGHT)[0]
    bodies = {Kind.IMAGE: picture, Kind.STREAM: video, Kind.JOB: video}
    with served(given.model) as (server, folder):
        result = soak(server, folder, bodies, given.seconds, given.measure_seconds)
    _show(result)
    if given.json is not None:
        given.json.write_text(json.dumps(_figures(result), indent=1) + "\n", encoding="utf-8")
    if not all(row.kept for row in result.rows()):
        raise SystemExit("a bound was not kept")


def _counts(answers: Sequence[Answer]) -> dict[str, int]:
    counted = Counter(f"{one.kind} {'vanished' if one.vanished else one.status}" for one in answers)
    return dict(sorted(counted.items()))


def _figures(result: Soak) -> dict[str, object]:
    return {
        "capacity": result.capacity,
        "offered": result.offered,
        "answers": _counts(result.loaded),
        "p99_ms": {"at capacity": _p99(result.calm), "at twice": _p99(result.loaded)},
        "rows": [asdict(row) | {"kept": row.kept} for row in result.rows()],
        "held": [asdict(held) for held in result.seen],
    }


def _show(result: Soak) -> None:
    console = Console()
    rates = ", ".join(f"{rate:.1f} {kind}s" for kind, rate in result.capacity.items())
    console.print(f"capacity a second: {rates}; p99 of images {_p99(result.calm):.0f} ms")
    console.print(", ".join(f"{what}: {count}" for what, count in _counts(result.loaded).items()))
    table = Table("figure", "value", "at most", "kept")
    for row in result.rows():
        table.add_row(row.what, f"{row.value:.1f}", f"{row.most:.1f}", "yes" if row.kept else "NO")
    console.print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
