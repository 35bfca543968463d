"""The pictures and tables of docs/training.md, from the runs that `benchmarks.train_fcn` leaves.

    python -m benchmarks.fcn_pictures --work runs/shipped
    python -m benchmarks.fcn_pictures --work runs/quick -o out

What is shown was not trained on: the last fifth of the clip.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from models.fcn_detector import FcnDetector
from models.fcn_network import FcnNetwork
from models.fcn_segmentation import FcnSegmentationNetwork
from models.fcn_weights import load_fcn
from models.ground_truth import read_ground_truth
from models.preprocess import Letterbox
from models.runtime.torch import TorchRuntime
from models.training.checkpoint import BEST, CURVES, HISTORY
from models.training.samples import Sample, read_sample
from models.types import Image
from service.drawing.render import draw_detections

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "images" / "training"
SEGMENTERS = ("fcn-32s", "fcn-16s", "fcn-8s")
COLOURS = np.array([[0, 0, 0], [60, 60, 230], [80, 200, 80]], np.float32)
"""Of background, person and vehicle, BGR."""
SHOWN = -1
"""Which of the pictures that are measured is shown."""
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 85]


def main() -> None:
    """Draw, and print the table of the segmenters."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder of benchmarks.train_fcn")
    parser.add_argument(
        "--output", "-o", type=Path, default=PICTURES, help="folder of the pictures"
    )
    options = parser.parse_args()
    work, output = options.work, options.output
    output.mkdir(parents=True, exist_ok=True)
    measured = read_ground_truth(work / "data" / "motorway-seg").pictures
    sample = read_sample(measured[SHOWN], {0: 0, 1: 1})
    write(output / "detections.jpg", detections(work / "fcn" / BEST, sample.image))
    masks = {"teacher": sample.labels}
    masks |= {name: segmented(work / name / BEST, sample) for name in SEGMENTERS}
    tiles = [titled(overlaid(sample.image, mask), name) for name, mask in masks.items()]
    write(output / "masks.jpg", np.vstack([np.hstack(tiles[:2]), np.hstack(tiles[2:])]))
    for name in ("fcn", "fcn-8s"):
        shutil.copy(work / name / CURVES, output / f"{name}-curves.png")
    for name in SEGMENTERS:
        row = best(work / name)
        shares = " | ".join(f"{100 * row[key]:.1f}" for key in row if "IoU" in key)
        print(f"| `{name}` | {shares} |")


def detections(weights: Path, image: Image) -> Image:
    """A picture with what the detector finds in it."""
    network, spec = load_fcn(weights)
    assert isinstance(network, FcnNetwork)
    names = dict(enumerate(spec.names))
    runtime = TorchRuntime(network)
    detector = FcnDetector("fcn", names, runtime, stride=spec.stride, imgsz=spec.imgsz)
    (found,) = detector.predict([image], conf=0.4)
    return draw_detections(image, found)


def segmented(weights: Path, sample: Sample) -> np.ndarray:
    """The class of each pixel, as a segmenter sees it."""
    network, spec = load_fcn(weights)
    assert isinstance(network, FcnSegmentationNetwork)
    box = Letterbox.fit(sample.labels.shape, spec.imgsz)
    with torch.inference_mode():
        scores = network(torch.from_numpy(box.apply(sample.image))[None])[0]
    bottom, right = box.end
    inner = scores[:, box.top : bottom, box.left : right].numpy()
    height, width = sample.labels.shape
    whole = [cv2.resize(plane, (width, height)) for plane in inner]
    return np.asarray(np.argmax(whole, axis=0))


def overlaid(image: Image, mask: np.ndarray) -> Image:
    """A picture in the colours of its classes."""
    classes = np.where(mask < len(COLOURS), mask, 0)
    share = 0.55 * (classes > 0)[..., None]
    return (image * (1 - share) + COLOURS[classes] * share).astype(np.uint8)


def titled(image: Image, title: str) -> Image:
    """A picture with its name in a corner."""
    cv2.putText(image, title, (12, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (255, 255, 255), 2)
    return image


def write(path: Path, image: Image) -> None:
    """Write a picture of the documentation."""
    cv2.imwrite(str(path), image, JPEG)


def best(folder: Path) -> dict[str, Any]:
    """What was measured after the best epoch of a run."""
    history: list[dict[str, Any]] = json.loads((folder / HISTORY).read_text(encoding="utf-8"))
    score = next(key for key in ("mAP@50", "mIoU") if key in history[0])
    return max(history, key=lambda row: row[score])


if __name__ == "__main__":
    main()
