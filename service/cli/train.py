"""``trackline train``: the project's own networks, fine-tuned on labelled pictures."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Self

import typer

from models.errors import TracklineError

if TYPE_CHECKING:
    from models.training.loop import Trainer


class Network(StrEnum):
    """What can be trained."""

    FCN = "fcn"
    FCN_32S = "fcn-32s"
    FCN_16S = "fcn-16s"
    FCN_8S = "fcn-8s"


class Interrupted(TracklineError):
    """The user ended the training."""


Data = Annotated[
    list[Path],
    typer.Option(help="Labelled pictures, YOLO or COCO; several count equally.", exists=True),
]
Val = Annotated[
    list[Path] | None,
    typer.Option(help="What is measured after each epoch; part val of the data if unset."),
]
RunFolder = Annotated[
    Path | None, typer.Option("--output", "-o", help="Folder of the run; runs/NETWORK if unset.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run there.")]
Backbone = Annotated[str, typer.Option(help="A backbone by name.")]
Imgsz = Annotated[int, typer.Option(help="Side of the input once trained.")]
Crop = Annotated[int, typer.Option(help="Side of the parts of pictures that are learnt.")]
Epochs = Annotated[int, typer.Option(help="Most epochs.")]
FrozenEpochs = Annotated[int, typer.Option(help="Epochs with the backbone frozen, the first ones.")]
Samples = Annotated[int, typer.Option(help="Pictures an epoch; as many as there are if 0.")]
BatchSize = Annotated[int, typer.Option(help="Pictures a step.")]
Rate = Annotated[float, typer.Option(help="Learning rate of the heads; a tenth for the backbone.")]
Patience = Annotated[int, typer.Option(help="Epochs without a better score before it ends.")]
Mosaic = Annotated[float, typer.Option(help="Share of samples made of four pictures.")]
Paste = Annotated[float, typer.Option(help="Cut-out objects pasted onto a sample, in the mean.")]
Bf16 = Annotated[bool, typer.Option("--bf16", help="Compute in bfloat16.")]
Seed = Annotated[int, typer.Option(help="Of everything random.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Workers = Annotated[int, typer.Option(min=0, help="More processes that make samples.")]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("train")(train)


def train(
    network: Annotated[Network, typer.Argument(help="The detector, or a segmenter.")],
    data: Data,
    val: Val = None,
    output: RunFolder = None,
    resume: Resume = False,
    backbone: Backbone = "mobilenet",
    imgsz: Imgsz = 640,
    crop: Crop = 320,
    epochs: Epochs = 30,
    frozen_epochs: FrozenEpochs = 3,
    samples: Samples = 0,
    batch: BatchSize = 8,
    lr: Rate = 2e-3,
    patience: Patience = 10,
    mosaic: Mosaic = 0.5,
    paste: Paste = 1.0,
    bf16: Bf16 = False,
    seed: Seed = 0,
    device: Device = "auto",
    workers: Workers = 0,
) -> None:
    """Fine-tune a network on one's own labelled pictures."""
    from models.runtime import choose_runtime
    from models.training.recipe import Recipe
    from models.training.run import prepare

    recipe = Recipe(
        network.value,
        tuple(str(path) for path in data),
        tuple(str(path) for path in val or ()),
        backbone=backbone,
        imgsz=imgsz,
        crop=crop,
        epochs=epochs,
        frozen_epochs=frozen_epochs,
        samples=samples,
        batch=batch,
        lr=lr,
        patience=patience,
        mosaic=mosaic,
        paste=paste,
        bf16=bf16,
        seed=seed,
    )
    place = choose_runtime("torch", device)[1]
    folder = output or Path("runs") / network.value
    with TrainingBar() as bar:
        trainer = prepare(recipe, folder, bar, device=place, workers=workers, resume=resume)
        _run(trainer)
    _report(trainer)


def _run(trainer: Trainer) -> None:
    try:
        trainer.run()
    except KeyboardInterrupt:
        done = len(trainer.history)
        raise Interrupted(
            f"interrupted in epoch {done + 1}; {trainer.folder} has the state after {done} "
            "epochs, the same command with --resume goes on from there"
        ) from None


def _report(trainer: Trainer) -> None:
    from models.training.checkpoint import BEST

    best, name = trainer.best, trainer.task.score_name
    typer.echo(
        f"{trainer.folder / BEST}: {name} {100 * best[name]:.1f} after epoch {best['epoch']} "
        f"of {len(trainer.history)}"
    )


class TrainingBar:
    """A bar for the steps of an epoch and a line for each epoch, on stderr; a `Watch`."""

    def __init__(self) -> None:
        from rich import progress
        from rich.console import Console

        self._bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("reading", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def step(self, epoch: int, done: int, steps: int, loss: float) -> None:
        """Move the bar."""
        what = f"epoch {epoch + 1}, loss {loss:.3f}" + (", measuring" if done == steps else "")
        self._bar.update(self._task, description=what, completed=done, total=steps)

    def epoch(self, row: dict[str, float]) -> None:
        """Print what was measured."""
        shares = (
            f"{name} {100 * value:.1f}"
            for name, value in row.items()
            if name.startswith(("mAP", "AP", "mIoU", "IoU"))
        )
        self._bar.console.print(
            f"epoch {row['epoch']:3d}  loss {row['loss']:.3f}  {'  '.join(shares)}  "
            f"{row['seconds']:.0f} s{'  backbone frozen' if row['frozen'] else ''}",
            highlight=False,
        )
