"""Suppression: both engines against greedy suppression as it is told, and its relatives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models import nms as module
from models.boxes import box_iou, diou
from models.errors import InvalidInput
from models.nms import batched_nms, diou_nms, nms, soft_nms, weighted_boxes_fusion
from tests.models.geometry import Floats, greedy_by_definition, scored_boxes

Drawn = tuple[Floats, Floats, NDArray[np.int64]]
# Fractions that IoUs of boxes on a grid meet exactly, in any precision, and some that they do not.
thresholds = st.sampled_from([0.0, 0.05, 0.25, 0.45, 0.5, 0.7, 0.75, 0.99, 1.0])


@pytest.fixture(params=["dense", "strips"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both engines, whatever the number of boxes."""
    monkeypatch.setattr(module, "_DENSE", 0 if request.param == "strips" else 10**9)


def crowd(count: int, seed: int, per_object: int = 20) -> tuple[Floats, Floats]:
    """Boxes as a detector's head gives them: many around each object, of all sizes."""
    rng = np.random.default_rng(seed)
    objects = max(1, count // per_object)
    which = rng.integers(0, objects, count)
    size = np.exp(rng.normal(3.5, 1, (objects, 2)))[which]
    centre = rng.uniform(0, 640, (objects, 2))[which] + rng.normal(0, 0.12, (count, 2)) * size
    half = size * np.exp(rng.normal(0, 0.12, (count, 2))) / 2
    boxes = np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)
    return boxes, rng.integers(1, 500, count).astype(np.float32) / 500


@pytest.mark.usefixtures("engine")
@settings(max_examples=200)
@given(drawn=scored_boxes(), threshold=thresholds, dtype=st.sampled_from([np.float32, np.float64]))
def test_greedy_suppression_is_what_the_definition_says(
    drawn: Drawn, threshold: float, dtype: Any
) -> None:
    boxes, scores, classes = drawn
    boxes = boxes.astype(dtype)
    alone = greedy_by_definition(boxes, scores, np.zeros_like(classes), threshold)
    assert nms(boxes, scores, threshold).tolist() == alone
    expected = greedy_by_definition(boxes, scores, classes, threshold)
    assert batched_nms(boxes, scores, classes, threshold).tolist() == expected


@pytest.mark.parametrize("threshold", [0.0, 0.02, 0.3, 0.45, 0.7, 0.95])
@pytest.mark.parametrize("per_object", [1, 20, 3000])
def test_both_engines_agree_to_the_last_row(
    threshold: float, per_object: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes, scores = crowd(3000, seed=per_object, per_object=per_object)
    classes = np.arange(len(boxes)) % 3
    answers = []
    for dense in (0, len(boxes)):
        monkeypatch.setattr(module, "_DENSE", dense)
        answers.append(nms(boxes, scores, threshold).tolist())
        answers.append(batched_nms(boxes, scores, classes, threshold).tolist())
    assert answers[0] == answers[2]
    assert answers[1] == answers[3]


@pytest.mark.parametrize("names", [(0, 1, 2), (255, 0, 7), (256, 0, 7), (-1, 0, 7), (0.5, 2.5, 1)])
def test_classes_may_have_any_numbers(names: tuple[float, ...]) -> None:
    boxes = np.tile(np.array([[0, 0, 10, 10]], np.float32), (6, 1))
    scores = np.array([0.4, 0.9, 0.5, 0.3, 0.8, 0.6], np.float32)
    classes = np.array([*names, *names])
    assert batched_nms(boxes, scores, classes, 0.5).tolist() == [1, 5, 0]


@pytest.mark.usefixtures("engine")
@given(drawn=scored_boxes(), threshold=thresholds)
def test_what_stays_is_sorted_apart_and_stays_again(drawn: Drawn, threshold: float) -> None:
    boxes, scores, _ = drawn
    boxes = boxes.astype(np.float32)
    kept = nms(boxes, scores, threshold)
    assert kept.dtype == np.int64
    assert np.all(np.diff(scores[kept]) <= 0)
    overlap = box_iou(boxes[kept], boxes[kept])
    np.fill_diagonal(overlap, 0)
    assert np.all(overlap <= threshold)
    assert nms(boxes[kept], scores[kept], threshold).tolist() == list(range(len(kept)))


@pytest.mark.usefixtures("engine")
def test_equal_scores_keep_the_order_of_the_rows() -> None:
    boxes = np.asarray([[0, 0, 9, 9], [20, 0, 29, 9], [0, 0, 9, 9], [40, 0, 49, 9]], np.float32)
    assert nms(boxes, np.full(4, 0.5), 0.5).tolist() == [0, 1, 3]


@pytest.mark.usefixtures("engine")
def test_an_overlap_of_exactly_the_threshold_stays() -> None:
    boxes = np.asarray([[0, 0, 2, 1], [0, 0, 1, 1]], np.float32)
    scores = np.asarray([0.9, 0.8])
    assert nms(boxes, scores, 0.5).tolist() == [0, 1]
    assert nms(boxes, scores, 0.4999).tolist() == [0]
    # 2/40, which single precision rounds upwards.
    boxes = np.asarray([[0, 4, 6, 5], [4, 4, 10, 10]], np.float32)
    assert nms(boxes, scores, 0.05).tolist() == [0, 1]
    assert nms(boxes, scores, 0.04999).tolist() == [0]


@pytest.mark.usefixtures("engine")
def test_a_suppressed_box_suppresses_nothing() -> None:
    boxes = np.asarray([[0, 0, 10, 1], [3, 0, 13, 1], [6, 0, 16, 1]], np.float32)
    assert nms(boxes, np.asarray([0.9, 0.8, 0.7]), 0.4).tolist() == [0, 2]


@pytest.mark.usefixtures("engine")
def test_boxes_without_area_neither_suppress_nor_go() -> None:
    boxes = np.asarray(
        [[1, 1, 1, 1], [1, 1, 1, 1], [0, 0, 4, 4], [0, 0, 0, 4], [4, 4, 0, 0], [0, 0, 4, 4]],
        np.float32,
    )
    scores = np.linspace(1, 0.5, 6)
    assert nms(boxes, scores, 0.3).tolist() == [0, 1, 2, 3, 4]
    assert nms(boxes[[0, 1]], scores[:2], 0.3).tolist() == [0, 1]


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("unit", [1e-15, 1e18, 1e37])
def test_the_unit_does_not_matter(unit: float) -> None:
    boxes, scores = crowd(60, seed=5)
    boxes /= np.abs(boxes).max()
    assert nms(boxes * np.float32(unit), scores, 0.5).tolist() == nms(boxes, scores, 0.5).tolist()


@pytest.mark.usefixtures("engine")
def test_no_boxes_none_kept() -> None:
    empty, none = np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
    assert nms(empty, none, 0.5).shape == (0,)
    assert batched_nms(empty, none, none, 0.5).dtype == np.int64
    assert diou_nms(empty, none, 0.5).shape == (0,)
    assert [len(part) for part in soft_nms(empty, none)] == [0, 0]
    assert [len(part) for part in weighted_boxes_fusion([empty], [none], [none])] == [0, 0, 0]


@given(drawn=scored_boxes(), threshold=thresholds)
def test_numpy_and_torch_agree(drawn: Drawn, threshold: float) -> None:
    arrays = [part.astype(np.float32) for part in drawn]
    tensors = [torch.from_numpy(part) for part in arrays]
    kept = batched_nms(tensors[0], tensors[1], tensors[2], threshold)
    assert kept.dtype == torch.int64
    assert kept.tolist() == batched_nms(arrays[0], arrays[1], arrays[2], threshold).tolist()
    rows, scores = soft_nms(tensors[0], tensors[1])
    assert isinstance(scores, torch.Tensor)
    assert rows.tolist() == soft_nms(arrays[0], arrays[1])[0].tolist()


def test_predictions_with_a_gradient_are_taken_as_they_are() -> None:
    boxes = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2.1]], requires_grad=True)
    assert nms(boxes, boxes[:, 3] / 3, 0.5).tolist() == [1]


@given(drawn=scored_boxes(), threshold=thresholds)
def test_diou_nms_drops_by_overlap_less_distance(drawn: Drawn, threshold: float) -> None:
    boxes, scores, classes = drawn
    measure = diou(boxes, boxes)
    kept: list[int] = []
    for row in np.argsort(-scores, kind="stable").tolist():
        clash = any(measure[k, row] > threshold and classes[k] == classes[row] for k in kept)
        if not clash:
            kept.append(row)
    assert diou_nms(boxes, scores, threshold, classes).tolist() == kept


def test_soft_nms_lowers_scores_as_in_the_paper() -> None:
    boxes = np.asarray([[0, 0, 2, 1], [0, 0, 1, 1], [50, 50, 60, 60]], np.float64)
    scores = np.asarray([0.9, 0.8, 0.5])
    rows, linear = soft_nms(boxes, scores, 0.3, method="linear")
    assert rows.tolist() == [0, 2, 1]
    np.testing.assert_allclose(linear, [0.9, 0.5, 0.4])
    _, spared = soft_nms(boxes, scores, 0.5, method="linear")
    np.testing.assert_allclose(spared, [0.9, 0.8, 0.5], err_msg="an IoU of 0.5 is not above it")
    rows, gaussian = soft_nms(boxes, scores, sigma=0.5)
    assert rows.tolist() == [0, 2, 1]
    np.testing.assert_allclose(gaussian, np.asarray([0.9, 0.5, 0.8 * math.exp(-0.25 / 0.5)]))
    assert soft_nms(boxes, scores, score_threshold=0.6)[0].tolist() == [0]
    assert soft_nms(boxes, scores, score_threshold=0.5)[0].tolist() == [0, 2], "0.5 is not below"


def test_soft_suppression_by_default_keeps_a_thousandth() -> None:
    rows, scores = soft_nms(np.asarray([[0.0, 0, 1, 1], [5, 5, 6, 6]]), np.asarray([1e-3, 0.9e-3]))
    assert (rows.tolist(), scores.tolist()) == ([0], [1e-3])


@given(drawn=scored_boxes(), method=st.sampled_from(["linear", "gaussian"]))
def test_soft_scores_descend_and_never_rise(drawn: Drawn, method: Any) -> None:
    boxes, scores, _ = drawn
    rows, soft = soft_nms(boxes, scores, method=method)
    assert len(set(rows.tolist())) == len(rows)
    assert np.all(np.diff(soft) <= 0)
    assert np.all(soft <= scores[rows])


def test_fusion_averages_by_score_and_lowers_what_one_detector_missed() -> None:
    first = np.asarray([[0, 0, 10, 10], [50, 50, 60, 60]], np.float32)
    second = np.asarray([[1, 0, 11, 10]], np.float32)
    boxes, scores, classes = weighted_boxes_fusion(
        [first, second],
        [np.asarray([0.9, 0.6], np.float32), np.asarray([0.3], np.float32)],
        [np.asarray([2, 7]), np.asarray([2])],
    )
    np.testing.assert_allclose(boxes, [[0.25, 0.0, 10.25, 10.0], [50.0, 50.0, 60.0, 60.0]])
    np.testing.assert_allclose(scores, [0.6, 0.3], rtol=1e-6)
    assert classes.tolist() == [2, 7]
    assert [part.dtype.name for part in (boxes, scores, classes)] == ["float32", "float32", "int64"]


def test_half_precision_is_fused_in_single() -> None:
    box = torch.tensor([[0.0, 0.0, 300.0, 300.0]], dtype=torch.bfloat16)
    score = torch.tensor([0.5], dtype=torch.bfloat16)
    boxes, scores, classes = weighted_boxes_fusion([box], [score], [torch.tensor([3])])
    assert (boxes.dtype, scores.dtype, classes.tolist()) == (torch.float32, torch.float32, [3])
    assert nms(torch.cat([box, box]), torch.cat([score, score]), 0.5).tolist() == [0]


def test_fusion_weighs_detectors_and_keeps_classes_apart() -> None:
    box = np.asarray([[0.0, 0.0, 10.0, 10.0]])
    scores = [np.asarray([0.9]), np.asarray([0.6])]
    same = weighted_boxes_fusion([box, box], scores, [np.asarray([1])] * 2, weights=[2, 1])
    np.testing.assert_allclose(same[1], [0.8])
    apart = weighted_boxes_fusion([box, box], scores, [np.asarray([1]), np.asarray([2])])
    assert apart[2].tolist() == [1, 2]


def test_fusing_a_detector_with_itself_changes_nothing() -> None:
    boxes, scores = crowd(40, seed=1, per_object=1)
    kept = nms(boxes, scores, 0.5)
    boxes, scores, classes = boxes[kept], scores[kept], np.zeros(len(kept))
    fused = weighted_boxes_fusion([boxes] * 3, [scores] * 3, [classes] * 3)
    np.testing.assert_allclose(fused[0], boxes, rtol=1e-5)
    np.testing.assert_allclose(fused[1], scores, rtol=1e-5)


@given(drawn=scored_boxes(), threshold=thresholds, tied=st.booleans())
def test_plain_arrays_are_answered_as_those_that_are_looked_at_in_full(
    drawn: Drawn, threshold: float, tied: bool
) -> None:
    boxes, scores, classes = (part.astype(np.float32) for part in drawn)
    scores = np.ones_like(scores) if tied else scores
    tensors = [torch.from_numpy(part) for part in (boxes, scores, classes)]
    alone = nms(tensors[0], tensors[1], threshold).tolist()
    apart = batched_nms(tensors[0], tensors[1], tensors[2], threshold).tolist()
    laid_out_by_column = np.asfortranarray(boxes)
    for ours in (boxes, laid_out_by_column):
        assert nms(ours, scores, threshold).tolist() == alone
        assert batched_nms(ours, scores, classes, threshold).tolist() == apart


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("column", range(4))
def test_what_is_not_finite_is_refused_in_single_precision_too(value: float, column: int) -> None:
    boxes, scores = BOX.astype(np.float32), SCORE.astype(np.float32)
    boxes[1, column] = value
    with pytest.raises(InvalidInput, match="boxes: finite numbers expected, row 1"):
        nms(boxes, scores, 0.5)
    scores[1] = value
    with pytest.raises(InvalidInput, match="scores: finite numbers expected, row 1"):
        nms(BOX.astype(np.float32), scores, 0.5)


@pytest.mark.parametrize("score", [3e38, -3e38])
def test_scores_of_any_size_are_ordered(score: float) -> None:
    scores = np.asarray([0, score], np.float32)
    assert nms(BOX.astype(np.float32), scores, 0.5).tolist() == [int(score > 0)]


BOX = np.asarray([[0.0, 0, 1, 1], [0, 0, 1, 1]])
SCORE = np.asarray([0.5, 0.4])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((BOX * math.nan, SCORE, 0.5), "boxes.*row 0"),
        ((BOX, np.asarray([0.5, math.nan]), 0.5), "scores.*row 1"),
        ((BOX, SCORE[:1], 0.5), r"scores: expected shape \[2\], got \[1\]"),
        ((BOX[0], SCORE, 0.5), r"\[N, 4\], got \[4\]"),
        ((BOX, SCORE, 1.5), "iou_threshold.*1.5"),
        ((BOX, SCORE, math.nan), "iou_threshold.*nan"),
        ((BOX, torch.from_numpy(SCORE), 0.5), "one kind"),
    ],
)
def test_what_cannot_be_suppressed_is_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        nms(*arguments)


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"classes: expected shape \[2\]"):
        batched_nms(BOX, SCORE, SCORE[:1], 0.5)
    with pytest.raises(InvalidInput, match=r"^threshold: a number from 0 to 1 expected, got 2"):
        diou_nms(BOX, SCORE, 2)
    with pytest.raises(InvalidInput, match="'hard'"):
        soft_nms(BOX, SCORE, method="hard")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="sigma"):
        soft_nms(BOX, SCORE, sigma=0)
    with pytest.raises(InvalidInput, match="1, 1 and 2"):
        weighted_boxes_fusion([BOX], [SCORE], [SCORE, SCORE])
    with pytest.raises(InvalidInput, match="weights"):
        weighted_boxes_fusion([BOX], [SCORE], [SCORE], weights=[0])


@pytest.mark.parametrize("share", [-0.1, 1.5, math.nan])
def test_soft_suppression_refuses_an_overlap_that_is_no_share(share: float) -> None:
    with pytest.raises(InvalidInput, match="iou_threshold"):
        soft_nms(BOX, SCORE, iou_threshold=share)
