"""Crossings of real people, counted on our tracks and on those of the ground truth."""

from __future__ import annotations

from configparser import ConfigParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from service.counting import counts
from service.counting.counts import Counter
from service.counting.regions import Line
from tracker import DeepSort
from tracker.mot import from_rows, read_mot
from tracker.types import Tracks

NAMES = ("TUD-Campus", "TUD-Stadtmitte", "KITTI-17", "PETS09-S2L1")
LINES = 40


Video = tuple[list[Line], float, list[Tracks], list[Tracks]]
"""Lines, frames a second, the true tracks and ours."""


@pytest.fixture(scope="module")
def videos(mot_dir: Path) -> list[Video]:
    """Each sequence."""
    rng = np.random.default_rng(1)
    # From somewhere in the upper part of the picture to somewhere in the lower one.
    lowest, highest = [0.05, 0.02, 0.05, 0.6], [0.95, 0.4, 0.95, 1.0]
    ends = rng.uniform(lowest, highest, (LINES, 4))
    found = []
    for name in NAMES:
        config = ConfigParser()
        config.read(mot_dir / name / "seqinfo.ini")
        told = config["Sequence"]
        size = np.array([int(told["imWidth"]), int(told["imHeight"])], np.float64)
        lines = [
            Line(str(number), end[:2] * size, end[2:] * size) for number, end in enumerate(ends)
        ]
        truth = from_rows(read_mot(mot_dir / name / "gt.txt"), int(told["seqLength"]))
        found.append((lines, float(told["frameRate"]), truth, tracked(mot_dir / name)))
    return found


def tracked(folder: Path) -> list[Tracks]:
    """Our tracks of a sequence."""
    ready = np.load(folder / "yolo26n-osnet.npz")
    boxes, looks = ready["det"], ready["emb"].astype(np.float32)
    tracker, answers = DeepSort(), []
    for start, stop in pairwise(ready["off"]):
        tracks = tracker.update(
            boxes[start:stop, :4], boxes[start:stop, 4], embeddings=looks[start:stop]
        )
        assert tracks is not None
        answers.append(tracks)
    return answers


def crossings(lines: list[Line], fps: float, frames: list[Tracks]) -> NDArray[np.int64]:
    """Crossings [lines, 2] of each line in each direction."""
    counter = Counter(lines, [])
    for number, tracks in enumerate(frames):
        counter.update(tracks, {0: "person"}, number / fps)
    counts = counter.totals()["lines"].values()
    return np.array([[one["a_to_b"], one["b_to_a"]] for one in counts])


def test_few_crossings_are_missed_or_made_up(
    videos: list[Video], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {}
    monkeypatch.setattr(counts, "MARGIN", 0.0)
    truth = [crossings(lines, fps, true) for lines, fps, true, _ in videos]
    for margin in (0.03, 0.0):
        monkeypatch.setattr(counts, "MARGIN", margin)
        ours = [crossings(lines, fps, tracks) for lines, fps, _, tracks in videos]
        wrong[margin] = sum(
            int(np.abs(one - other).sum()) for one, other in zip(ours, truth, strict=True)
        )
    total = sum(int(one.sum()) for one in truth)
    assert total > 1000
    assert wrong[0.03] < 0.09 * total
    assert wrong[0.03] < wrong[0.0]
