"""Mean IoU, against sets of pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from models.errors import InvalidInput
from models.mean_iou import MeanIou
from tests.models.geometry import Floats

CLASSES = 3
MAPS = arrays(np.uint8, (4, 5), elements={"min_value": 0, "max_value": CLASSES - 1})


@given(MAPS, MAPS)
def test_it_is_the_share_of_the_union(truth: Floats, found: Floats) -> None:
    counted = MeanIou(CLASSES)
    counted.add(truth.astype(np.uint8), found.astype(np.uint8))
    for label, share in enumerate(counted.classes()):
        either = ((truth == label) | (found == label)).sum()
        if (truth == label).any():
            assert share == pytest.approx(((truth == label) & (found == label)).sum() / either)
        else:
            assert np.isnan(share)
    assert counted.mean() == pytest.approx(np.nanmean(counted.classes()))


def test_pictures_are_counted_together() -> None:
    counted = MeanIou(2)
    counted.add(np.array([[0, 1]]), np.array([[0, 1]]))
    counted.add(np.array([[1, 1, 1]]), np.array([[1, 0, 0]]))
    assert counted.classes().tolist() == [1 / 3, 2 / 4]


def test_a_class_that_is_only_imagined_counts_against_what_is_there() -> None:
    counted = MeanIou(3)
    counted.add(np.array([[0, 0, 0, 1]]), np.array([[0, 0, 2, 1]]))
    np.testing.assert_allclose(counted.classes(), [2 / 3, 1, np.nan])
    assert counted.mean() == pytest.approx(5 / 6)


def test_pixels_of_no_class_are_left_out() -> None:
    counted = MeanIou(2)
    counted.add(np.array([[0, 1, 255]], np.uint8), np.array([[0, 1, 0]], np.uint8))
    assert counted.mean() == 1


def test_maps_of_different_sizes_are_refused() -> None:
    with pytest.raises(InvalidInput, match="shape"):
        MeanIou(2).add(np.zeros((2, 2), int), np.zeros((2, 3), int))
