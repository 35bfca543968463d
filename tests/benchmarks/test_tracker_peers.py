"""The comparison with other trackers: rows and times of a peer, and the tables of the figures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.tracker_input import SEQUENCES
from benchmarks.tracker_peer_worker import Array, Peer, run
from benchmarks.tracker_peers import accuracy_table, peers, speed_table
from benchmarks.tracker_pictures import fill


def echo() -> Peer:
    """A peer that calls the first detection of every frame number 7."""

    def prepare(boxes: Array, scores: Array, embeddings: Array) -> Any:
        assert len(boxes) == len(scores) == len(embeddings)
        return np.column_stack([boxes, scores])[:1]

    def read(answer: Any) -> Array:
        return np.column_stack([np.full(len(answer), 7), answer])

    return Peer(prepare, lambda given: given, read)


def test_a_peer_sees_every_frame_and_its_boxes_become_mot_rows() -> None:
    stream = {
        "det": np.array([[10, 20, 40, 90, 0.5], [0, 0, 5, 5, 0.1], [30, 20, 60, 90, 0.75]]),
        "emb": np.eye(3, 4),
        "off": np.array([0, 2, 2, 3]),
    }
    rows, wall, cpu = run(echo(), stream)
    np.testing.assert_array_equal(rows, [[1, 7, 10, 20, 30, 70, 0.5], [3, 7, 30, 20, 30, 70, 0.75]])
    assert len(wall) == len(cpu) == 3


def test_this_interpreter_lists_the_peers_that_it_has() -> None:
    assert "Ultralytics ByteTrack" in peers(Path(sys.executable))


def test_without_an_environment_there_are_no_peers(tmp_path: Path) -> None:
    assert peers(tmp_path / "python") == {}


def scores(hota: float) -> dict[str, dict[str, float]]:
    keys = ("hota", "deta", "assa", "idf1", "mota")
    row = {**dict.fromkeys(keys, hota), "idsw": 3}
    return dict.fromkeys((*SEQUENCES, "COMBINED"), row)


def test_the_most_accurate_stands_first() -> None:
    lines = accuracy_table({"worse": scores(0.5), "better": scores(0.625)}).splitlines()
    assert lines[2].startswith("| better | 62.5 |")
    assert lines[3].startswith("| worse | 50.0 |")
    assert len({line.count("|") for line in lines}) == 1


def test_the_cheapest_at_the_largest_size_stands_first() -> None:
    def cost(ms: float) -> dict[str, float]:
        return {"cpu_ms": ms, "wall_ms": 2 * ms}

    figures = {
        "slow": {"20": cost(1.0), "200": cost(9.0)},
        "fast": {"20": cost(2.0), "200": cost(3.0)},
    }
    lines = speed_table(figures).splitlines()
    assert lines[0] == "| tracker | 20 objects | 200 objects |"
    assert lines[2] == "| fast | 2.00 (4.00) | 3.00 (6.00) |"


def test_the_table_is_written_between_its_markers() -> None:
    page = "a\n<!-- speed -->\nold\n<!-- end of speed -->\nb\n"
    filled = fill(page, "speed", "new")
    assert filled == "a\n<!-- speed -->\nnew\n<!-- end of speed -->\nb\n"
    assert fill(filled, "speed", "new") == filled
    with pytest.raises(ValueError, match="found them 0 times"):
        fill("no markers", "speed", "new")
