"""Boxes: every measure against its definition, on both kinds of arrays, at all extremes."""

from __future__ import annotations

import math
import subprocess
import sys
from itertools import product
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.boxes import Format, area, box_iou, ciou, clip, convert, diou, giou, scale
from models.errors import InvalidInput
from tests.models.geometry import Floats, any_boxes, iou_by_definition, proper_boxes

MEASURES = (box_iou, giou, diou, ciou)
LEAST = {box_iou: 0, giou: -1, diou: -1, ciou: -2}
measures = pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.__name__)
EDGES = {
    "identical": ([0, 0, 4, 2], [0, 0, 4, 2]),
    "nested": ([0, 0, 10, 10], [2, 3, 5, 5]),
    "disjoint": ([0, 0, 1, 1], [5, 5, 9, 6]),
    "touching": ([0, 0, 2, 2], [2, 0, 4, 2]),
    "same centre": ([0, 4, 10, 6], [4, 0, 6, 10]),
    "line": ([0, 0, 0, 5], [0, 0, 3, 5]),
    "two lines": ([1, 0, 1, 5], [1, 0, 1, 5]),
    "point": ([1, 1, 1, 1], [0, 0, 3, 3]),
    "two points": ([1, 1, 1, 1], [1, 1, 1, 1]),
    "inside out": ([5, 5, 1, 1], [0, 0, 4, 4]),
    "tiny": ([0, 0, 1e-30, 1e-30], [0, 0, 1e-30, 1e-30]),
}


@given(any_boxes(), any_boxes())
def test_iou_is_shared_area_over_union(a: Floats, b: Floats) -> None:
    expected = [[iou_by_definition(x, y) for y in b] for x in a]
    np.testing.assert_allclose(box_iou(a, b), np.reshape(expected, (len(a), len(b))), atol=1e-9)


@measures
@given(a=any_boxes(), b=any_boxes())
def test_measures_are_symmetric_and_bounded(measure: Any, a: Floats, b: Floats) -> None:
    values = measure(a, b)
    assert values.shape == (len(a), len(b))
    np.testing.assert_allclose(values, measure(b, a).T, atol=1e-12)
    assert np.all((values >= LEAST[measure] - 1e-9) & (values <= 1 + 1e-9))


@measures
@given(boxes=proper_boxes())
def test_a_box_with_an_area_is_1_to_itself(measure: Any, boxes: Floats) -> None:
    np.testing.assert_allclose(np.diagonal(measure(boxes, boxes)), 1)


@given(any_boxes(), any_boxes())
def test_each_penalty_only_lowers(a: Floats, b: Floats) -> None:
    overlap = box_iou(a, b)
    assert np.all(giou(a, b) <= overlap)
    assert np.all(diou(a, b) <= overlap)
    assert np.all(ciou(a, b) <= diou(a, b))


@given(proper_boxes(), proper_boxes())
def test_giou_subtracts_the_empty_share_of_the_hull(a: Floats, b: Floats) -> None:
    for x, y in product(a, b):
        hull = (max(x[2], y[2]) - min(x[0], y[0])) * (max(x[3], y[3]) - min(x[1], y[1]))
        overlap = iou_by_definition(x, y)
        union = float(area(x) + area(y)) / (1 + overlap)
        expected = overlap - (hull - union) / hull
        assert float(giou(x[None], y[None])[0, 0]) == pytest.approx(expected)


@given(proper_boxes(), proper_boxes())
def test_ciou_follows_the_paper(a: Floats, b: Floats) -> None:
    for x, y in product(a, b):
        wide = max(x[2], y[2]) - min(x[0], y[0])
        high = max(x[3], y[3]) - min(x[1], y[1])
        apart = sum(((x[i] + x[i + 2]) - (y[i] + y[i + 2])) ** 2 for i in (0, 1)) / 4
        overlap = iou_by_definition(x, y)
        turn = math.atan2(x[2] - x[0], x[3] - x[1]) - math.atan2(y[2] - y[0], y[3] - y[1])
        v = 4 / math.pi**2 * turn**2
        alpha = v / (1 - overlap + v) if v else 0.0
        distance = overlap - apart / (wide**2 + high**2)
        assert float(diou(x[None], y[None])[0, 0]) == pytest.approx(distance)
        assert float(ciou(x[None], y[None])[0, 0]) == pytest.approx(distance - alpha * v)


@measures
@given(a=proper_boxes(), b=proper_boxes(), shift=st.integers(-999, 999), power=st.integers(-9, 9))
def test_measures_do_not_depend_on_origin_or_unit(
    measure: Any, a: Floats, b: Floats, shift: int, power: int
) -> None:
    unit = 2.0**power
    moved = measure((a + shift) * unit, (b + shift) * unit)
    np.testing.assert_allclose(moved, measure(a, b), atol=1e-9)


@measures
@given(boxes=any_boxes(least=1))
def test_aligned_is_the_diagonal_of_all_pairs(measure: Any, boxes: Floats) -> None:
    other = boxes[::-1].copy()
    np.testing.assert_array_equal(
        measure(boxes, other, aligned=True), np.diagonal(measure(boxes, other))
    )


@measures
@given(a=any_boxes(), b=any_boxes())
def test_numpy_and_torch_agree(measure: Any, a: Floats, b: Floats) -> None:
    for dtype in (np.float32, np.float64):
        tensor = measure(torch.from_numpy(a.astype(dtype)), torch.from_numpy(b.astype(dtype)))
        array = measure(a.astype(dtype), b.astype(dtype))
        assert array.dtype == dtype
        np.testing.assert_allclose(tensor.numpy(), array, atol=1e-5)


@measures
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensors_keep_their_dtype(measure: Any, dtype: torch.dtype) -> None:
    boxes = torch.tensor([[0, 0, 400, 300]], dtype=dtype)
    answer = measure(boxes, boxes)
    assert answer.dtype == dtype
    assert answer.item() == 1


def test_whole_numbers_are_computed_as_floats() -> None:
    boxes = np.asarray([[0, 0, 2, 1], [0, 0, 1, 1]])
    assert box_iou(boxes, boxes)[0, 1] == 0.5
    assert convert(boxes, "xyxy", "cxcywh").tolist()[1] == [0.5, 0.5, 1, 1]


@measures
@pytest.mark.parametrize("size", [1e18, 1e30, 1e38])
def test_huge_coordinates_do_not_overflow(measure: Any, size: float) -> None:
    boxes = np.asarray([[0, 0, 2, 1], [0, 0, 1, 1], [-3, -3, -1, -1]], np.float32)
    np.testing.assert_allclose(
        measure(boxes * np.float32(size), boxes * np.float32(size)),
        measure(boxes, boxes),
        rtol=1e-5,
    )


@measures
@pytest.mark.parametrize("edge", EDGES)
def test_gradients_are_finite_at_every_edge(measure: Any, edge: str) -> None:
    first, second = (torch.tensor([box], dtype=torch.float32) for box in EDGES[edge])
    first.requires_grad_()
    (gradient,) = torch.autograd.grad(measure(first, second, aligned=True).sum(), first)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("measure", [giou, diou, ciou])
def test_following_the_gradient_brings_a_distant_box_to_its_target(measure: Any) -> None:
    target = torch.tensor([[10.0, 10.0, 30.0, 20.0]])
    box = torch.tensor([[60.0, 40.0, 70.0, 70.0]], requires_grad=True)
    optimiser = torch.optim.Adam([box], lr=1.0)
    for _ in range(300):
        loss = (1 - measure(box, target, aligned=True)).sum()
        (box.grad,) = torch.autograd.grad(loss, box)
        optimiser.step()
    assert box_iou(box, target).item() > 0.8


def test_the_weight_of_the_aspect_penalty_is_a_constant_to_the_gradient() -> None:
    first = torch.tensor([[0.0, 0.0, 4.0, 2.0]], dtype=torch.float64, requires_grad=True)
    second = torch.tensor([[1.0, 0.0, 3.0, 4.0]], dtype=torch.float64)
    (gradient,) = torch.autograd.grad(ciou(first, second, aligned=True).sum(), first)
    turn = torch.atan2(first[:, 2] - first[:, 0], first[:, 3] - first[:, 1]) - math.atan2(2, 4)
    v = 4 / math.pi**2 * turn**2
    alpha = (v / (1 - box_iou(first, second, aligned=True) + v)).detach()
    by_hand = diou(first, second, aligned=True) - alpha * v
    (expected,) = torch.autograd.grad(by_hand.sum(), first)
    torch.testing.assert_close(gradient, expected)


@given(proper_boxes(), st.sampled_from(list(product(get_args(Format), repeat=2))))
def test_conversions_round_trip(boxes: Floats, formats: tuple[Format, Format]) -> None:
    first, second = formats
    start = convert(boxes, "xyxy", first)
    np.testing.assert_allclose(convert(convert(start, first, second), second, first), start)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("xyxy", [10, 20, 40, 80]),
        ("xywh", [10, 20, 30, 60]),
        ("cxcywh", [25, 50, 30, 60]),
        ("xyah", [25, 50, 0.5, 60]),
    ],
)
def test_each_format_says_what_its_name_says(name: Format, expected: list[float]) -> None:
    assert convert(np.asarray([10.0, 20.0, 40.0, 80.0]), "xyxy", name).tolist() == expected


def test_a_box_without_height_has_aspect_0() -> None:
    assert convert(np.asarray([[0.0, 5.0, 8.0, 5.0]]), "xyxy", "xyah").tolist() == [[4, 5, 0, 0]]


@given(any_boxes(), st.integers(1, 5000), st.integers(1, 5000))
def test_clipped_boxes_lie_in_the_image(boxes: Floats, width: int, height: int) -> None:
    clipped = clip(boxes, width, height)
    assert np.all((clipped >= 0) & (clipped <= [width, height, width, height]))
    np.testing.assert_array_equal(clip(clipped, width, height), clipped)


def test_what_is_inside_is_not_clipped() -> None:
    boxes = np.asarray([[0.25, 0.5, 39.5, 29.75], [-5, -6, 50, 60], [-9, 31, -1, 35]])
    inside = [[0.25, 0.5, 39.5, 29.75], [0, 0, 40, 30], [0, 30, 0, 30]]
    assert clip(boxes, 40, 30).tolist() == inside


@given(proper_boxes())
def test_area_grows_with_both_factors(boxes: Floats) -> None:
    np.testing.assert_allclose(area(scale(boxes, 2, 3)), 6 * area(boxes))
    np.testing.assert_array_equal(scale(boxes, 2), scale(boxes, 2, 2))


def test_a_negative_side_has_no_area() -> None:
    assert area(np.asarray([[4.0, 0.0, 1.0, 2.0], [4.0, 4.0, 1.0, 1.0]])).tolist() == [0, 0]


@measures
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("kind", [np.asarray, torch.tensor])
def test_what_is_not_finite_is_refused_with_its_row(measure: Any, bad: float, kind: Any) -> None:
    boxes = kind([[0.0, 0.0, 1.0, 1.0], [0.0, bad, 1.0, 1.0]])
    with pytest.raises(InvalidInput, match="row 1"):
        measure(boxes, boxes)
    with pytest.raises(InvalidInput, match="row 1"):
        area(boxes)


@pytest.mark.parametrize("shape", [(4,), (3, 5), (2, 3, 4)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput, match=r"\[N, 4\]"):
        box_iou(np.zeros(shape), np.zeros((1, 4)))


def test_unequal_lengths_cannot_be_aligned() -> None:
    with pytest.raises(InvalidInput, match="got 2 and 3"):
        box_iou(np.zeros((2, 4)), np.zeros((3, 4)), aligned=True)


def test_two_kinds_of_arrays_are_refused() -> None:
    with pytest.raises(InvalidInput, match="one kind"):
        box_iou(np.zeros((1, 4)), torch.zeros((1, 4)))


def test_truth_values_are_no_boxes() -> None:
    with pytest.raises(InvalidInput, match="real numbers"):
        area(np.zeros((1, 4), np.bool_))


@pytest.mark.parametrize("measure", [giou, diou])
def test_a_box_turned_inside_out_counts_as_the_point_in_its_middle(measure: Any) -> None:
    inverted = np.asarray([[6.0, 2, 2, 4]])
    point = np.asarray([[4.0, 2, 4, 4]])
    other = np.asarray([[10.0, 0, 13, 5], [3, 0, 5, 6]])
    np.testing.assert_allclose(measure(inverted, other), measure(point, other))


def test_a_point_has_the_angle_0_of_the_aspect_penalty() -> None:
    point, square = np.asarray([[2.0, 2, 2, 2]]), np.asarray([[0.0, 0, 4, 4]])
    v = 4 / math.pi**2 * (math.pi / 4) ** 2
    assert ciou(point, square)[0, 0] == pytest.approx(-v * v / (1 + v))


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"'yxyx'.*xyah"):
        convert(np.zeros((1, 4)), "yxyx", "xyxy")  # type: ignore[arg-type]


def test_boxes_and_suppression_work_without_torch() -> None:
    code = (
        "import sys, numpy as np; from models import boxes, nms; b = np.asarray([[0., 0, 1, 1]]);"
        "boxes.ciou(b, b); nms.nms(b, b[:, 0], 0.5); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
