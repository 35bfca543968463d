"""Labelled pictures as batches: each sample varied by a random number generator of its own.

What a sample looks like depends on the seed, the epoch and its place in it, and on nothing else.
So a run that was interrupted goes on as if it had not been, with any number of workers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from models.errors import InvalidInput
from models.fcn_loss import Target
from models.ground_truth import GroundTruth, Picture
from models.training.augment import mosaic, recolour, window
from models.training.paste import Cutouts, paste
from models.training.recipe import Recipe
from models.training.samples import Sample, read_sample

Place: TypeAlias = tuple[int, int]
"""An epoch, and a sample's place in it."""


class Batch(NamedTuple):
    """Samples of one size."""

    pixels: Tensor
    """Uint8 [N, H, W, 3], BGR."""
    targets: list[Target]
    """The objects of each."""
    labels: Tensor
    """Int64 [N, H, W], the class of each pixel; see `models.training.samples.Sample`."""

    def to(self, device: str) -> Batch:
        """The same on a device."""
        targets = [Target(*(part.to(device) for part in target)) for target in self.targets]
        return Batch(self.pixels.to(device), targets, self.labels.to(device))


class TrainingSet(Dataset[Sample]):
    """The samples of a run. Data sets count equally, however many pictures each has.

    Parameters
    ----------
    truths : sequence of GroundTruth
        The data sets, with the same classes.
    recipe : Recipe
        Size, augmentation, seed.

    Raises
    ------
    InvalidInput
        A data set has no object; or an object without an outline, where a segmenter is trained.
    """

    def __init__(self, truths: Sequence[GroundTruth], recipe: Recipe) -> None:
        self._sets = [truth.pictures for truth in truths]
        self._recipe = recipe
        self._numbers = class_numbers(truths[0])
        pictures = [picture for truth in truths for picture in truth.pictures]
        if not any(len(picture.truth.classes) for picture in pictures):
            raise InvalidInput("data: no picture has an object to learn")
        if recipe.kind == "segmenter":
            check_outlines(pictures)
        self._cutouts = Cutouts(pictures, self._numbers)
        self.samples = recipe.samples or len(pictures)

    def __getitem__(self, place: Place) -> Sample:
        recipe = self._recipe
        rng = np.random.default_rng([recipe.seed, 1, *place])
        if rng.random() < recipe.mosaic:
            four = [self._read(place, rng)] + [self._any(rng) for _ in range(3)]
            sample = mosaic(four, recipe.crop, recipe.imgsz, rng)
        else:
            size = recipe.crop, recipe.crop
            sample = window(self._read(place, rng), size, recipe.imgsz, rng)
        for _ in range(rng.poisson(recipe.paste) if len(self._cutouts) else 0):
            sample = paste(sample, self._cutouts, rng)
        return Sample(recolour(sample.image, rng), sample.boxes, sample.classes, sample.labels)

    def _read(self, place: Place, rng: np.random.Generator) -> Sample:
        """The picture of a place: each data set in turn, each picture of it equally often."""
        epoch, number = place
        pictures = self._sets[number % len(self._sets)]
        turn, row = divmod(number // len(self._sets), len(pictures))
        order = np.random.default_rng([self._recipe.seed, 0, epoch, turn])
        return read_sample(pictures[order.permutation(len(pictures))[row]], self._numbers)

    def _any(self, rng: np.random.Generator) -> Sample:
        pictures = self._sets[rng.integers(len(self._sets))]
        return read_sample(pictures[rng.integers(len(pictures))], self._numbers)


class Batches:
    """The batches of one epoch after another.

    Parameters
    ----------
    samples : TrainingSet
        What they are made of.
    batch : int
        Samples of a batch. What is left over at the end of an epoch is left out.
    workers : int
        Processes that make samples; 0 makes them in this one.
    """

    def __init__(self, samples: TrainingSet, batch: int, workers: int = 0) -> None:
        self.steps = samples.samples // batch
        if not self.steps:
            raise InvalidInput(
                f"data: at least a batch of {batch} samples an epoch expected, "
                f"got {samples.samples}; choose a smaller batch or more samples"
            )
        self._batch = batch
        self._epoch = 0
        loader: Any = DataLoader
        self._loader = loader(
            samples,
            batch_sampler=self,
            num_workers=workers,
            collate_fn=collate,
            persistent_workers=workers > 0,
            worker_init_fn=_alone,
        )

    def __iter__(self) -> Iterator[list[Place]]:
        for step in range(self.steps):
            yield [(self._epoch, step * self._batch + row) for row in range(self._batch)]

    def of(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch."""
        self._epoch = epoch
        yield from self._loader


def collate(samples: Sequence[Sample]) -> Batch:
    """Samples of one size as tensors."""
    targets = [
        Target(torch.from_numpy(sample.boxes), torch.from_numpy(sample.classes))
        for sample in samples
    ]
    pixels = torch.from_numpy(np.stack([sample.image for sample in samples]))
    labels = torch.from_numpy(np.stack([sample.labels for sample in samples]).astype(np.int64))
    return Batch(pixels, targets, labels)


def class_numbers(truth: GroundTruth) -> dict[int, int]:
    """From the class ids of labels to numbers from 0, in their order."""
    return {class_id: number for number, class_id in enumerate(sorted(truth.names))}


def class_names(names: Mapping[int, str]) -> tuple[str, ...]:
    """The names of the classes by number."""
    return tuple(names[class_id] for class_id in sorted(names))


def check_outlines(pictures: Sequence[Picture]) -> None:
    """Refuse labels from which no mask can be painted.

    Raises
    ------
    InvalidInput
        An object has no outline; the message names its picture.
    """
    for picture in pictures:
        if not all(picture.outlines):
            raise InvalidInput(
                f"{picture.path}: outlines expected, as `trackline label` writes with a -seg "
                "model; it has objects with a box alone"
            )


def _alone(_worker: int) -> None:
    """Workers share the cores among them."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
