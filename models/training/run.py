"""A training run put together from its recipe."""

from __future__ import annotations

from pathlib import Path

import torch

from models.fcn_spec import FcnSpec
from models.fcn_weights import build_fcn
from models.training.data import read_data
from models.training.dataset import Batches, TrainingSet
from models.training.loop import Trainer, Watch
from models.training.recipe import Recipe
from models.training.tasks import Detection, Segmentation


def prepare(
    recipe: Recipe,
    folder: Path,
    watch: Watch,
    *,
    device: str = "cpu",
    workers: int = 0,
    resume: bool = False,
) -> Trainer:
    """Read the data, build the network, and make ready or take up a run.

    Parameters
    ----------
    recipe, folder, watch, device, resume
        As for `models.training.loop.Trainer`.
    workers : int
        Processes that make samples beside this one. They change nothing of the outcome.

    Raises
    ------
    InvalidInput
        The data cannot be used, or the folder does not fit ``resume``.
    WeightsError
        The weights of the backbone are not to be had.
    """
    learnt, measured = read_data(
        [Path(path) for path in recipe.data], [Path(path) for path in recipe.val]
    )
    task = (Detection if recipe.kind == "detector" else Segmentation)(recipe, measured)
    batches = Batches(TrainingSet(learnt, recipe), recipe.batch, workers)
    spec = FcnSpec(recipe.kind, recipe.backbone, task.classes, recipe.stride, recipe.imgsz)
    torch.manual_seed(recipe.seed)
    network = build_fcn(spec, pretrained=not resume)
    return Trainer(
        recipe, network, spec, task, batches, folder, watch, device=device, resume=resume
    )
