"""Thousands of damaged pictures and videos through a real server: it must neither fail nor grow.

    python -m benchmarks.fuzz_server [--files 5000] [--first 0] [--seed 0] [--json FILE]

Each file is answered within ten seconds, with a refusal or with tracks, and never with 500 or more;
afterwards no decoder, handle or job is left, and the memory is that of the first tenth. A file that
is answered otherwise is named by its number: ``--first NUMBER --files 1`` sends it again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks.fuzz_corpus import Damaged, damaged
from benchmarks.service_process import Process, trackline

CLIENTS = 4
LONGEST = 10.0
"""Seconds that an answer may take."""
MOST_GROWTH = 32 << 20
"""Bytes that the server may have more after all files than after the first tenth."""
MOST_HANDLES = 8
"""Descriptors that may be more: connections to the database are opened when they are needed."""
SETTINGS = {"TRACKLINE_LOG_LEVEL": "error", "TRACKLINE_EMBEDDER": "colour"}
FAILURES = {"internal_error", "model_failed", "service_error"}
"""Codes of a stream's last line that are the server's own fault."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said to a file.

    Attributes
    ----------
    number : int
        Of the file.
    route : str
        Where it was sent.
    said : str
        Status, and for streams the code of the last line.
    seconds : float
        Until all of it was there.
    wrong : bool
        Whether it should not have been so.
    """

    number: int
    route: str
    said: str
    seconds: float
    wrong: bool


def ask(http: httpx.Client, file: Damaged) -> Answer:
    """Send a file where files of its kind are taken; every third video as a job."""
    began = time.perf_counter()
    if not file.is_video:
        route, ask_for = "detect", _detect
    elif file.number // 2 % 3:
        route, ask_for = "track", _track
    else:
        route, ask_for = "videos", _job
    try:
        said, wrong = ask_for(http, file.data)
    except httpx.HTTPError as error:
        said, wrong = type(error).__name__, True
    seconds = time.perf_counter() - began
    return Answer(file.number, route, said, seconds, wrong or seconds > LONGEST)


def _detect(http: httpx.Client, data: bytes) -> tuple[str, bool]:
    answer = http.post("/v1/detect", content=data)
    return str(answer.status_code), answer.status_code >= 500


def _track(http: httpx.Client, data: bytes) -> tuple[str, bool]:
    return _ending(http.post("/v1/track", content=data))


def _job(http: httpx.Client, data: bytes) -> tuple[str, bool]:
    answer = http.post("/v1/videos", content=data)
    if answer.status_code != 202:
        return str(answer.status_code), answer.status_code >= 500
    job = answer.headers["location"]
    ending = _ending(http.get(f"{job}/tracks"))
    removed = http.delete(job).status_code
    return (f"{removed} on removal", True) if removed != 204 else ending


def _ending(answer: httpx.Response) -> tuple[str, bool]:
    """Status and last line of a track stream, and whether they are wrong."""
    if answer.status_code != 200:
        return str(answer.status_code), answer.status_code >= 500
    last = json.loads(answer.text.splitlines()[-1])
    if last["type"] == "end":
        return "200 end", False
    if last["type"] != "error":
        return "200 cut off", True
    return f"200 {last['code']}", last["code"] in FAILURES


def ask_all(address: str, numbers: Sequence[int], seed: int) -> Iterator[Answer]:
    """Send the files of these numbers, some at once."""
    with httpx.Client(base_url=address, timeout=LONGEST) as http, ThreadPoolExecutor(CLIENTS) as p:
        yield from p.map(lambda number: ask(http, damaged(number, seed)), numbers)


@dataclass(frozen=True, slots=True)
class Held:
    """What a server and its decoders hold when nothing is under way."""

    memory: int
    handles: int
    threads: int
    processes: int


def held_by(server: Process) -> Held:
    """What it holds once the decoders have gone."""
    until = time.monotonic() + LONGEST
    while server.processes() > 2 and time.monotonic() < until:
        time.sleep(0.05)
    return Held(server.memory(), server.handles(), server.threads(), server.processes())


def main(arguments: list[str]) -> None:
    """Send all files, print what was answered, and fail where it is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="where the figures are written")
    given = parser.parse_args(arguments)
    numbers = range(given.first, given.first + given.files)
    early = given.files // 10
    with trackline(SETTINGS, ["--models", "fake"]) as server:
        answers = list(ask_all(server.address, numbers[:early], given.seed))
        before = held_by(server)
        answers += ask_all(server.address, numbers[early:], given.seed)
        after = held_by(server)
        ready = httpx.get(f"{server.address}/v2/health/ready", timeout=LONGEST).is_success
    wrong = [answer for answer in answers if answer.wrong]
    _show(answers, wrong, before, after)
    if given.json is not None:
        figures = _figures(answers, wrong, before, after) | {"seed": given.seed}
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    grown = (
        after.memory - before.memory > MOST_GROWTH
        or after.handles - before.handles > MOST_HANDLES
        or after.processes > before.processes
    )
    if wrong or grown or not ready:
        raise SystemExit("the server failed on some files, holds on to something, or is not ready")


def _counts(answers: Sequence[Answer]) -> list[tuple[str, str, int]]:
    counted = Counter((answer.route, answer.said) for answer in answers)
    return [(route, said, count) for (route, said), count in sorted(counted.items())]


def _figures(
    answers: Sequence[Answer], wrong: Sequence[Answer], before: Held, after: Held
) -> dict[str, object]:
    return {
        "answers": _counts(answers),
        "slowest_seconds": max(answer.seconds for answer in answers),
        "wrong": [asdict(answer) for answer in wrong],
        "before": asdict(before),
        "after": asdict(after),
    }


def _show(answers: Sequence[Answer], wrong: Sequence[Answer], before: Held, after: Held) -> None:
    table = Table("route", "answer", "files")
    for route, said, count in _counts(answers):
        table.add_row(route, said, str(count))
    console = Console()
    console.print(table)
    slowest = max(answers, key=lambda answer: answer.seconds)
    console.print(f"slowest: file {slowest.number}, {slowest.seconds:.2f} s")
    for name in ("memory", "handles", "threads", "processes"):
        unit = 1 << 20 if name == "memory" else 1
        held = [getattr(one, name) / unit for one in (before, after)]
        console.print(f"{name}: {held[0]:.0f} after a tenth, {held[1]:.0f} after all")
    for answer in wrong:
        console.print(f"wrong: {answer}")


if __name__ == "__main__":
    main(sys.argv[1:])
