"""Letterboxing: the same pixels as Ultralytics, and a way back that is exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import InvalidInput
from models.preprocess import MAX_IMGSZ, PADDING, Letterbox, check_image
from tests.models.yolo_oracle import LetterBox

SIDES = st.integers(1, 700)


@settings(max_examples=60, deadline=None)
@given(height=SIDES, width=SIDES, imgsz=st.sampled_from([32, 320, 640]), square=st.booleans())
def test_pixels_are_those_of_ultralytics(height: int, width: int, imgsz: int, square: bool) -> None:
    image = np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)
    theirs = LetterBox((imgsz, imgsz), auto=not square, stride=32)(image=image)
    ours = Letterbox.fit((height, width), imgsz, square=square).apply(image)
    np.testing.assert_array_equal(ours, theirs)


@settings(max_examples=60, deadline=None)
@given(height=SIDES, width=SIDES, square=st.booleans())
def test_input_is_a_multiple_of_the_stride_and_holds_the_image(
    height: int, width: int, square: bool
) -> None:
    letterbox = Letterbox.fit((height, width), 640, square=square)
    assert all(side % 32 == 0 and 32 <= side <= 640 for side in letterbox.input_size)
    assert max(letterbox.input_size) == 640
    assert all(end <= side for end, side in zip(letterbox.end, letterbox.input_size, strict=True))
    if square:
        assert letterbox.input_size == (640, 640)


def test_video_of_four_to_three_needs_no_padding() -> None:
    letterbox = Letterbox.fit((576, 768), 640)
    assert letterbox.input_size == letterbox.inner_size == (480, 640)


def test_imgsz_counts_rounded_up_to_the_stride() -> None:
    assert Letterbox.fit((100, 100), 600) == Letterbox.fit((100, 100), 608)


@settings(max_examples=60, deadline=None)
@given(height=SIDES, width=SIDES)
def test_whole_inner_area_goes_back_to_the_whole_image(height: int, width: int) -> None:
    letterbox = Letterbox.fit((height, width), 640)
    inner = [letterbox.left, letterbox.top, letterbox.end[1], letterbox.end[0]]
    back = letterbox.to_image(np.array([inner], np.float32))
    np.testing.assert_allclose(back, [[0, 0, width, height]], atol=1e-3)


def test_boxes_that_reach_into_the_padding_are_clipped() -> None:
    letterbox = Letterbox.fit((200, 100), 640, square=True)
    back = letterbox.to_image(np.array([[0, 0, 640, 640]], np.float32))
    np.testing.assert_array_equal(back, [[0, 0, 100, 200]])


def test_padding_is_grey_and_image_of_the_right_size_is_copied() -> None:
    image = np.full((32, 20, 3), 7, np.uint8)
    data = Letterbox.fit((32, 20), 32).apply(image)
    assert np.all(data[:, :6] == PADDING)
    assert np.all(data[:, 26:] == PADDING)
    assert np.all(data[:, 6:26] == 7)


def test_view_of_an_image_is_taken() -> None:
    image = np.arange(60 * 80 * 3, dtype=np.uint8).reshape(60, 80, 3)
    letterbox = Letterbox.fit((30, 40), 32)
    flipped = image[::-2, ::2]
    np.testing.assert_array_equal(
        letterbox.apply(flipped), letterbox.apply(np.ascontiguousarray(flipped))
    )


@pytest.mark.parametrize("imgsz", [-1, 0, MAX_IMGSZ + 1, 10**9])
def test_imgsz_that_is_no_size_of_a_picture_is_refused(imgsz: int) -> None:
    with pytest.raises(InvalidInput, match=f"imgsz: expected 1 to {MAX_IMGSZ} pixels, got {imgsz}"):
        Letterbox.fit((10, 10), imgsz)


@pytest.mark.parametrize(
    ("image", "came"),
    [
        ([[1, 2, 3]], "list"),
        (None, "NoneType"),
        (np.zeros((4, 4, 3), np.float32), "dtype float32"),
        (np.zeros((4, 4), np.uint8), r"shape \[4, 4\]"),
        (np.zeros((4, 4, 4), np.uint8), r"shape \[4, 4, 4\]"),
        (np.zeros((0, 4, 3), np.uint8), r"shape \[0, 4, 3\]"),
        (np.zeros((1, 4, 4, 3), np.uint8), r"shape \[1, 4, 4, 3\]"),
    ],
    ids=["list", "none", "float", "grey", "alpha", "no row", "batch"],
)
def test_what_is_no_image_is_named(image: Any, came: str) -> None:
    with pytest.raises(InvalidInput, match=f"expected a uint8 array .*got {came}"):
        check_image(image)
