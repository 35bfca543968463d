"""DeepSort on real sequences: what is promised of the defaults, with all embeddings and lazily."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from benchmarks.tracker_accuracy import score
from benchmarks.tracker_input import SEQUENCES, load
from tracker import DeepSort
from tracker.evaluate import COMBINED, Scores, evaluate
from tracker.mot import read_mot, to_rows

BEST_PEER = {"TUD-Campus": 0.569, "TUD-Stadtmitte": 0.632, "KITTI-17": 0.601, "PETS09-S2L1": 0.594}
"""HOTA of the best of the other trackers on each sequence, same detections and embeddings."""


def scores_of(folder: Path, *, lazy: bool) -> tuple[dict[str, Scores], dict[str, float]]:
    """Scores of the four sequences, and the share of boxes whose embedding was asked for."""
    truth, results, shares = {}, {}, {}
    for name in BEST_PEER:
        ready = np.load(folder / name / "yolo26n-osnet.npz")
        detections, embeddings = ready["det"], ready["emb"].astype(np.float32)
        tracker, answers, asked = DeepSort(), [], 0
        for frame, (start, stop) in enumerate(pairwise(ready["off"]), 1):
            table = embeddings[start:stop]
            if lazy:

                def embed(rows: np.ndarray, table: np.ndarray = table) -> np.ndarray:
                    nonlocal asked
                    asked += len(rows)
                    chosen: np.ndarray = table[rows]
                    return chosen

                source = embed
            answer = tracker.update(
                detections[start:stop, :4],
                detections[start:stop, 4],
                embeddings=source if lazy else table,
            )
            assert answer is not None
            answers.append((frame, answer))
        truth[name] = read_mot(folder / name / "gt.txt")
        results[name] = to_rows(answers)
        shares[name] = asked / len(detections)
    return evaluate(truth, results), shares


@pytest.fixture(scope="module")
def eager(mot_dir: Path) -> dict[str, Scores]:
    return scores_of(mot_dir, lazy=False)[0]


def test_all_four_together(eager: dict[str, Scores]) -> None:
    total = eager[COMBINED]
    assert round(100 * total.hota, 1) >= 66.0
    assert round(100 * total.idf1, 1) >= 90.0
    assert round(100 * total.mota, 1) >= 79.5


@pytest.mark.parametrize("name", BEST_PEER)
def test_each_is_above_the_best_peer(eager: dict[str, Scores], name: str) -> None:
    assert eager[name].hota > BEST_PEER[name]


def test_lazy_embeddings_cost_little_accuracy(mot_dir: Path, eager: dict[str, Scores]) -> None:
    scores, shares = scores_of(mot_dir, lazy=True)
    assert shares["PETS09-S2L1"] <= 0.26
    assert scores["PETS09-S2L1"].hota >= eager["PETS09-S2L1"].hota - 0.003
    assert scores[COMBINED].hota >= eager[COMBINED].hota - 0.003


def test_five_frames_late(mot_dir: Path) -> None:
    sequences = [load(mot_dir, name) for name in SEQUENCES]
    total = score(partial(DeepSort, delay=5), sequences)[COMBINED]
    assert round(100 * total.hota, 1) >= 69.5


def test_after_the_last_frame(mot_dir: Path) -> None:
    sequences = [load(mot_dir, name) for name in SEQUENCES]
    total = score(DeepSort, sequences, offline=True)[COMBINED]
    assert round(100 * total.hota, 1) >= 73.0
    assert round(100 * total.idf1, 1) >= 95.0
