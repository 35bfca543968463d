"""Trackline's trackers beside those of others, on identical input: accuracy and speed.

    benchmarks/install_peers.sh
    python -m benchmarks.tracker_peers --mot-dir DIR [--python .venv-peers/bin/python]
        [--objects 20,50,100,200] [--only TEXT ...] [--no-speed] [--json FILE]

Every peer runs at its own defaults in a process of the peers' environment, with one thread, and
gets the same detections and embeddings as ours. No frames are given to any, so none compensates
the motion of the camera. nwojke/deep_sort is not on the package index; its answers on this input
are read from ``deep_sort-reference.txt`` beside the sequences, where they are, and not timed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import one_thread
from benchmarks.tracker_input import READY, SEQUENCES, load, refined, track
from benchmarks.tracker_speed import MEASURED, WARM_UP, measure, summary
from benchmarks.tracker_stream import save
from tracker.evaluate import COMBINED, Scores, evaluate
from tracker.mot import Rows, read_mot
from tracker.presets import make_tracker
from tracker.refine import refine
from tracker.types import Tracker

WORKER = Path(__file__).with_name("tracker_peer_worker.py")
REFERENCE = "deep_sort-reference.txt"
TIMEOUT_S = 1800

OURS: dict[str, Callable[[], Tracker]] = {
    "Trackline DeepSort": partial(make_tracker, "deepsort"),
    "Trackline DeepSort, delay=5": partial(make_tracker, "deepsort", delay=5),
    "Trackline DeepSort.paper": partial(make_tracker, "deepsort-paper"),
    "Trackline Sort": partial(make_tracker, "sort"),
    "Trackline ByteTrack": partial(make_tracker, "bytetrack"),
    "Trackline BoTSort": partial(make_tracker, "botsort"),
}

Speed = dict[str, dict[str, dict[str, float]]]
"""Tracker -> number of objects -> figures of one run in ms."""


def peers(python: Path) -> dict[str, str]:
    """Names and versions of the peers that are installed beside this interpreter."""
    if not python.is_file():
        return {}
    listed = subprocess.run(
        [python, WORKER, "--list"], check=True, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    versions: dict[str, str] = json.loads(listed.stdout)
    return versions


def run_peer(python: Path, name: str, stream: Path) -> dict[str, np.ndarray]:
    """What a peer answers on a stream, and the milliseconds of every update."""
    print(f"{name} on {stream}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.npz"
        command: list[str | Path] = [python, WORKER, name, stream, answer]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=TIMEOUT_S)
        with np.load(answer) as stored:
            return dict(stored)


def accuracy(folder: Path, python: Path, names: list[str]) -> dict[str, dict[str, Scores]]:
    """Scores of ours and of some peers, by sequence and combined."""
    sequences = [load(folder, name) for name in SEQUENCES]
    truth = {sequence.name: sequence.truth for sequence in sequences}
    found: dict[str, dict[str, Rows]] = {
        name: {sequence.name: track(make(), sequence) for sequence in sequences}
        for name, make in OURS.items()
    }
    online = found["Trackline DeepSort"]
    found["Trackline refine(rows), offline"] = {name: refine(rows) for name, rows in online.items()}
    found["Trackline refine with detections, offline"] = {
        sequence.name: refined(online[sequence.name], sequence) for sequence in sequences
    }
    references = [folder / name / REFERENCE for name in SEQUENCES]
    if all(path.is_file() for path in references):
        answers = zip(SEQUENCES, map(read_mot, references), strict=True)
        found["nwojke/deep_sort"] = dict(answers)
    for peer in names:
        found[peer] = {
            name: run_peer(python, peer, folder / name / READY)["rows"] for name in SEQUENCES
        }
    return {name: evaluate(truth, rows) for name, rows in found.items()}


def speed(python: Path, names: list[str], sizes: list[int]) -> Speed:
    """Cost of an update of ours and of some peers, by number of objects."""
    figures: Speed = {name: {} for name in [*OURS, *names]}
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            stream = Path(folder) / f"{size} objects.npz"
            save(stream, size, WARM_UP + MEASURED)
            for name, make in OURS.items():
                figures[name][str(size)] = measure(make(), size)
            for name in names:
                answer = run_peer(python, name, stream)
                figures[name][str(size)] = summary(answer["cpu"], answer["wall"])
    return figures


def accuracy_table(scores: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """Markdown, the best first."""
    by_hota = sorted(scores.items(), key=lambda item: -item[1][COMBINED]["hota"])
    lines = [
        "| tracker | HOTA | DetA | AssA | IDF1 | MOTA | IDSW | " + " | ".join(SEQUENCES) + " |",
        "|---|" + "---|" * (6 + len(SEQUENCES)),
    ]
    for name, rows in by_hota:
        total = rows[COMBINED]
        shares = [f"{100 * total[key]:.1f}" for key in ("hota", "deta", "assa", "idf1", "mota")]
        each = [f"{100 * rows[sequence]['hota']:.1f}" for sequence in SEQUENCES]
        lines.append(f"| {' | '.join([name, *shares, str(total['idsw']), *each])} |")
    return "\n".join(lines)


def speed_table(figures: Speed) -> str:
    """Markdown, CPU and wall ms an update, the cheapest first."""
    sizes = list(next(iter(figures.values())))
    by_cost = sorted(figures.items(), key=lambda item: item[1][sizes[-1]]["cpu_ms"])
    head = " | ".join(f"{size} objects" for size in sizes)
    lines = [f"| tracker | {head} |", "|---|" + "---|" * len(sizes)]
    for name, rows in by_cost:
        cells = [f"{rows[size]['cpu_ms']:.2f} ({rows[size]['wall_ms']:.2f})" for size in sizes]
        lines.append(f"| {' | '.join([name, *cells])} |")
    return "\n".join(lines)


def report(arguments: argparse.Namespace) -> dict[str, Any]:
    """Everything that is asked for, as plain data."""
    versions = {
        name: version
        for name, version in peers(arguments.python).items()
        if not arguments.only or any(text.lower() in name.lower() for text in arguments.only)
    }
    answer: dict[str, Any] = {"date": time.strftime("%Y-%m-%d"), "versions": versions}
    if arguments.mot_dir:
        scores = accuracy(arguments.mot_dir, arguments.python, list(versions))
        answer["accuracy"] = {
            name: {sequence: asdict(row) for sequence, row in rows.items()}
            for name, rows in scores.items()
        }
    if not arguments.no_speed:
        sizes = [int(size) for size in arguments.objects.split(",")]
        answer["speed"] = speed(arguments.python, list(versions), sizes)
    return answer


def main() -> None:
    """Run, print both tables, and write the figures."""
    one_thread.restart("benchmarks.tracker_peers")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--mot-dir", type=Path)
    parser.add_argument("--python", type=Path, default=Path(".venv-peers/bin/python"))
    parser.add_argument("--objects", default="20,50,100,200")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--no-speed", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    figures = report(arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    if "accuracy" in figures:
        print(accuracy_table(figures["accuracy"]), end="\n\n")
    if "speed" in figures:
        print(speed_table(figures["speed"]))


if __name__ == "__main__":
    main()
