"""What a frame costs is counted, not timed: never more than every track against every detection."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from benchmarks.tracker_stream import stream
from tracker import DeepSort
from tracker.gallery import cosine_distances
from tracker.kalman import gating_distance
from tracker.settings import Span
from tracker.types import Float

Counts = dict[str, list[int]]


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counts:
    """Pairs that were gated, compared and solved, one number a call."""
    found: Counts = {"gated": [], "compared": [], "solved": []}

    def gated(*args: Any) -> Float:
        distance = gating_distance(*args)
        found["gated"].append(distance.size)
        return distance

    def solved(cost: Float) -> Any:
        found["solved"].append(cost.size)
        return linear_sum_assignment(cost)

    def compared(a: Any, b: Any, rows: Any, columns: Any) -> Float:
        found["compared"].append(len(rows))
        return cosine_distances(a, b, rows, columns)

    monkeypatch.setattr("tracker.matching.gating_distance", gated)
    monkeypatch.setattr("tracker.assignment.linear_sum_assignment", solved)
    monkeypatch.setattr("tracker.looks.cosine_distances", compared)
    return found


def taken(counts: Counts) -> dict[str, int]:
    """Sums since the call before."""
    sums = {name: sum(values) for name, values in counts.items()}
    for values in counts.values():
        values.clear()
    return sums


def known(tracker: DeepSort) -> int:
    """Tracks that it has, lost and tentative ones too."""
    return int(tracker._engine._tracks.shape[1])  # type: ignore[attr-defined]


@pytest.mark.parametrize("objects", [50, 200])
def test_no_step_looks_at_more_than_all_pairs(counts: Counts, objects: int) -> None:
    tracker = DeepSort()
    for frame in islice(stream(objects, turnover=0.02), 30):
        pairs = known(tracker) * len(frame.boxes)
        tracker.update(frame.boxes, frame.scores, embeddings=frame.embeddings)
        for name, count in taken(counts).items():
            assert count <= pairs, name


def test_a_steady_scene_needs_no_solver(counts: Counts) -> None:
    """The Hungarian method is cubic: of 300 objects it sees only those that are contested."""
    tracker = DeepSort()
    for frame in islice(stream(300), 30):
        tracker.update(frame.boxes, frame.scores, embeddings=frame.embeddings)
    assert sum(counts["solved"]) <= 300


def test_a_crowd_on_one_spot_is_solved_in_two_passes_at_most(counts: Counts) -> None:
    tracker = DeepSort()
    rng = np.random.default_rng(1)
    looks_alike = np.full((80, 4), 0.5)
    for _ in range(4):
        boxes = np.array([300.0, 200.0, 340.0, 300.0]) + rng.normal(size=(80, 4))
        pairs = known(tracker) * len(boxes)
        tracker.update(boxes, np.full(80, 0.9), embeddings=looks_alike)
        sums = taken(counts)
        assert max(sums.values()) <= 2 * pairs
    assert sums["solved"] > 0


def test_tracks_that_are_over_are_forgotten() -> None:
    """A tentative one as soon as it is missed, a confirmed one when its memory has passed."""
    tracker = DeepSort(memory=Span(20, 0.0))
    wall, person, ghost = [0.0, 0, 600, 30], [300.0, 200, 340, 300], [100.0, 200, 140, 300]
    low = [500.0, 400, 600, 480]
    tracker.update([wall, low, person, ghost], [0.9, 0.9, 0.9, 0.56])
    counts = []
    for _ in range(22):
        tracker.update([wall, low], [0.9, 0.9])
        counts.append(known(tracker))
    assert counts == [3] * 20 + [2] * 2
