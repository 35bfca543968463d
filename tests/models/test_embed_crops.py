"""Crops: whole pixels, clipped at the border, one for every box."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.embed_crops import cut_crops, pixel_boxes, unit_rows
from models.errors import InvalidInput

HEIGHT, WIDTH = 40, 60
corner = st.floats(-1e6, 1e6)


def gradient() -> NDArray[np.uint8]:
    """An image in which each pixel says where it is: blue its column, green its row."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([columns, rows, np.zeros_like(rows)], axis=-1).astype(np.uint8)


@given(st.lists(st.tuples(corner, corner, corner, corner), max_size=8))
def test_every_box_is_at_least_one_pixel_inside_the_image(
    boxes: list[tuple[float, float, float, float]],
) -> None:
    ranges = pixel_boxes(boxes, HEIGHT, WIDTH)
    assert len(ranges) == len(boxes)
    for left, top, right, bottom in ranges:
        assert 0 <= left < right <= WIDTH
        assert 0 <= top < bottom <= HEIGHT


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        pytest.param((3, 4, 10, 20), (3, 4, 10, 20), id="whole pixels stay"),
        pytest.param((3.2, 4.9, 9.1, 19.01), (3, 4, 10, 20), id="parts of pixels count"),
        pytest.param((-5, -5, 10, 10), (0, 0, 10, 10), id="over the corner"),
        pytest.param((50, 30, 99, 99), (50, 30, 60, 40), id="over the far corner"),
        pytest.param((-20, 5, -10, 9), (0, 5, 1, 9), id="left of the image"),
        pytest.param((80, 90, 99, 99), (59, 39, 60, 40), id="beyond the far corner"),
        pytest.param((7, 8, 7, 8), (7, 8, 8, 9), id="no area"),
        pytest.param((9, 9, 5, 5), (9, 9, 10, 10), id="corners the wrong way round"),
    ],
)
def test_where_a_box_is_cut(
    box: tuple[float, float, float, float], expected: tuple[int, int, int, int]
) -> None:
    assert pixel_boxes([box], HEIGHT, WIDTH) == [expected]


def test_a_crop_shows_what_is_in_the_box() -> None:
    (crop,) = cut_crops(gradient(), [(10, 5, 30, 25)], 20, 20)
    np.testing.assert_array_equal(crop, gradient()[5:25, 10:30])


def test_a_box_outside_shows_the_nearest_pixel() -> None:
    (crop,) = cut_crops(gradient(), [(100, 10, 120, 11)], 2, 3)
    assert (crop == gradient()[10, WIDTH - 1]).all()


def test_an_image_that_is_a_view_of_a_larger_one_is_cut_alike() -> None:
    wide = np.repeat(gradient(), 2, axis=1)
    view = wide[:, ::2]
    boxes = [(1, 2, 30, 30), (20, 1, 55, 39)]
    expected = cut_crops(gradient(), boxes, 16, 8)
    np.testing.assert_array_equal(cut_crops(view, boxes, 16, 8), expected)


@pytest.mark.parametrize("boxes", [[], np.zeros((0, 4)), np.zeros(0)])
def test_no_boxes_are_no_crops(boxes: NDArray[np.float64]) -> None:
    assert cut_crops(gradient(), boxes, 8, 4).shape == (0, 8, 4, 3)


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(np.zeros((4, 4), np.uint8), id="grey"),
        pytest.param(np.zeros((4, 4, 4), np.uint8), id="four channels"),
        pytest.param(np.zeros((4, 4, 3), np.float32), id="floats"),
        pytest.param(np.zeros((0, 4, 3), np.uint8), id="empty"),
    ],
)
def test_another_image_is_refused(image: NDArray[np.uint8]) -> None:
    with pytest.raises(InvalidInput, match=r"image: expected uint8 \[H, W, 3\]"):
        cut_crops(image, [(0, 0, 1, 1)], 8, 4)


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([(0, 0, 1)], r"expected shape \[N, 4\], got \[1, 3\]"),
        ([0, 0, 1, 1], r"expected shape \[N, 4\], got \[4\]"),
        ([(0, 0, 1, 1), (0, 0, float("nan"), 1)], "expected finite corners.*nan"),
        ([(0, 0, float("inf"), 1)], "expected finite corners.*inf"),
        ([("a", "b", "c", "d")], "expected numbers"),
        ([(0, 0, 1, 1), (0, 0, 1)], "expected numbers"),
    ],
)
def test_other_boxes_are_refused(boxes: list[object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        cut_crops(gradient(), boxes, 8, 4)  # type: ignore[arg-type]


def test_unit_rows_have_length_one_and_zeros_stay() -> None:
    rows = unit_rows(np.array([[3, 4], [0, 0], [1e-12, 0]], np.float32))
    expected = np.array([[0.6, 0.8], [0, 0], [1, 0]], np.float32)
    np.testing.assert_allclose(rows, expected, rtol=1e-6)
