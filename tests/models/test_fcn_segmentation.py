"""FCN-32s, 16s and 8s: their structure, and that finer maps draw finer outlines."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.errors import InvalidInput
from models.fcn_segmentation import FcnSegmentationNetwork, bilinear_upsampling
from tests.models.drawn import NAMES, discs, tiny_backbone

CLASSES = ("background", *NAMES)


@pytest.mark.parametrize("factor", [2, 8, 16, 32])
def test_upsampling_starts_as_bilinear_interpolation(factor: int) -> None:
    maps = torch.rand(2, 3, 6, 7)
    with torch.no_grad():
        larger = bilinear_upsampling(3, factor)(maps)
    expected = functional.interpolate(maps, scale_factor=factor, mode="bilinear")
    assert larger.shape == expected.shape
    inner = slice(factor, -factor)
    torch.testing.assert_close(larger[..., inner, inner], expected[..., inner, inner])


@pytest.mark.parametrize("finest", [8, 16, 32])
def test_every_pixel_of_any_size_has_a_score_for_each_class(finest: int) -> None:
    network = FcnSegmentationNetwork(tiny_backbone(), CLASSES, finest=finest).eval()
    with torch.no_grad():
        scores = network(torch.zeros(2, 64, 160, 3, dtype=torch.uint8))
    assert scores.shape == (2, 3, 64, 160)


@pytest.mark.parametrize("finest", [8, 16])
def test_a_finer_network_starts_as_its_coarser_one(finest: int) -> None:
    coarse = FcnSegmentationNetwork(tiny_backbone(), CLASSES, finest=32).eval()
    fine = FcnSegmentationNetwork(coarse.backbone, CLASSES, finest=finest).eval()
    fine.score[-1].load_state_dict(coarse.score[-1].state_dict())
    pixels = torch.from_numpy(discs(0, side=160)[0])[None]
    with torch.no_grad():
        maps = coarse.score[-1](coarse.backbone(pixels)[-1])
        expected = maps
        for _ in range({8: 2, 16: 1}[finest]):
            expected = bilinear_upsampling(3, 2)(expected)
        expected = bilinear_upsampling(3, finest)(expected)
        torch.testing.assert_close(fine(pixels), expected)


def test_the_skips_are_added_where_they_belong() -> None:
    network = FcnSegmentationNetwork(tiny_backbone(), CLASSES, finest=8).eval()
    with torch.no_grad():
        for weight in network.score.parameters():
            weight.zero_()
        pixels = torch.from_numpy(discs(0)[0])[None]
        assert network(pixels).abs().max() == 0
        for name, weight in network.score.named_parameters():
            weight.fill_(name.endswith("bias"))
        # In the middle, bilinear interpolation keeps a constant, so the three scores add up.
        assert network(pixels)[0, 0, 40:56, 40:56].tolist() == [[3.0] * 16] * 16


def mean_iou(finest: int, steps: int = 120) -> float:
    """Mean IoU over the classes, on the pictures that the network has learnt by heart."""
    drawn = [discs(seed) for seed in range(6)]
    pixels = torch.from_numpy(np.stack([image for image, _ in drawn]))
    labels = torch.from_numpy(np.stack([mask for _, mask in drawn]))
    network = FcnSegmentationNetwork(tiny_backbone(), CLASSES, finest=finest)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=steps)
    for _ in range(steps):
        loss = functional.cross_entropy(network(pixels), labels)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        answer = network.eval()(pixels).argmax(1)
    shares = []
    for label in range(len(CLASSES)):
        here, there = answer == label, labels == label
        shares.append(((here & there).sum() / (here | there).sum()).item())
    return float(np.mean(shares))


def test_finer_maps_draw_finer_outlines() -> None:
    coarse, middle, fine = (mean_iou(finest) for finest in (32, 16, 8))
    assert fine > middle > coarse
    assert fine > 0.85
    assert fine > coarse + 0.05


@pytest.mark.parametrize("finest", [0, 4, 24, 64])
def test_other_strides_are_refused(finest: int) -> None:
    with pytest.raises(InvalidInput, match="finest"):
        FcnSegmentationNetwork(tiny_backbone(), CLASSES, finest=finest)


def test_one_class_is_not_enough() -> None:
    with pytest.raises(InvalidInput, match="background"):
        FcnSegmentationNetwork(tiny_backbone(), ["background"])
