"""The training loop: what it learns, what it keeps, and that it goes on as if never stopped."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
import torch
from torch import Tensor

from models.errors import InvalidInput, ModelError
from models.fcn_network import FcnNetwork
from models.fcn_segmentation import FcnSegmentationNetwork
from models.fcn_spec import FcnSpec, read_spec
from models.training import checkpoint
from models.training.data import read_data
from models.training.dataset import Batches, TrainingSet
from models.training.loop import BACKBONE_SHARE, Trainer
from models.training.recipe import Recipe
from models.training.tasks import Detection, Segmentation
from tests.models.drawn import tiny_backbone
from tests.models.training.folders import yolo


class Told:
    """Notes what it is told, and may interrupt."""

    def __init__(self, stop_at: tuple[int, int] | None = None) -> None:
        self.steps: list[tuple[int, int]] = []
        self.rows: list[dict[str, float]] = []
        self._stop_at = stop_at

    def step(self, epoch: int, done: int, steps: int, loss: float) -> None:
        assert done <= steps
        assert math.isfinite(loss)
        self.steps.append((epoch, done))
        if (epoch, done) == self._stop_at:
            raise KeyboardInterrupt

    def epoch(self, row: dict[str, float]) -> None:
        self.rows.append(row)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return yolo(tmp_path_factory.mktemp("drawn"), {"train": 6, "val": 3})


def recipe(folder: Path, **changes: object) -> Recipe:
    plain = Recipe(
        "fcn",
        (str(folder),),
        imgsz=128,
        crop=96,
        epochs=3,
        frozen_epochs=1,
        samples=8,
        batch=4,
        lr=5e-3,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def trainer(
    chosen: Recipe, out: Path, told: Told | None = None, *, resume: bool = False
) -> Trainer:
    learnt, measured = read_data([Path(path) for path in chosen.data])
    task = (Detection if chosen.kind == "detector" else Segmentation)(chosen, measured)
    torch.manual_seed(chosen.seed)
    backbone = tiny_backbone()
    network = (
        FcnNetwork(backbone, task.classes, stride=chosen.stride, width=32)
        if chosen.kind == "detector"
        else FcnSegmentationNetwork(backbone, task.classes, finest=chosen.stride)
    )
    spec = FcnSpec(chosen.kind, "tiny", task.classes, chosen.stride, chosen.imgsz, width=32)
    batches = Batches(TrainingSet(learnt, chosen), chosen.batch)
    return Trainer(chosen, network, spec, task, batches, out, told or Told(), resume=resume)


def weights(run: Trainer) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in run.network.state_dict().items()}


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return all(torch.equal(left[name], right[name]) for name in left)


def test_it_learns_to_find_what_it_has_not_seen(folder: Path, tmp_path: Path) -> None:
    run = trainer(
        recipe(folder, epochs=9, frozen_epochs=0, samples=48, batch=8, lr=1e-2, mosaic=0, paste=0),
        tmp_path / "run",
    )
    best = run.run()
    assert best["mAP@50"] > 0.5
    assert best["mAP@50"] > run.history[0]["mAP@50"]
    assert run.history[-1]["loss"] < 0.5 * run.history[0]["loss"]


def test_it_learns_the_class_of_each_pixel(folder: Path, tmp_path: Path) -> None:
    run = trainer(
        recipe(folder, network="fcn-8s", epochs=6, frozen_epochs=0, samples=48, batch=8, lr=1e-2),
        tmp_path / "run",
    )
    best = run.run()
    assert best["mIoU"] > 0.6
    assert {"IoU background", "IoU red", "IoU green"} <= best.keys()


def test_the_backbone_is_frozen_first_and_then_learns_at_a_tenth(
    folder: Path, tmp_path: Path
) -> None:
    run = trainer(recipe(folder, epochs=2, frozen_epochs=1), tmp_path / "run")
    before = weights(run)
    after: list[dict[str, Tensor]] = []
    run._watch.epoch = lambda row: after.append(weights(run))  # type: ignore[method-assign]
    run.run()
    backbone = [name for name in before if name.startswith("backbone.")]
    heads = [name for name in before if name.startswith(("classify", "find", "locate"))]
    # Its running means too.
    assert all(torch.equal(before[name], after[0][name]) for name in backbone)
    assert all(not torch.equal(before[name], after[0][name]) for name in heads)
    assert not any(torch.equal(before[name], after[1][name]) for name in backbone)
    rates = [group["lr"] for group in run._optimiser.param_groups]
    assert rates[1] == pytest.approx(BACKBONE_SHARE * rates[0])


def test_the_rate_rises_and_falls_to_nothing(folder: Path, tmp_path: Path) -> None:
    run = trainer(recipe(folder, epochs=50), tmp_path / "run")
    rates = [run.rate(step) for step in range(100)]
    assert rates[0] < rates[2] < max(rates) <= run.recipe.lr
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.01 * run.recipe.lr


@pytest.mark.parametrize("stop_at", [(0, 1), (1, 2), (2, 1)])
@pytest.mark.parametrize("network", ["fcn", "fcn-16s"])
def test_an_interrupted_run_ends_as_an_undisturbed_one(
    folder: Path, tmp_path: Path, network: str, stop_at: tuple[int, int]
) -> None:
    chosen = recipe(folder, network=network)
    undisturbed = trainer(chosen, tmp_path / "undisturbed")
    undisturbed.run()
    with pytest.raises(KeyboardInterrupt):
        trainer(chosen, tmp_path / "run", Told(stop_at)).run()
    assert len(checkpoint.load_state(tmp_path / "run").history) == stop_at[0]
    told = Told()
    resumed = trainer(chosen, tmp_path / "run", told, resume=True)
    resumed.run()
    assert told.steps[0] == (stop_at[0], 1)
    assert same(weights(undisturbed), weights(resumed))
    for left, right in zip(undisturbed.history, resumed.history, strict=True):
        assert left | {"seconds": 0} == right | {"seconds": 0}


def test_a_run_leaves_its_best_network_its_figures_and_a_picture(
    folder: Path, tmp_path: Path
) -> None:
    run = trainer(recipe(folder), tmp_path / "run")
    best = run.run()
    assert best["mAP@50"] == max(row["mAP@50"] for row in run.history)
    assert read_spec(tmp_path / "run" / checkpoint.BEST).names == ("red", "green")
    noted = json.loads((tmp_path / "run" / checkpoint.HISTORY).read_text())
    assert noted == run.history
    assert [row["epoch"] for row in noted] == [1, 2, 3]
    assert [row["frozen"] for row in noted] == [True, False, False]
    drawn = cv2.imread(str(tmp_path / "run" / checkpoint.CURVES))
    assert drawn is not None
    assert drawn.shape == (400, 1000, 3)


def test_it_ends_when_nothing_improves(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.3, 0.5, 0.4, 0.5, 0.2, 0.9])
    monkeypatch.setattr(Detection, "scores", lambda *_: {"mAP@50": next(scores)})
    run = trainer(recipe(folder, epochs=6, patience=3), tmp_path / "run")
    assert run.run()["epoch"] == 2
    assert len(run.history) == 5
    # A run that has ended does not go on.
    resumed = trainer(recipe(folder, epochs=6, patience=3), tmp_path / "run", resume=True)
    assert resumed.run()["epoch"] == 2
    assert len(resumed.history) == 5


def test_a_run_goes_on_by_its_own_recipe_alone(folder: Path, tmp_path: Path) -> None:
    trainer(recipe(folder, epochs=1), tmp_path / "run").run()
    with pytest.raises(InvalidInput, match="seed was 0 and is 3"):
        trainer(recipe(folder, epochs=1, seed=3), tmp_path / "run", resume=True)
    with pytest.raises(InvalidInput, match="--resume"):
        trainer(recipe(folder, epochs=1), tmp_path / "run")
    with pytest.raises(InvalidInput, match=r"no last\.pt"):
        trainer(recipe(folder, epochs=1), tmp_path / "elsewhere", resume=True)


def test_a_state_that_is_no_state_is_refused_and_runs_no_code(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return open, (str(tmp_path / "harm"), "w")  # type: ignore[return-value]

    torch.save({"recipe": Harm()}, tmp_path / checkpoint.LAST)
    with pytest.raises(InvalidInput, match="state of a training run"):
        checkpoint.load_state(tmp_path)
    assert not (tmp_path / "harm").exists()


def test_a_state_that_cannot_be_written_leaves_the_one_before(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trainer(recipe(folder, epochs=2), tmp_path / "run")
    before = (tmp_path / "run" / checkpoint.LAST).read_bytes()

    def full(_state: object, file: object) -> None:
        file.write(b"half of it")  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space"):
        run.run()
    assert (tmp_path / "run" / checkpoint.LAST).read_bytes() == before


def test_a_loss_that_is_no_number_ends_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trainer(recipe(folder), tmp_path / "run")
    weight = run.network.get_parameter("find.bias")
    with torch.no_grad():
        weight.fill_(math.nan)
    with pytest.raises(ModelError, match="lower the learning rate"):
        run.run()
