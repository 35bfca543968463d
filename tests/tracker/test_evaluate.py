"""Scores: the numbers of an independent scorer, and what follows from their definitions."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.errors import InvalidInput
from tracker.evaluate import COMBINED, Scores, evaluate, evaluate_folders
from tracker.mot import Rows

REAL = ("KITTI-17", "PETS09-S2L1", "TUD-Campus", "TUD-Stadtmitte")


def walk(identity: int, frames: range, left: float = 0.0, flag: float = 1, kind: int = 1) -> Rows:
    """One object that walks to the right, a row a frame."""
    return np.array(
        [[t, identity, left + 2 * t, 50, 20, 50, flag, kind, -1, -1] for t in frames], np.float64
    )


def test_the_truth_itself_is_perfect() -> None:
    truth = np.concatenate([walk(1, range(1, 20)), walk(5, range(3, 12), left=200)])
    relabelled = truth.copy()
    relabelled[:, 1] += 100
    assert evaluate({"a": truth}, {"a": relabelled})["a"] == Scores(1, 1, 1, 1, 1, 0, 0, 0)


def test_a_changed_identity_is_one_switch_and_half_the_identity() -> None:
    truth = walk(1, range(1, 21))
    switched = truth.copy()
    switched[10:, 1] = 2
    score = evaluate({"a": truth}, {"a": switched})["a"]
    assert (score.idsw, score.fp, score.fn) == (1, 0, 0)
    assert score.idf1 == pytest.approx(0.5)
    assert score.mota == pytest.approx(0.95)
    assert score.deta == 1
    assert score.assa == pytest.approx(0.5)
    assert score.hota == pytest.approx(np.sqrt(0.5))


def test_no_tracks_at_all_are_misses_alone() -> None:
    score = evaluate({"a": walk(1, range(1, 11))}, {"a": np.zeros((0, 10))})["a"]
    assert (score.hota, score.idf1, score.fn, score.fp) == (0, 0, 10, 0)


def test_truth_that_is_flagged_off_is_not_missed() -> None:
    truth = np.concatenate([walk(1, range(1, 11)), walk(2, range(1, 11), left=300, flag=0)])
    assert evaluate({"a": truth}, {"a": walk(1, range(1, 11))})["a"].fn == 0


@pytest.mark.parametrize(("name", "false_positives"), [("MOT17-02-DPM", 0), ("PETS09", 10)])
def test_boxes_on_distractors_are_neither_right_nor_wrong_where_classes_are_known(
    name: str, false_positives: int
) -> None:
    reflection = walk(2, range(1, 11), left=300, flag=0, kind=12)
    truth = np.concatenate([walk(1, range(1, 11)), reflection])
    found = np.concatenate([walk(1, range(1, 11)), walk(2, range(1, 11), left=300)])
    assert evaluate({name: truth}, {name: found})[name].fp == false_positives


def test_other_classes_are_not_missed_where_classes_are_known() -> None:
    car = walk(2, range(1, 11), left=300, kind=3)
    truth = np.concatenate([walk(1, range(1, 11)), car])
    assert evaluate({"MOT17-02": truth}, {"MOT17-02": walk(1, range(1, 11))})["MOT17-02"].fn == 0


def test_sequences_are_combined_by_their_boxes_not_averaged() -> None:
    long, short = walk(1, range(1, 91)), walk(1, range(1, 11))
    scores = evaluate({"a": long, "b": short}, {"a": long, "b": np.zeros((0, 10))})
    assert list(scores) == ["a", "b", COMBINED]
    assert scores[COMBINED].deta == pytest.approx(0.9)
    assert scores[COMBINED].mota == pytest.approx(0.9)


@pytest.mark.parametrize("results", [{}, {"b": walk(1, range(1, 3))}])
def test_results_without_truth_are_refused(results: dict[str, Rows]) -> None:
    with pytest.raises(InvalidInput, match="results: expected"):
        evaluate({"a": walk(1, range(1, 3))}, results)


@pytest.mark.parametrize("layout", ["{}/gt/gt.txt", "{}/gt.txt", "{}.txt"])
def test_the_usual_layouts_of_truth_are_found(tmp_path: Path, layout: str) -> None:
    truth = tmp_path / "truth" / layout.format("seq")
    truth.parent.mkdir(parents=True)
    results = tmp_path / "results"
    results.mkdir()
    for path in (truth, results / "seq.txt"):
        path.write_text("1,1,0,0,10,10,1\n2,1,0,0,10,10,1\n")
    assert evaluate_folders(tmp_path / "truth", results)[COMBINED].hota == 1


def test_missing_folders_and_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="absent"):
        evaluate_folders(tmp_path / "absent", tmp_path)
    with pytest.raises(InvalidInput, match="no text files"):
        evaluate_folders(tmp_path, tmp_path)
    with pytest.raises(InvalidInput, match="ground truth of seq"):
        evaluate_folders(tmp_path, tmp_path, ["seq"])


def test_real_sequences_score_as_the_reference_scorer_says(mot_dir: Path, tmp_path: Path) -> None:
    for name in REAL:
        shutil.copyfile(mot_dir / name / "deep_sort-reference.txt", tmp_path / f"{name}.txt")
    ours = evaluate_folders(mot_dir, tmp_path)
    scorer = [sys.executable, str(mot_dir / "score.py"), str(tmp_path)]
    reference = subprocess.run(scorer, check=True, capture_output=True, text=True).stdout
    lines = [line.split() for line in reference.splitlines()[1:]]
    assert [line[0] for line in lines] == list(ours)
    for name, *numbers in lines:
        score = ours[name]
        shares = score.hota, score.deta, score.assa, score.idf1, score.mota
        assert [f"{100 * share:.1f}" for share in shares] == numbers[:5]
        assert [score.idsw, score.fp, score.fn] == [int(number) for number in numbers[5:]]
