"""Masks of objects: from their definition, and against Ultralytics on the photographs."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from models.detector import detect_options
from models.masks import ObjectMask, object_masks
from models.preprocess import Letterbox
from models.yolo import load_yolo
from tests.models.yolo_oracle import PHOTOGRAPHS, assert_same, photograph, predict, weights

LETTERBOX = Letterbox.fit((64, 96), 96)


def test_mask_is_where_the_weighted_prototypes_are_positive() -> None:
    prototypes = np.full((2, 16, 24), -1, np.float32)
    prototypes[0, :, 12:] = 1
    prototypes[1, :8] = 1
    whole = np.array([[0, 0, 96, 64]], np.float32)
    right = object_masks(np.array([[1, 0]], np.float32), prototypes, whole, LETTERBOX)[0]
    inside = right.paint(64, 96)
    assert inside[:, 49:].all()
    assert not inside[:, :47].any()
    upper = object_masks(np.array([[0, 1]], np.float32), prototypes, whole, LETTERBOX)[0]
    assert upper.paint(64, 96)[:31].all()


def test_mask_ends_at_its_box() -> None:
    prototypes = np.ones((1, 16, 24), np.float32)
    box = np.array([[10.2, 5, 20.5, 9]], np.float32)
    mask = object_masks(np.ones((1, 1), np.float32), prototypes, box, LETTERBOX)[0]
    rows, columns = np.nonzero(mask.paint(64, 96))
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (11, 20, 5, 8)


def test_box_without_area_has_an_empty_mask() -> None:
    prototypes = np.ones((1, 16, 24), np.float32)
    box = np.array([[10, 5, 10, 9]], np.float32)
    mask = object_masks(np.ones((1, 1), np.float32), prototypes, box, LETTERBOX)[0]
    assert not mask.paint(64, 96).any()


def test_outline_of_a_rectangle_is_its_corners_in_the_image() -> None:
    outline = ObjectMask(10, 20, np.ones((5, 4), np.uint8)).outline()
    assert {tuple(point) for point in outline} == {(10, 20), (10, 24), (13, 24), (13, 20)}


def test_outline_encloses_parts_that_do_not_touch() -> None:
    inside = np.zeros((40, 90), np.uint8)
    for left in (2, 30, 60):
        inside[5:35, left : left + 20] = 1
    outline = ObjectMask(0, 0, inside).outline()
    filled = cv2.fillPoly(np.zeros_like(inside), [outline.astype(np.int32)], 1)
    both = np.sum(filled & inside) / np.sum(filled | inside)
    assert both > 0.97


@pytest.mark.weights
@pytest.mark.parametrize("name", ["yolo26n-seg", "yolo11n-seg"])
@pytest.mark.parametrize("picture", PHOTOGRAPHS)
def test_masks_are_those_of_ultralytics(
    name: str, picture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights(name)
    detector = load_yolo(name, runtime="torch")
    image = photograph(picture)
    prepared = detector.preprocess(image)
    raw = detector.start([prepared]).result()[0]
    options = detect_options(detector.names)
    found, masks = detector.postprocess_masks(raw, prepared, options)
    theirs = predict(name, image, monkeypatch, retina_masks=True)
    assert_same(found, theirs, image)
    order = [
        int(np.abs(found.boxes - box).max(axis=1).argmin()) for box in theirs.boxes.xyxy.numpy()
    ]
    assert found.segments is not None
    for row, wanted in zip(order, theirs.masks.data.numpy().astype(bool), strict=True):
        ours = masks[row].paint(*image.shape[:2])
        assert np.sum(ours & wanted) / np.sum(ours | wanted) >= 0.98
        corners = np.array([found.segments[row].min(axis=0), found.segments[row].max(axis=0)])
        assert np.all(corners[0] >= found.boxes[row, :2] - 1)
        assert np.all(corners[1] <= found.boxes[row, 2:] + 1)
