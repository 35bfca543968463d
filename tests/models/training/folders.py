"""Data sets of drawn pictures on disk, and samples made of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import yaml

from models.ground_truth import GroundTruth, read_ground_truth
from models.training.samples import Sample, read_sample
from tests.models.drawn import NAMES, picture

SIDE = 128


def yolo(folder: Path, parts: dict[str, int], *, outlines: bool = True, seed: int = 0) -> Path:
    """So many pictures of coloured rectangles in each part, in the form of YOLO."""
    for part, count in parts.items():
        images, labels = folder / "images" / part, folder / "labels" / part
        images.mkdir(parents=True)
        labels.mkdir(parents=True)
        for _ in range(count):
            image, boxes, classes = picture(seed, SIDE)
            cv2.imwrite(str(images / f"{part}{seed}.png"), image)
            lines = [
                f"{label} " + (_corners(box) if outlines else _box(box))
                for box, label in zip(boxes / SIDE, classes, strict=True)
            ]
            (labels / f"{part}{seed}.txt").write_text("\n".join(lines))
            seed += 1
    data = {part: f"images/{part}" for part in parts} | {"names": list(NAMES)}
    (folder / "data.yaml").write_text(yaml.safe_dump(data))
    return folder


def samples(folder: Path, part: str = "train") -> tuple[GroundTruth, list[Sample]]:
    """The labelled pictures of a part, and each as a sample."""
    truth = read_ground_truth(folder, split=part)
    return truth, [read_sample(row, {0: 0, 1: 1}) for row in truth.pictures]


def _corners(box: np.ndarray) -> str:
    x1, y1, x2, y2 = box
    return f"{x1} {y1} {x2} {y1} {x2} {y2} {x1} {y2}"


def _box(box: np.ndarray) -> str:
    x1, y1, x2, y2 = box
    return f"{(x1 + x2) / 2} {(y1 + y2) / 2} {x2 - x1} {y2 - y1}"
