"""What is learnt, and how well: boxes by mAP, the class of each pixel by mean IoU."""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy
from typing import Protocol

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.average_precision import average_precision
from models.fcn_detector import FcnDetector
from models.fcn_loss import detection_loss
from models.fcn_network import FcnAnswer
from models.ground_truth import GroundTruth, Picture
from models.labelled import detect_labelled
from models.mean_iou import MeanIou
from models.preprocess import Letterbox
from models.runtime.torch import TorchRuntime
from models.training.dataset import Batch, check_outlines, class_names, class_numbers
from models.training.recipe import Recipe
from models.training.samples import IGNORED, read_picture, read_sample


class Task(Protocol):
    """What is learnt.

    Attributes
    ----------
    classes : tuple of str
        The names of the network's classes.
    score_name : str
        Which of the scores decides: the greatest is the best.
    """

    classes: tuple[str, ...]
    score_name: str

    def losses(self, network: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """What is minimised, as ``loss``, and its parts by name."""

    def scores(self, network: nn.Module) -> dict[str, float]:
        """How well a network does on what is measured, shares by name."""


class Detection:
    """Boxes: cross-entropy, binary cross-entropy and CIoU, measured by average precision.

    Parameters
    ----------
    recipe : Recipe
        Stride and size.
    truth : GroundTruth
        What is measured.
    """

    score_name = "mAP@50"

    def __init__(self, recipe: Recipe, truth: GroundTruth) -> None:
        self.classes = class_names(truth.names)
        self._recipe = recipe
        self._truth = truth

    def losses(self, network: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """The three losses and their weighted sum."""
        answer = FcnAnswer(*(head.float() for head in network(batch.pixels)))
        parts = detection_loss(answer, batch.targets, self._recipe.stride)
        return {"loss": parts.total} | parts._asdict()

    def scores(self, network: nn.Module) -> dict[str, float]:
        """MAP@50, mAP@50:95 and the AP@50 of each class."""
        runtime = TorchRuntime(deepcopy(network).cpu())
        detector = FcnDetector(
            self._recipe.network,
            dict(enumerate(self.classes)),
            runtime,
            stride=self._recipe.stride,
            imgsz=self._recipe.imgsz,
        )
        found = list(detect_labelled(detector, self._truth, read_picture))
        detector.close()
        truths = [picture.truth for picture in self._truth.pictures]
        scores = average_precision(truths, found, self._truth.names)
        classes = {f"AP@50 {name}": row.ap50 for name, row in scores.classes.items()}
        return {self.score_name: scores.map50, "mAP@50:95": scores.map50_95} | classes


class Segmentation:
    """A class for every pixel: cross-entropy, measured by mean IoU.

    Parameters
    ----------
    recipe : Recipe
        Size.
    truth : GroundTruth
        What is measured; its objects have outlines.

    Raises
    ------
    InvalidInput
        An object has none.
    """

    score_name = "mIoU"

    def __init__(self, recipe: Recipe, truth: GroundTruth) -> None:
        check_outlines(truth.pictures)
        self.classes = ("background", *class_names(truth.names))
        self._numbers = class_numbers(truth)
        self._imgsz = recipe.imgsz
        self._pictures = truth.pictures

    def losses(self, network: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """The mean cross-entropy of the pixels whose class is known."""
        return {
            "loss": functional.cross_entropy(
                network(batch.pixels), batch.labels, ignore_index=IGNORED
            )
        }

    def scores(self, network: nn.Module) -> dict[str, float]:
        """The mean IoU, and that of each class that there is, at the input's resolution."""
        counted = MeanIou(len(self.classes))
        device = next(network.parameters()).device
        network.eval()
        for pixels, labels in map(self._input, self._pictures):
            with torch.inference_mode():
                scores = network(torch.from_numpy(pixels)[None].to(device))[0]
            counted.add(labels, scores.argmax(0).cpu().numpy())
        rows = zip(self.classes, counted.classes().tolist(), strict=True)
        there = {f"IoU {name}": share for name, share in rows if not math.isnan(share)}
        return {self.score_name: counted.mean()} | there

    def _input(self, picture: Picture) -> tuple[np.ndarray, np.ndarray]:
        """Pixels and labels of a picture as the network takes them, padding ignored."""
        sample = read_sample(picture, self._numbers)
        box = Letterbox.fit(sample.labels.shape, self._imgsz)
        labels = np.full(box.input_size, IGNORED, np.uint8)
        bottom, right = box.end
        labels[box.top : bottom, box.left : right] = cv2.resize(
            sample.labels, box.inner_size[::-1], interpolation=cv2.INTER_NEAREST
        )
        return box.apply(sample.image), labels
