"""The FCN detector: its grid, its losses, and that it learns drawn pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given

from models.boxes import box_iou
from models.errors import InvalidInput
from models.fcn_backbone import mobilenet_backbone
from models.fcn_detector import FcnDetector, RawGrid
from models.fcn_grid import assign_cells, decode_boxes
from models.fcn_loss import Target, detection_loss
from models.fcn_network import FcnAnswer, FcnNetwork
from models.runtime import load_runtime
from models.runtime.export import export_onnx
from models.runtime.torch import TorchRuntime
from models.types import DetectOptions
from tests.models.drawn import NAMES, picture, tiny_backbone
from tests.models.geometry import Floats, proper_boxes

SIDE, STRIDE, PICTURES = 128, 16, 6


def test_a_cell_says_middle_and_size_in_strides() -> None:
    values = np.asarray([[0.0, 0, 0, 0], [0.5, -0.5, np.log(2), np.log(4)]], np.float32)
    boxes = decode_boxes(values, np.asarray([0, 3]), np.asarray([0, 1]), 16)
    np.testing.assert_allclose(
        boxes, [[0.0, 0.0, 16.0, 16.0], [48.0, -16.0, 80.0, 48.0]], atol=1e-4
    )
    tensors = decode_boxes(torch.from_numpy(values), torch.tensor([0, 3]), torch.tensor([0, 1]), 16)
    np.testing.assert_allclose(tensors.numpy(), boxes, atol=1e-4)


@given(proper_boxes(least=1, side=60))
def test_cells_answer_for_the_smallest_object_that_they_are_in_the_middle_of(
    boxes: Floats,
) -> None:
    objects = torch.from_numpy(boxes + 60).float()
    cells = assign_cells(objects, (12, 12), 16)
    assert len(set(zip(cells.rows.tolist(), cells.columns.tolist(), strict=True))) == len(
        cells.rows
    )
    middles = torch.stack([cells.columns, cells.rows], 1) * 16 + 8.0
    own = objects[cells.objects]
    apart = ((own[:, :2] + own[:, 2:]) / 2 - middles).abs()
    assert torch.all(apart <= torch.clamp((own[:, 2:] - own[:, :2]) / 2, 8, 16))
    areas = (objects[:, 2:] - objects[:, :2]).prod(1)
    smallest = int(areas.argmin())
    assert smallest in cells.objects.tolist()


def test_every_object_has_a_cell_however_small() -> None:
    boxes = torch.tensor([[3.0, 3, 4, 4], [120, 120, 128, 128], [0, 0, 128, 128]])
    cells = assign_cells(boxes, (8, 8), 16)
    assert set(cells.objects.tolist()) == {0, 1, 2}


def ideal(boxes: torch.Tensor, classes: torch.Tensor) -> FcnAnswer:
    """The answer of a network that knows it all."""
    answer = FcnAnswer(
        torch.zeros(1, 2, 8, 8), torch.full((1, 1, 8, 8), -20.0), torch.zeros(1, 4, 8, 8)
    )
    cells = assign_cells(boxes, (8, 8), STRIDE)
    own = boxes[cells.objects] / STRIDE
    middle = (own[:, :2] + own[:, 2:]) / 2 - torch.stack([cells.columns, cells.rows], 1) - 0.5
    answer.boxes[0, :, cells.rows, cells.columns] = torch.cat(
        [middle, (own[:, 2:] - own[:, :2]).log()], 1
    ).T
    answer.objectness[0, 0, cells.rows, cells.columns] = 20.0
    answer.logits[0, classes[cells.objects], cells.rows, cells.columns] = 20.0
    return answer


def test_the_losses_of_an_ideal_answer_are_0_and_each_head_has_its_own() -> None:
    boxes = torch.tensor([[10.0, 20, 50, 60], [70, 70, 120, 100]])
    target = Target(boxes, torch.tensor([0, 1]))
    losses = detection_loss(ideal(*target), [target], STRIDE)
    for loss in losses:
        assert loss.item() == pytest.approx(0, abs=1e-5)
    wrong = detection_loss(ideal(boxes, torch.tensor([1, 0])), [target], STRIDE)
    assert wrong.classes > 10
    assert wrong.boxes.item() == pytest.approx(0, abs=1e-5)
    unseen = ideal(*target)._replace(objectness=torch.full((1, 1, 8, 8), -20.0))
    assert detection_loss(unseen, [target], STRIDE).objectness > 10
    moved = ideal(*target)
    moved.boxes[:, 0] += 1
    assert detection_loss(moved, [target], STRIDE).boxes > 0.3


def test_an_image_without_objects_teaches_only_objectness() -> None:
    nothing = Target(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    losses = detection_loss(ideal(*nothing), [nothing], STRIDE)
    assert losses.classes == 0
    assert losses.boxes == 0
    assert torch.isfinite(losses.total)


def test_as_many_targets_as_images_are_expected() -> None:
    nothing = Target(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    with pytest.raises(InvalidInput, match="got 2 for 1 images"):
        detection_loss(ideal(*nothing), [nothing, nothing], STRIDE)


@pytest.fixture(scope="module")
def detector() -> FcnDetector:
    """A network that has learnt six pictures by heart."""
    network = FcnNetwork(tiny_backbone(), NAMES, stride=STRIDE, width=48)
    drawn = [picture(seed, SIDE) for seed in range(PICTURES)]
    pixels = torch.from_numpy(np.stack([image for image, _, _ in drawn]))
    targets = [Target(torch.from_numpy(boxes), torch.from_numpy(ids)) for _, boxes, ids in drawn]
    optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=150)
    for _ in range(150):
        losses = detection_loss(network(pixels), targets, STRIDE)
        optimiser.zero_grad()
        torch.autograd.backward(losses.total)
        optimiser.step()
        schedule.step()
    names = dict(enumerate(NAMES))
    return FcnDetector("fcn", names, TorchRuntime(network), stride=STRIDE, imgsz=SIDE)


def test_training_makes_it_find_every_object_and_nothing_else(detector: FcnDetector) -> None:
    drawn = [picture(seed, SIDE) for seed in range(PICTURES)]
    found = detector.predict([image for image, _, _ in drawn], conf=0.5, iou=0.5)
    for detections, (_, boxes, classes) in zip(found, drawn, strict=True):
        assert len(detections) == len(boxes)
        overlap = box_iou(boxes, detections.boxes)
        assert overlap.max(axis=1).min() > 0.75
        assert detections.classes[overlap.argmax(axis=1)].tolist() == classes.tolist()
        assert np.all(np.diff(detections.scores) <= 0)


def test_neighbouring_cells_that_answer_for_one_object_give_one_box(detector: FcnDetector) -> None:
    raw = RawGrid(
        np.zeros((2, 8, 8), np.float32),
        np.full((1, 8, 8), -20, np.float32),
        np.full((4, 8, 8), np.log(4), np.float32),
    )
    raw.objectness[0, 4, 4:6] = 20, 19
    raw.boxes[:2] = 0
    # Two boxes of 64 pixels, a cell of 16 apart: their IoU is 48 / 80.
    prepared = detector.preprocess(np.zeros((SIDE, SIDE, 3), np.uint8))
    for iou in (0.4, 0.7, 0.9):
        found = detector.postprocess(raw, prepared, DetectOptions(iou=iou))
        np.testing.assert_allclose(found.boxes, [[40, 40, 104, 104]], atol=1e-3)


def test_an_image_of_another_size_is_done_in_one_look(detector: FcnDetector) -> None:
    halves = [picture(seed, SIDE) for seed in (0, 1)]
    wide = np.concatenate([halves[0][0], halves[1][0]], axis=1)
    expected = np.concatenate([halves[0][1], halves[1][1] + np.asarray([SIDE, 0] * 2, np.float32)])
    (found,) = detector.predict([wide], conf=0.3, iou=0.5, imgsz=2 * SIDE)
    assert box_iou(expected, found.boxes).max(axis=1).min() > 0.6


def test_boxes_come_back_in_the_pixels_of_the_image(detector: FcnDetector) -> None:
    image, boxes, _ = picture(2, SIDE)
    (found,) = detector.predict([np.kron(image, np.ones((3, 3, 1), np.uint8))], conf=0.3, iou=0.5)
    assert box_iou(3 * boxes, found.boxes).max(axis=1).min() > 0.6


def test_options_choose_among_what_is_found(detector: FcnDetector) -> None:
    images = [picture(seed, SIDE)[0] for seed in range(PICTURES)]
    for detections in detector.predict(images, classes=["green"]):
        assert set(detections.classes.tolist()) <= {1}
    assert all(len(found) <= 1 for found in detector.predict(images, max_det=1))
    assert all(not len(found) for found in detector.predict(images, conf=1.0))
    with pytest.raises(InvalidInput, match="at least one"):
        detector.predict([])
    with pytest.raises(InvalidInput, match="'blue'"):
        detector.predict(images, classes=["blue"])


def test_a_batch_answers_each_image_as_alone(detector: FcnDetector) -> None:
    prepared = [detector.preprocess(picture(seed, SIDE)[0]) for seed in range(3)]
    together = detector.start(prepared).result()
    for item, raw in zip(prepared, together, strict=True):
        (alone,) = detector.start([item]).result()
        np.testing.assert_allclose(raw.boxes, alone.boxes, atol=1e-4)
    with pytest.raises(InvalidInput, match="one input size"):
        detector.start([prepared[0], detector.preprocess(picture(0, SIDE)[0], 64)])


def test_an_exported_network_finds_the_same(tmp_path: Path) -> None:
    path = tmp_path / "fcn.onnx"
    network = FcnNetwork(tiny_backbone(), NAMES, stride=STRIDE).eval()
    sizes = {0: "batch", 2: "rows", 3: "columns"}
    export_onnx(
        network,
        torch.zeros(1, 64, 96, 3, dtype=torch.uint8),
        path,
        axes={
            "pixels": {0: "batch", 1: "height", 2: "width"},
            **dict.fromkeys(FcnAnswer._fields, sizes),
        },
        metadata={},
    )
    image = picture(3, SIDE)[0]
    expected = TorchRuntime(network).run(image[None])
    exported = load_runtime(path, "onnx", threads=1, precision="f32")
    for part, same in zip(exported.run(image[None]), expected, strict=True):
        np.testing.assert_allclose(part, same, atol=1e-4)
    exported.close()


@pytest.mark.parametrize(("stride", "cells"), [(8, 12), (16, 6), (32, 3)])
def test_the_grid_has_a_cell_a_stride_with_mobilenet(stride: int, cells: int) -> None:
    network = FcnNetwork(mobilenet_backbone(), ["person", "vehicle"], stride=stride).eval()
    with torch.no_grad():
        answer = network(torch.zeros(1, 96, 160, 3, dtype=torch.uint8))
    columns = cells * 160 // 96
    assert [tuple(part.shape) for part in answer] == [
        (1, channels, cells, columns) for channels in (2, 1, 4)
    ]
    assert answer.objectness.sigmoid().mean() < 0.1


@pytest.mark.parametrize("stride", [-8, 0, 1, 4, 12, 24, 33, 64])
def test_other_strides_are_refused(stride: int) -> None:
    with pytest.raises(InvalidInput, match="stride"):
        FcnNetwork(tiny_backbone(), NAMES, stride=stride)


def test_a_network_without_classes_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at least one class"):
        FcnNetwork(tiny_backbone(), [])
