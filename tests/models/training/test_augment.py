"""Augmentation: boxes and labels go where the pixels go."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.errors import InvalidInput
from models.training.augment import LEAST_SIDE, mosaic, recolour, visible, window
from models.training.paste import Cutouts, paste
from models.training.samples import IGNORED, Sample, read_sample
from tests.models.drawn import NAMES, picture
from tests.models.training.folders import SIDE, samples, yolo

SEEDS = st.integers(0, 10_000)


def drawn(seed: int) -> Sample:
    """A picture of rectangles; the inside of each box has the label of its class."""
    image, boxes, classes = picture(seed, SIDE)
    labels = np.zeros((SIDE, SIDE), np.uint8)
    for (x1, y1, x2, y2), number in zip(boxes.astype(int), classes, strict=True):
        labels[y1:y2, x1:x2] = number + 1
    return Sample(image, boxes, classes, labels)


def coloured(sample: Sample, number: int) -> NDArray[np.bool_]:
    """Where a picture has the strong colour of a class."""
    image = sample.image.astype(int)
    strong = {0: image[..., 2] - image[..., 1], 1: image[..., 1] - image[..., 2]}[number]
    return np.asarray(strong > 90)


def assert_boxes_hold_their_colour(sample: Sample) -> None:
    for box, number in zip(sample.boxes, sample.classes, strict=True):
        x1, y1 = np.ceil(box[:2] + 1).astype(int)
        x2, y2 = np.floor(box[2:] - 1).astype(int)
        inside = coloured(sample, int(number))[y1:y2, x1:x2]
        assert not inside.size or inside.mean() > 0.9


def inner(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What lies more than a pixel or two inside: interpolation mixes the colours at edges."""
    return np.asarray(cv2.erode(mask.astype(np.uint8), np.ones((5, 5)), borderValue=0) > 0)


@given(SEEDS)
@settings(max_examples=50)
def test_a_window_moves_boxes_and_labels_with_the_pixels(seed: int) -> None:
    sample = window(drawn(seed % 20), (96, 160), 128, np.random.default_rng(seed))
    assert sample.image.shape == (96, 160, 3)
    assert_boxes_hold_their_colour(sample)
    for number in range(len(NAMES)):
        labelled, seen = sample.labels == number + 1, coloured(sample, number)
        assert seen[inner(labelled)].all()
        assert labelled[inner(seen)].all()


@given(SEEDS)
@settings(max_examples=20)
def test_a_mosaic_holds_the_objects_of_four(seed: int) -> None:
    four = [drawn(seed % 20 + row) for row in range(4)]
    sample = mosaic(four, 192, 192, np.random.default_rng(seed))
    assert sample.image.shape == (192, 192, 3)
    assert len(sample.boxes) == len(sample.classes) <= 8
    assert_boxes_hold_their_colour(sample)


def test_windows_show_every_scale_and_are_mirrored_every_other_time() -> None:
    image, _, _ = picture(0, SIDE)
    whole = Sample(
        image,
        np.asarray([[0, 0, 64, 128]], np.float32),
        np.zeros(1, np.int64),
        np.zeros((SIDE, SIDE), np.uint8),
    )
    seen = [window(whole, (512, 512), 128, np.random.default_rng(seed)) for seed in range(60)]
    heights = [float(sample.boxes[0, 3] - sample.boxes[0, 1]) for sample in seen]
    assert min(heights) < 64
    assert max(heights) > 170
    # The left half of the picture is left of the middle of what is shown, or right of it.
    left = 0
    for sample in seen:
        columns = np.flatnonzero((sample.labels != IGNORED).any(axis=0))
        left += bool(sample.boxes[0, 0] < (columns[0] + columns[-1]) / 2 - 5)
    assert 15 < left < 45


def test_what_is_hardly_visible_no_longer_counts() -> None:
    boxes = np.asarray(
        [[-80, 0, 20, 50], [-50, 0, 50, 50], [10, 10, 11, 40], [90, 90, 300, 300]], np.float32
    )
    sample = Sample(
        np.zeros((100, 100, 3), np.uint8), boxes, np.arange(4), np.zeros((100, 100), np.uint8)
    )
    left = visible(sample)
    assert left.classes.tolist() == [1]
    assert left.boxes.tolist() == [[0, 0, 50, 50]]
    assert boxes[2, 2] - boxes[2, 0] < LEAST_SIDE


def test_recolouring_changes_colours_and_no_shapes() -> None:
    sample = drawn(3)
    changed = recolour(sample.image, np.random.default_rng(1))
    assert changed.shape == sample.image.shape
    assert (changed != sample.image).mean() > 0.3
    assert np.array_equal(changed, recolour(sample.image, np.random.default_rng(1)))


@pytest.fixture(scope="module")
def cutouts(tmp_path_factory: pytest.TempPathFactory) -> Cutouts:
    truth, _ = samples(yolo(tmp_path_factory.mktemp("drawn"), {"train": 6}))
    return Cutouts(truth.pictures, {0: 0, 1: 1})


@given(SEEDS)
@settings(max_examples=50)
def test_a_pasted_object_has_a_box_around_its_pixels(cutouts: Cutouts, seed: int) -> None:
    ground = np.full((160, 160, 3), 110, np.uint8)
    empty = Sample(ground, np.zeros((0, 4), np.float32), np.zeros(0, np.int64), ground[..., 0] * 0)
    sample = paste(empty, cutouts, np.random.default_rng(seed))
    changed = (sample.labels > 0).any()
    assert len(sample.boxes) <= 1
    if len(sample.boxes):
        y, x = np.nonzero(sample.labels == sample.classes[0] + 1)
        assert sample.boxes[0].tolist() == [x.min(), y.min(), x.max() + 1, y.max() + 1]
        assert (sample.image[y, x] != 110).any()
    assert changed or np.abs(sample.image.astype(int) - 110).max() < 110


def test_what_is_covered_no_longer_counts(cutouts: Cutouts) -> None:
    ground = np.full((100, 100, 3), 110, np.uint8)
    tiny = np.asarray([[48, 48, 52, 52]], np.float32)
    sample = Sample(ground, tiny, np.asarray([7]), ground[..., 0] * 0)
    seen = [paste(sample, cutouts, np.random.default_rng(seed)) for seed in range(60)]
    covered = [one for one in seen if (one.labels[48:52, 48:52] > 0).all()]
    assert covered
    assert all(7 not in one.classes for one in covered)
    apart = [one for one in seen if not (one.labels[48:52, 48:52] > 0).any()]
    assert all(7 in one.classes for one in apart)


def test_rare_classes_are_pasted_most(tmp_path_factory: pytest.TempPathFactory) -> None:
    truth, known = samples(yolo(tmp_path_factory.mktemp("rare"), {"train": 8}))
    counts = np.bincount(np.concatenate([one.classes for one in known]), minlength=2)
    assert counts.min() > 0
    assert counts[0] != counts[1]
    pool = Cutouts(truth.pictures, {0: 0, 1: 1})
    rng = np.random.default_rng(0)
    drawn_classes = np.bincount([pool.draw(rng)[2] for _ in range(300)], minlength=2)
    assert drawn_classes[counts.argmin()] > drawn_classes[counts.argmax()]


def test_a_picture_of_another_size_than_labelled_is_refused(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    truth, _ = samples(yolo(tmp_path_factory.mktemp("size"), {"train": 1}))
    with pytest.raises(InvalidInput, match="labelled at 64x128"):
        read_sample(replace(truth.pictures[0], width=64), {0: 0, 1: 1})
