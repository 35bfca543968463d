"""Masks on a grid over a box, at the pixels of the image."""

from __future__ import annotations

from importlib import import_module

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from models.box_masks import box_mask
from models.torchvision_compat import load_torchvision

SIZE = (60, 80)


def painted(probabilities: NDArray[np.float32], box: list[float]) -> NDArray[np.bool_]:
    mask = box_mask(probabilities, np.array(box, np.float32), SIZE)
    return mask.paint(*SIZE)


def test_a_full_mask_fills_its_box() -> None:
    found = painted(np.ones((28, 28), np.float32), [10, 20, 40, 50])
    expected = np.zeros(SIZE, bool)
    expected[20:50, 10:40] = True
    assert (found == expected).all()


def test_half_a_mask_fills_half_of_its_box() -> None:
    probabilities = np.zeros((28, 28), np.float32)
    probabilities[:, :14] = 1
    found = painted(probabilities, [8, 4, 64, 32])
    assert found[4:32, 8:36].all()
    assert not found[:, 36:].any()


def test_nothing_lies_outside_of_the_image() -> None:
    found = painted(np.ones((28, 28), np.float32), [-10, 30, 200, 90])
    assert found[30:].all()
    assert not found[:30].any()


def test_no_probability_and_no_area_have_no_pixel() -> None:
    assert not painted(np.zeros((28, 28), np.float32), [10, 20, 40, 50]).any()
    assert not painted(np.ones((28, 28), np.float32), [10, 20, 10, 50]).any()


def test_the_same_pixels_as_torchvision() -> None:
    load_torchvision()
    paste = import_module("torchvision.models.detection.roi_heads").paste_masks_in_image
    probabilities = np.zeros((28, 28), np.float32)
    cv2.ellipse(probabilities, (13, 14), (9, 12), 20, 0, 360, 1.0, -1)
    probabilities = cv2.GaussianBlur(probabilities, (5, 5), 0)
    box = [6.0, 3.0, 70.0, 55.0]
    (expected,) = paste(torch.from_numpy(probabilities)[None, None], torch.tensor([box]), SIZE)
    theirs = expected[0].numpy() > 0.5
    ours = painted(probabilities, box)
    # TorchVision rounds the box to whole pixels and draws it one pixel larger.
    assert (ours & theirs).sum() / (ours | theirs).sum() > 0.95
