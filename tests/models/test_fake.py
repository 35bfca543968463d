"""The fake detector really looks at the pixels."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from models.errors import InvalidInput
from models.fake import FakeDetector
from models.types import Image

RED, GREEN, BLUE, CYAN = (0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 255, 0)


def canvas(*patches: tuple[tuple[int, int, int, int], tuple[int, int, int]]) -> Image:
    image = np.full((120, 160, 3), 90, np.uint8)
    for (x1, y1, x2, y2), colour in patches:
        image[y1:y2, x1:x2] = colour
    return image


def test_finds_each_patch_with_its_box_and_colour() -> None:
    image = canvas(((10, 20, 40, 60), RED), ((80, 5, 150, 30), CYAN))
    (found,) = FakeDetector().predict([image])
    assert {found.name(row): found.boxes[row].tolist() for row in range(len(found))} == {
        "red": [10, 20, 40, 60],
        "cyan": [80, 5, 150, 30],
    }


def test_confidence_follows_brightness_so_that_thresholds_bite() -> None:
    image = canvas(((10, 20, 40, 60), RED), ((80, 5, 150, 30), (0, 150, 0)))
    (found,) = FakeDetector().predict([image], conf=0.0)
    np.testing.assert_allclose(found.scores, [1.0, 150 / 255], atol=1e-6)
    (strict,) = FakeDetector().predict([image], conf=0.7)
    assert_array_equal(strict.boxes, [[10, 20, 40, 60]])


def test_class_filter_and_limit() -> None:
    image = canvas(((0, 0, 20, 20), RED), ((40, 0, 60, 20), GREEN), ((80, 0, 100, 20), BLUE))
    (green,) = FakeDetector().predict([image], classes=["green"])
    assert [green.name(row) for row in range(len(green))] == ["green"]
    (two,) = FakeDetector().predict([image], max_det=2)
    assert len(two) == 2


def test_plain_ground_has_nothing() -> None:
    (found,) = FakeDetector().predict([canvas()])
    assert len(found) == 0


def test_an_image_of_another_shape_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"uint8 array \[H, W, 3\]"):
        FakeDetector().preprocess(np.zeros((4, 4), np.uint8))
