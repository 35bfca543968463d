"""Whether the settings of the tracker stand on a plateau or on a peak of these sequences.

    python -m benchmarks.tracker_robustness --mot-dir DIR [--neighbours 12] [--json FILE]

Random neighbours of the default settings are scored on the replicas of tracker_accuracy. Settings
that were fitted to the sequences stand well above their neighbours. The figure for one sequence
left out is that of the settings, among the defaults and all neighbours, which do best on the other
three: what tuning on those three would have given on the fourth.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.tracker_accuracy import replicas, score, table
from benchmarks.tracker_input import SEQUENCES, Sequence, load, refined, track
from tracker import DeepSort
from tracker.evaluate import Scores, evaluate
from tracker.mot import Rows
from tracker.settings import Settings, Span

SPREAD = 0.25
"""Standard deviation of the change, in the logarithm or, for shares from 0 to 1, in log odds."""
SEED = 5

Hota = dict[str, float]
"""Mean over the replicas by sequence."""


def neighbour(settings: Settings, rng: np.random.Generator) -> Settings:
    """The same settings with every number and span of time changed by a random factor."""
    changes: dict[str, Any] = {}
    for field in fields(settings):
        value, step = getattr(settings, field.name), SPREAD * float(rng.normal())
        if isinstance(value, Span):
            factor = float(np.exp(step))
            changes[field.name] = Span(value.frames * factor, value.seconds * factor)
        elif isinstance(value, float) and 0 < value < 1:
            changes[field.name] = float(1 / (1 + (1 / value - 1) * np.exp(-step)))
        elif isinstance(value, float):
            changes[field.name] = value * float(np.exp(step))
    return replace(settings, **changes)


def chosen(candidates: list[Settings], hota: list[Hota]) -> dict[str, Settings]:
    """For each sequence the candidate that does best on the others."""
    best = {}
    for held in SEQUENCES:
        others = [sum(v for name, v in row.items() if name != held) for row in hota]
        best[held] = candidates[int(np.argmax(others))]
    return best


def leave_one_out(
    best: dict[str, Settings], sequences: list[Sequence]
) -> dict[str, dict[str, Scores]]:
    """Score each sequence with its settings: at once, five frames late, and after the last."""
    rows: dict[str, dict[str, Rows]] = {"at once": {}, "delay=5": {}, "refine": {}}
    for held in sequences:
        online = track(DeepSort(best[held.name]), held)
        rows["at once"][held.name] = online
        rows["delay=5"][held.name] = track(DeepSort(best[held.name], delay=5), held)
        rows["refine"][held.name] = refined(online, held)
    truth = {s.name: s.truth for s in sequences}
    return {way: evaluate(truth, found) for way, found in rows.items()}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--mot-dir", type=Path, required=True)
    parser.add_argument("--neighbours", type=int, default=12)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    sequences = [load(arguments.mot_dir, name) for name in SEQUENCES]
    disturbed = replicas(sequences).values()
    rng = np.random.default_rng(SEED)
    candidates = [Settings()]
    candidates += [neighbour(Settings(), rng) for _ in range(arguments.neighbours)]
    hota: list[Hota] = []
    for settings in candidates:
        runs = [score(partial(DeepSort, settings), copies) for copies in disturbed]
        hota.append({s.name: float(np.mean([run[s.name].hota for run in runs])) for s in sequences})
    means = [100 * float(np.mean(list(row.values()))) for row in hota]
    left_out = leave_one_out(chosen(candidates, hota), sequences)
    print(f"mean HOTA of a sequence over the replicas: {means[0]:.2f} by default")
    print(f"neighbours: median {np.median(means[1:]):.2f}, best {max(means[1:]):.2f}")
    for way, scores in left_out.items():
        print(table(scores, f"tuned on others, {way}"))
    if arguments.json:
        figures = {
            "default": means[0],
            "neighbours": means[1:],
            "leave_one_out": {
                way: {name: asdict(row) for name, row in scores.items()}
                for way, scores in left_out.items()
            },
        }
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
