"""How well a tracker follows real people, on ready detections and embeddings.

    python -m benchmarks.tracker_accuracy --mot-dir DIR [--tracker NAME] [--delay N] [--refine]
        [--set FIELD=VALUE ...] [--replicas] [-o RESULTS] [--json]

The table is that of the clean input. ``--replicas`` adds the mean over twelve disturbed ones:
forwards and backwards in time, each clean, with jitter and dropout, with lower confidences, with a
panning view, at half the frame rate, and with bursts of misses. One swap moves a single figure by a
percent or more; the mean is what settings are judged by.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.tracker_input import REPLICAS, SEQUENCES, Sequence, backwards, load, refined, track
from tracker.evaluate import COMBINED, Scores, evaluate
from tracker.mot import Rows, write_mot
from tracker.presets import PRESETS, make_tracker
from tracker.types import Tracker

Make = Callable[[], Tracker]
SHARES = ("hota", "deta", "assa", "idf1", "mota")


def results(make: Make, sequences: list[Sequence], offline: bool = False) -> dict[str, Rows]:
    """MOT rows of each sequence, each by a new tracker."""
    rows = {}
    for sequence in sequences:
        online = track(make(), sequence)
        rows[sequence.name] = refined(online, sequence) if offline else online
    return rows


def score(make: Make, sequences: list[Sequence], offline: bool = False) -> dict[str, Scores]:
    """Scores of each sequence and of all together."""
    truth = {sequence.name: sequence.truth for sequence in sequences}
    return evaluate(truth, results(make, sequences, offline))


def replicas(sequences: list[Sequence]) -> dict[str, list[Sequence]]:
    """All sequences under every disturbance, in both directions of time."""
    directions = {"forwards": sequences, "backwards": [backwards(s) for s in sequences]}
    return {
        f"{name}, {direction}": [disturb(sequence) for sequence in turned]
        for direction, turned in directions.items()
        for name, disturb in REPLICAS.items()
    }


def table(scores: Mapping[str, Scores], title: str = "sequence") -> str:
    """A line a name: shares in percent, and switches."""
    lines = [f"{title:26s}  HOTA  DetA  AssA  IDF1  MOTA  IDSW"]
    for name, row in scores.items():
        shares = " ".join(f"{100 * getattr(row, share):5.1f}" for share in SHARES)
        lines.append(f"{name:26s} {shares} {row.idsw:5d}")
    return "\n".join(lines)


def _settings(pairs: list[str]) -> dict[str, Any]:
    """Settings from FIELD=VALUE, values as JSON."""
    split = (pair.partition("=") for pair in pairs)
    return {name: json.loads(value) for name, _, value in split}


def main() -> None:
    """Run, print, and write what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--mot-dir", type=Path, required=True)
    parser.add_argument("--tracker", default="deepsort", choices=PRESETS)
    parser.add_argument("--delay", type=int, default=0)
    parser.add_argument("--refine", action="store_true")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--replicas", action="store_true")
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    sequences = [load(arguments.mot_dir, name) for name in SEQUENCES]
    settings = _settings(arguments.set)
    make = partial(make_tracker, arguments.tracker, delay=arguments.delay, **settings)
    report: dict[str, Mapping[str, Scores]] = {}
    rows = results(make, sequences, arguments.refine)
    report["clean"] = evaluate({s.name: s.truth for s in sequences}, rows)
    if arguments.output:
        arguments.output.mkdir(parents=True, exist_ok=True)
        for name, found in rows.items():
            write_mot(arguments.output / f"{name}.txt", found)
    if arguments.replicas:
        report["replicas"] = {
            name: score(make, copies, arguments.refine)[COMBINED]
            for name, copies in replicas(sequences).items()
        }
    if arguments.json:
        print(json.dumps({k: {n: asdict(s) for n, s in v.items()} for k, v in report.items()}))
        return
    for title, scores in report.items():
        print(table(scores, title), end="\n\n")
    if arguments.replicas:
        print(f"mean over {len(report['replicas'])} replicas:", _means(report["replicas"]))


def _means(scores: Mapping[str, Scores]) -> str:
    means = {share: np.mean([getattr(s, share) for s in scores.values()]) for share in SHARES}
    return ", ".join(f"{share.upper()} {100 * mean:.2f}" for share, mean in means.items())


if __name__ == "__main__":
    main()
