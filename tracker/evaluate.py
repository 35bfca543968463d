"""How well tracks agree with the ground truth: HOTA, IDF1, MOTA and their parts, by TrackEval.

HOTA: Luiten et al., IJCV 2021. MOTA: Bernardin and Stiefelhagen, EURASIP JIVP 2008. IDF1:
Ristani et al., ECCV workshops 2016. What counts and what does not follows MOTChallenge: Milan et
al., arXiv:1603.00831, section 4.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from trackeval.metrics import CLEAR, HOTA, Identity

from models.boxes import box_iou, convert
from models.errors import InvalidInput
from tracker.mot import BOX, CLASS, FRAME, ID, SCORE, Rows, read_mot

COMBINED = "COMBINED"
"""The name of the row over all sequences."""

WITH_CLASSES = ("MOT16", "MOT17", "MOT20")
"""Sequences whose ground truth has a class in the eighth column, by the start of their name."""

PEDESTRIAN = 1
DISTRACTORS = (2, 7, 8, 12)
"""People on vehicles, static people, distractors and reflections: neither right nor wrong."""

MATCH_IOU = 0.5


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of one sequence, or of all; shares from 0 to 1, counts as they are.

    Attributes
    ----------
    hota, deta, assa : float
        Higher order tracking accuracy and its detection and association parts, each the mean
        over the IoU thresholds 0.05 to 0.95.
    idf1 : float
        Share of boxes with the right identity over the whole sequence, at IoU 0.5.
    mota : float
        One minus misses, false positives and switches over ground-truth boxes, at IoU 0.5.
    idsw, fp, fn : int
        Identity switches, false positives and misses, at IoU 0.5.
    """

    hota: float
    deta: float
    assa: float
    idf1: float
    mota: float
    idsw: int
    fp: int
    fn: int


def evaluate(truth: Mapping[str, Rows], results: Mapping[str, Rows]) -> dict[str, Scores]:
    """Score the results of some sequences.

    Parameters
    ----------
    truth : mapping of str to float64 [N, 10]
        Ground-truth rows of each sequence, as :func:`tracker.mot.read_mot` gives them. The name
        of a sequence says whether its rows have classes (``MOT16``, ``MOT17``, ``MOT20``).
    results : mapping of str to float64 [N, 10]
        The tracker's rows; its sequences are scored, and each must be in ``truth``.

    Returns
    -------
    dict of str to Scores
        One entry a sequence in the order of ``results``, then ``COMBINED`` over all of them.

    Raises
    ------
    InvalidInput
        There are no results, or none of the truth that one of them needs.
    """
    missing = [name for name in results if name not in truth]
    if missing or not results:
        wanted = f"ground truth for {', '.join(missing)}" if missing else "at least one sequence"
        raise InvalidInput(f"results: expected {wanted}; known sequences: {', '.join(truth)}")
    metrics = HOTA(), CLEAR({"PRINT_CONFIG": False}), Identity({"PRINT_CONFIG": False})
    per_metric: list[dict[str, Any]] = [{} for _ in metrics]
    for name, rows in results.items():
        data = _sequence(truth[name], rows, classes=name.startswith(WITH_CLASSES))
        for store, metric in zip(per_metric, metrics, strict=True):
            store[name] = metric.eval_sequence(data)
    scores = {name: _scores(*(store[name] for store in per_metric)) for name in results}
    combined = (m.combine_sequences(store) for store, m in zip(per_metric, metrics, strict=True))
    return scores | {COMBINED: _scores(*combined)}


def evaluate_folders(
    truth_dir: str | Path, results_dir: str | Path, sequences: Sequence[str] | None = None
) -> dict[str, Scores]:
    """Score the MOT text files of a folder.

    Parameters
    ----------
    truth_dir : str or Path
        Holds ``SEQUENCE/gt/gt.txt`` (MOTChallenge), ``SEQUENCE/gt.txt`` or ``SEQUENCE.txt``.
    results_dir : str or Path
        Holds ``SEQUENCE.txt``.
    sequences : sequence of str, optional
        What to score; without it every result file that has ground truth.

    Raises
    ------
    InvalidInput
        A folder or file is missing, or a line of one is not a MOT row.
    """
    truth_dir, results_dir = Path(truth_dir), Path(results_dir)
    for folder in (truth_dir, results_dir):
        if not folder.is_dir():
            raise InvalidInput(f"{folder}: expected a folder, there is none")
    if sequences is None:
        names = sorted(path.stem for path in results_dir.glob("*.txt"))
        sequences = [name for name in names if _truth_file(truth_dir, name) is not None]
        if not sequences:
            raise InvalidInput(
                f"{results_dir}: expected SEQUENCE.txt with ground truth in {truth_dir}, "
                f"got {', '.join(names) or 'no text files'}"
            )
    truth, results = {}, {}
    for name in sequences:
        source = _truth_file(truth_dir, name)
        if source is None:
            raise InvalidInput(f"{truth_dir}: expected ground truth of {name}: {name}/gt/gt.txt")
        truth[name] = read_mot(source)
        results[name] = read_mot(results_dir / f"{name}.txt")
    return evaluate(truth, results)


def _truth_file(folder: Path, name: str) -> Path | None:
    candidates = (folder / name / "gt" / "gt.txt", folder / name / "gt.txt", folder / f"{name}.txt")
    return next((path for path in candidates if path.is_file()), None)


def _scores(hota: dict[str, Any], clear: dict[str, Any], identity: dict[str, Any]) -> Scores:
    return Scores(
        hota=float(np.mean(hota["HOTA"])),
        deta=float(np.mean(hota["DetA"])),
        assa=float(np.mean(hota["AssA"])),
        idf1=float(identity["IDF1"]),
        mota=float(clear["MOTA"]),
        idsw=int(clear["IDSW"]),
        fp=int(clear["CLR_FP"]),
        fn=int(clear["CLR_FN"]),
    )


def _sequence(truth: Rows, rows: Rows, *, classes: bool) -> dict[str, Any]:
    """What TrackEval's metrics take: ids from 0 and the IoU of all pairs, frame by frame."""
    counts = truth[:, SCORE] == 1
    if classes:
        counts &= truth[:, CLASS] == PEDESTRIAN
    length = int(max(truth[:, FRAME].max(initial=0), rows[:, FRAME].max(initial=0)))
    true_ids, found_ids, overlaps = [], [], []
    for frame in range(1, length + 1):
        t = np.flatnonzero(truth[:, FRAME] == frame)
        r = np.flatnonzero(rows[:, FRAME] == frame)
        iou = box_iou(_corners(truth[t]), _corners(rows[r]))
        kept = ~_on_distractors(iou, truth[t, CLASS]) if classes else np.ones(len(r), np.bool_)
        counted = counts[t]
        true_ids.append(truth[t[counted], ID])
        found_ids.append(rows[r[kept], ID])
        overlaps.append(iou[np.ix_(counted, kept)])
    true_ids, true_count = _relabel(true_ids)
    found_ids, found_count = _relabel(found_ids)
    return {
        "num_timesteps": length,
        "gt_ids": true_ids,
        "tracker_ids": found_ids,
        "similarity_scores": overlaps,
        "num_gt_ids": true_count,
        "num_tracker_ids": found_count,
        "num_gt_dets": sum(map(len, true_ids)),
        "num_tracker_dets": sum(map(len, found_ids)),
    }


def _corners(rows: Rows) -> NDArray[np.float64]:
    return convert(rows[:, BOX], "xywh", "xyxy")


def _on_distractors(iou: NDArray[np.float64], classes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which boxes match someone that does not count, when all of the truth is matched at once."""
    on = np.zeros(iou.shape[1], np.bool_)
    t, r = linear_sum_assignment(-np.where(iou >= MATCH_IOU, iou, 0))
    matched = iou[t, r] >= MATCH_IOU
    on[r[matched]] = np.isin(classes[t[matched]], DISTRACTORS)
    return on


def _relabel(per_frame: list[NDArray[np.float64]]) -> tuple[list[NDArray[np.intp]], int]:
    """The same ids, numbered from 0."""
    known = np.unique(np.concatenate([np.zeros(0), *per_frame]))
    return [np.searchsorted(known, ids) for ids in per_frame], len(known)
