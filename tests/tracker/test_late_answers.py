"""On real sequences an answer that waits is better than one at once, and the last word is best."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tracker.deepsort import DeepSort
from tracker.evaluate import evaluate
from tracker.mot import COLUMNS, Rows, read_mot, to_rows
from tracker.refine import refine
from tracker.types import Tracks

SEQUENCES = ("TUD-Campus", "TUD-Stadtmitte", "KITTI-17", "PETS09-S2L1")


def detected(folder: Path) -> tuple[Rows, np.ndarray, list[slice], tuple[int, int]]:
    """All detections as MOT rows, their embeddings, the rows of each frame, the image's size."""
    ready = np.load(folder / "yolo26n-osnet.npz")
    boxes, offsets = ready["det"].astype(np.float64), ready["off"]
    rows = np.full((len(boxes), COLUMNS), -1.0)
    rows[:, 0] = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets)) + 1
    rows[:, 2:4], rows[:, 4:6], rows[:, 6] = boxes[:, :2], boxes[:, 2:4] - boxes[:, :2], boxes[:, 4]
    spans = [slice(a, b) for a, b in pairwise(offsets)]
    width, height = ready["wh"].tolist()
    return rows, ready["emb"].astype(np.float32), spans, (width, height)


def tracked(rows: Rows, embeddings: np.ndarray, spans: list[slice], delay: int) -> Rows:
    tracker = DeepSort(delay=delay)
    answers: list[Tracks] = []
    corners = np.hstack((rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]))
    for span in spans:
        answer = tracker.update(corners[span], rows[span, 6], embeddings=embeddings[span])
        answers += [] if answer is None else [answer]
    return to_rows(enumerate(answers + tracker.flush(), start=1))


@pytest.fixture(scope="module")
def scores(mot_dir: Path) -> dict[str, tuple[float, float]]:
    """HOTA and IDF1 of all sequences together: at once, five frames late, refined."""
    truth = {name: read_mot(mot_dir / name / "gt.txt") for name in SEQUENCES}
    answers: dict[str, dict[str, Rows]] = {"at once": {}, "late": {}, "refined": {}}
    for name in SEQUENCES:
        rows, embeddings, spans, size = detected(mot_dir / name)
        at_once = tracked(rows, embeddings, spans, 0)
        answers["at once"][name] = at_once
        answers["late"][name] = tracked(rows, embeddings, spans, 5)
        answers["refined"][name] = refine(
            at_once, detections=rows, detection_embeddings=embeddings, size=size
        )
    table = {kind: evaluate(truth, result)["COMBINED"] for kind, result in answers.items()}
    return {kind: (score.hota, score.idf1) for kind, score in table.items()}


def test_five_frames_of_delay_are_worth_three_points(
    scores: dict[str, tuple[float, float]],
) -> None:
    assert scores["late"][0] > scores["at once"][0] + 0.03
    assert scores["late"][0] > 0.695


def test_refinement_is_worth_six_points(scores: dict[str, tuple[float, float]]) -> None:
    assert scores["refined"][0] > scores["at once"][0] + 0.06
    assert round(100 * scores["refined"][0], 1) >= 73.0
    assert round(100 * scores["refined"][1], 1) >= 95.0
