"""The locator: that it learns to say what one object is and where, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.backbones import load_backbone
from models.boxes import box_iou
from models.errors import InvalidInput
from models.locator import Locator, LocatorAnswer, locator_loss
from tests.models.drawn import NAMES, picture, tiny_backbone

SIDE, TAUGHT, STEPS, BATCH = 64, 512, 300, 16


@pytest.fixture(scope="module")
def locator() -> Locator:
    """One that was shown the pictures with seeds below `TAUGHT`."""
    network = Locator(tiny_backbone(), NAMES, imgsz=SIDE)
    drawn = [picture(seed, SIDE, shapes=1) for seed in range(TAUGHT)]
    pixels = torch.from_numpy(np.stack([image for image, _, _ in drawn]))
    boxes = torch.from_numpy(np.concatenate([boxes for _, boxes, _ in drawn]))
    classes = torch.from_numpy(np.concatenate([ids for _, _, ids in drawn]))
    optimiser = torch.optim.Adam(network.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=STEPS)
    for _ in range(STEPS):
        some = torch.randint(TAUGHT, (BATCH,))
        loss = locator_loss(network(pixels[some]), classes[some], boxes[some])
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
    return network


def test_it_finds_the_object_of_pictures_it_was_never_shown(locator: Locator) -> None:
    drawn = [picture(seed, SIDE, shapes=1) for seed in range(1000, 1024)]
    found = locator.predict([image for image, _, _ in drawn])
    right = [item.class_id == ids[0] for item, (_, _, ids) in zip(found, drawn, strict=True)]
    boxes = np.stack([item.box for item in found])
    overlap = box_iou(boxes, np.concatenate([boxes for _, boxes, _ in drawn]), aligned=True)
    assert np.mean(right) > 0.9
    assert np.mean(overlap) > 0.6
    assert all(item.name == NAMES[item.class_id] and 0 < item.score <= 1 for item in found)


def test_boxes_are_in_the_pixels_of_the_image_whatever_its_size(locator: Locator) -> None:
    image, boxes, _ = picture(1001, SIDE, shapes=1)
    large = np.kron(image, np.ones((3, 3, 1), np.uint8))
    (small,), (found,) = locator.predict([image]), locator.predict([large])
    np.testing.assert_allclose(found.box, 3 * small.box, atol=6)
    assert box_iou(found.box[None], 3 * boxes).item() > 0.4
    # An oblong one: what is outside of it is never part of the box.
    (oblong,) = locator.predict([image[:50]])
    assert np.all(oblong.box[[1, 3]] <= 50)
    assert locator.training, "predicting leaves the mode as it was"


def test_the_loss_is_0_for_the_right_answer_and_each_head_has_its_share() -> None:
    boxes = torch.tensor([[1.0, 2, 11, 12], [20, 20, 40, 60]])
    classes = torch.tensor([1, 0])
    right = torch.tensor([[-20.0, 20], [20, -20]])
    assert locator_loss(LocatorAnswer(right, boxes), classes, boxes).item() == pytest.approx(0)
    assert locator_loss(LocatorAnswer(-right, boxes), classes, boxes) > 10
    assert locator_loss(LocatorAnswer(right, boxes + 5), classes, boxes) > 0.3


def test_any_backbone_will_do() -> None:
    network = Locator(load_backbone("shufflenet_v2_x0_5"), ["a", "b", "c"])
    answer = network(torch.zeros(2, 64, 96, 3, dtype=torch.uint8))
    assert answer.logits.shape == (2, 3)
    assert answer.boxes.shape == (2, 4)


def test_what_cannot_be_used_is_refused(locator: Locator) -> None:
    with pytest.raises(InvalidInput, match="at least one class"):
        Locator(tiny_backbone(), [])
    with pytest.raises(InvalidInput, match="at least one uint8"):
        locator.predict([])
    with pytest.raises(InvalidInput, match="got dtype float64"):
        locator.predict([np.zeros((8, 8, 3))])  # type: ignore[list-item]
    answer = LocatorAnswer(torch.zeros(2, 2), torch.zeros(2, 4))
    with pytest.raises(InvalidInput, match=r"expected classes \[2\].*got \[1\]"):
        locator_loss(answer, torch.zeros(1, dtype=torch.int64), torch.zeros(2, 4))
