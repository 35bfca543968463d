"""The training loop: transfer learning with the backbone frozen first.

After each epoch the network is measured, the run's state is written, and the best network is kept.
The learning rate follows a half cosine from its greatest value to nothing, after a linear start;
it is a function of the step alone, as the samples are of the epoch, so that a run that goes on
from its state ends as one that was never interrupted.

Sources: Yosinski et al., "How transferable are features in deep neural networks?", NeurIPS 2014
(freezing, then fine-tuning); Loshchilov and Hutter, "SGDR", ICLR 2017 (the cosine) and "Decoupled
Weight Decay Regularization", ICLR 2019 (AdamW).
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from models.errors import InvalidInput, ModelError
from models.fcn_network import FcnNetwork
from models.fcn_segmentation import FcnSegmentationNetwork
from models.fcn_spec import FcnSpec
from models.fcn_weights import save_fcn
from models.training.checkpoint import BEST, CURVES, LAST, State, load_state, save_state
from models.training.curves import draw_curves
from models.training.dataset import Batches
from models.training.recipe import Recipe
from models.training.tasks import Task

BACKBONE_SHARE = 0.1
"""The backbone's learning rate as a share of the heads'."""
WEIGHT_DECAY = 1e-4
WARM_UP = 0.05
"""Share of the steps during which the learning rate rises."""
LONGEST_GRADIENT = 10.0
"""Gradients are cut to this length, so that one odd batch does no harm."""


class Watch(Protocol):
    """Who is told how a run goes."""

    def step(self, epoch: int, done: int, steps: int, loss: float) -> None:
        """A batch was learnt."""

    def epoch(self, row: dict[str, float]) -> None:
        """An epoch was measured."""


class Trainer:
    """A training run.

    Parameters
    ----------
    recipe : Recipe
        What it is made of.
    network : FcnNetwork or FcnSegmentationNetwork
        What learns, its backbone trained before.
    spec : FcnSpec
        Describes it in the file of the best network.
    task : Task
        What is learnt and measured.
    batches : Batches
        Where the samples come from.
    folder : Path
        Where it leaves what `models.training.checkpoint` names. It is made.
    watch : Watch
        Is told how it goes.
    device : str
        Where it runs.
    resume : bool
        Go on with the run in the folder.

    Raises
    ------
    InvalidInput
        There is no run to go on with, or it was of another recipe; or there is one, and it is not
        to go on.
    """

    def __init__(
        self,
        recipe: Recipe,
        network: FcnNetwork | FcnSegmentationNetwork,
        spec: FcnSpec,
        task: Task,
        batches: Batches,
        folder: Path,
        watch: Watch,
        *,
        device: str = "cpu",
        resume: bool = False,
    ) -> None:
        self.recipe, self.task, self.folder = recipe, task, folder
        self._spec, self._batches, self._watch, self._device = spec, batches, watch, device
        # Convolutions on a CPU are faster with the channels last.
        place: Any = {"device": device, "memory_format": torch.channels_last}
        self.network = network.to(**place)
        backbone = list(network.backbone.parameters())
        theirs = {id(weight) for weight in backbone}
        heads = [weight for weight in network.parameters() if id(weight) not in theirs]
        self._optimiser = torch.optim.AdamW(
            [{"params": heads}, {"params": backbone}], weight_decay=WEIGHT_DECAY
        )
        self.history: list[dict[str, float]] = []
        if resume:
            self._restore(load_state(folder))
        elif (folder / LAST).exists():
            raise InvalidInput(
                f"{folder}: a run is there already; go on with it (--resume) or name another folder"
            )
        else:
            folder.mkdir(parents=True, exist_ok=True)
            self._save()

    @property
    def best(self) -> dict[str, float]:
        """What was measured after the best epoch.

        Raises
        ------
        InvalidInput
            No epoch is complete.
        """
        if not self.history:
            raise InvalidInput(f"{self.folder}: no epoch of this run is complete")
        return max(self.history, key=lambda row: row[self.task.score_name])

    def run(self) -> dict[str, float]:
        """Train to the end, or until nothing improves; what was measured after the best epoch.

        Raises
        ------
        ModelError
            The loss is no longer a number.
        """
        while len(self.history) < self.recipe.epochs and not self._exhausted():
            row = self._epoch(len(self.history))
            self.history.append(row)
            if self.best is row:
                save_fcn(self.network, self._spec, self.folder / BEST)
            self._save()
            draw_curves(self.history, self.recipe.network, self.folder / CURVES)
            self._watch.epoch(row)
        return self.best

    def _epoch(self, epoch: int) -> dict[str, float]:
        """Learn every batch of an epoch, then measure."""
        start = time.monotonic()
        frozen = epoch < self.recipe.frozen_epochs
        self.network.train()
        self.network.backbone.train(not frozen).requires_grad_(not frozen)
        sums: dict[str, float] = defaultdict(float)
        for step, batch in enumerate(self._batches.of(epoch)):
            rate = self.rate(epoch * self._batches.steps + step)
            for group, share in zip(self._optimiser.param_groups, (1, BACKBONE_SHARE), strict=True):
                group["lr"] = rate * share
            with torch.autocast(self._device, torch.bfloat16, enabled=self.recipe.bf16):
                losses = self.task.losses(self.network, batch.to(self._device))
            self._optimiser.zero_grad()
            torch.autograd.backward(losses["loss"])
            nn.utils.clip_grad_norm_(self.network.parameters(), LONGEST_GRADIENT)
            self._optimiser.step()
            for name, part in losses.items():
                sums[name] += part.item()
            if not math.isfinite(sums["loss"]):
                raise ModelError(
                    f"the loss is no number any more in epoch {epoch + 1}; lower the learning rate"
                )
            self._watch.step(epoch, step + 1, self._batches.steps, sums["loss"] / (step + 1))
        means = {
            name if name == "loss" else f"loss {name}": value / self._batches.steps
            for name, value in sums.items()
        }
        scores = self.task.scores(self.network)
        seconds = time.monotonic() - start
        return {"epoch": epoch + 1, "frozen": frozen, **means, **scores, "seconds": seconds}

    def rate(self, step: int) -> float:
        """The learning rate of the heads at a step of the whole run."""
        steps = self.recipe.epochs * self._batches.steps
        rising = min(1.0, (step + 1) / (WARM_UP * steps))
        return self.recipe.lr * rising * (1 + math.cos(math.pi * step / steps)) / 2

    def _exhausted(self) -> bool:
        """Whether the best epoch is so long ago that training ends early."""
        if not self.history:
            return False
        return len(self.history) - self.best["epoch"] >= self.recipe.patience

    def _save(self) -> None:
        state = State(
            asdict(self.recipe),
            self.network.state_dict(),
            self._optimiser.state_dict(),
            self.history,
        )
        save_state(state, self.folder)

    def _restore(self, state: State) -> None:
        if differences := self.recipe.differences(state.recipe):
            raise InvalidInput(
                f"{self.folder}: the run there is another one: {'; '.join(differences)}"
            )
        self.network.load_state_dict(state.network)
        self._optimiser.load_state_dict(state.optimiser)
        self.history = state.history
