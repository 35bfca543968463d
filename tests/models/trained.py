"""FCNs that have learnt drawn pictures, and a catalogue that names them as an operator's own."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from models.fcn_loss import Target, detection_loss
from models.fcn_network import FcnNetwork
from models.fcn_segmentation import FcnSegmentationNetwork
from models.fcn_spec import FcnSpec
from models.fcn_weights import build_fcn, save_fcn
from tests.models.drawn import NAMES, discs, picture

BACKBONE = "shufflenet_v2_x0_5"
SIDE, PICTURES, STEPS = 128, 4, 100
DETECTOR = FcnSpec("detector", BACKBONE, NAMES, stride=16, imgsz=SIDE, width=48)
SEGMENTER = FcnSpec("segmenter", BACKBONE, ("background", *NAMES), stride=8, imgsz=96)


@cache
def detector() -> FcnNetwork:
    """A detector that knows the first pictures of `drawn.picture` by heart."""
    torch.manual_seed(0)
    network = build_fcn(DETECTOR)
    assert isinstance(network, FcnNetwork)
    drawn = [picture(seed, SIDE) for seed in range(PICTURES)]
    pixels = torch.from_numpy(np.stack([image for image, _, _ in drawn]))
    targets = [Target(torch.from_numpy(boxes), torch.from_numpy(ids)) for _, boxes, ids in drawn]
    optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=STEPS)
    for _ in range(STEPS):
        losses = detection_loss(network(pixels), targets, DETECTOR.stride)
        optimiser.zero_grad()
        torch.autograd.backward(losses.total)
        optimiser.step()
        schedule.step()
    return network.eval()


@cache
def segmenter() -> FcnSegmentationNetwork:
    """A segmenter that knows the first pictures of `drawn.discs` by heart."""
    torch.manual_seed(0)
    network = build_fcn(SEGMENTER)
    assert isinstance(network, FcnSegmentationNetwork)
    drawn = [discs(seed) for seed in range(PICTURES)]
    pixels = torch.from_numpy(np.stack([image for image, _ in drawn]))
    masks = torch.from_numpy(np.stack([mask for _, mask in drawn]))
    optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=STEPS)
    for _ in range(STEPS):
        loss = functional.cross_entropy(network(pixels), masks)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
    return network.eval()


def catalogue(folder: Path) -> Path:
    """Write both to a folder, and a catalogue with the names ``shapes`` and ``discs``."""
    save_fcn(detector(), DETECTOR, folder / "shapes.safetensors")
    save_fcn(segmenter(), SEGMENTER, folder / "discs.safetensors")
    entries = []
    for name, task in (("shapes", "detect"), ("discs", "semantic")):
        digest = hashlib.sha256((folder / f"{name}.safetensors").read_bytes()).hexdigest()
        entries.append(
            f'[entries.{name}]\ntask = "{task}"\nsha256 = "{digest}"\n'
            f'sources = [{{ path = "{name}.safetensors" }}]\n'
        )
    path = folder / "own.toml"
    path.write_text("\n".join(entries))
    return path
