"""Data sets: YOLO and COCO alike, what is measured, and samples that are the same every time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.errors import InvalidInput, UnknownName
from models.ground_truth import GroundTruth, read_ground_truth
from models.training.data import read_data
from models.training.dataset import Batches, TrainingSet
from models.training.recipe import Recipe
from models.training.samples import Sample
from tests.models.training.folders import yolo


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return yolo(tmp_path_factory.mktemp("drawn"), {"train": 5, "val": 2})


def write_coco(truth: GroundTruth, path: Path) -> None:
    """The same labels as a COCO file, with the pictures' full paths."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, picture in enumerate(truth.pictures):
        size = {"width": picture.width, "height": picture.height}
        images.append({"id": number, "file_name": str(picture.path)} | size)
        for box, label, outline in zip(
            picture.truth.boxes, picture.truth.classes, picture.outlines, strict=True
        ):
            x1, y1, x2, y2 = box.tolist()
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": int(label),
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "segmentation": [polygon.ravel().tolist() for polygon in outline],
                }
            )
    categories = [{"id": key, "name": name} for key, name in truth.names.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    data = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(data))


def equal(left: Sample, right: Sample) -> bool:
    return all(
        np.array_equal(getattr(left, name), getattr(right, name))
        for name in ("image", "boxes", "classes", "labels")
    )


@pytest.mark.parametrize(
    "places",
    [
        ("train.json", "val.json"),
        ("annotations/instances_train2017.json", "annotations/instances_val2017.json"),
    ],
)
def test_coco_gives_the_samples_that_yolo_gives(
    folder: Path, tmp_path: Path, places: tuple[str, str]
) -> None:
    for part, place in zip(("train", "val"), places, strict=True):
        write_coco(read_ground_truth(folder, split=part), tmp_path / place)
    sets = []
    for path in (folder, tmp_path):
        learnt, measured = read_data([path])
        assert len(measured.pictures) == 2
        sets.append(TrainingSet(learnt, Recipe("fcn", (str(path),), crop=96)))
    for epoch, number in ((0, 0), (0, 4), (3, 2)):
        assert equal(sets[0][epoch, number], sets[1][epoch, number])


def test_what_is_measured_is_named_where_the_data_does_not_say(
    folder: Path, tmp_path: Path
) -> None:
    alone = yolo(tmp_path / "alone", {"train": 2})
    with pytest.raises(InvalidInput, match="--val"):
        read_data([alone])
    learnt, measured = read_data([alone], [folder])
    assert [len(truth.pictures) for truth in learnt] == [2]
    assert len(measured.pictures) == 2
    # One data set with such a part is enough for several.
    assert len(read_data([alone, folder])[1].pictures) == 2


def test_data_sets_of_other_classes_are_refused(folder: Path, tmp_path: Path) -> None:
    other = yolo(tmp_path / "other", {"train": 1})
    (other / "data.yaml").write_text("train: images/train\nnames: [red, blue]\n")
    with pytest.raises(InvalidInput, match="classes of the first data set"):
        read_data([folder, other])


def test_a_sample_depends_on_seed_epoch_and_place_alone(folder: Path) -> None:
    learnt, _ = read_data([folder])
    recipe = Recipe("fcn", (str(folder),), crop=96)
    first, second = (TrainingSet(learnt, recipe) for _ in range(2))
    assert equal(first[2, 1], second[2, 1])
    assert not equal(first[2, 1], first[3, 1])
    assert not equal(first[2, 1], first[2, 2])
    other = TrainingSet(learnt, Recipe("fcn", (str(folder),), crop=96, seed=1))
    assert not equal(first[2, 1], other[2, 1])


def test_workers_change_nothing(folder: Path) -> None:
    learnt, _ = read_data([folder])
    recipe = Recipe("fcn", (str(folder),), crop=64, batch=2)
    here, there = (
        list(Batches(TrainingSet(learnt, recipe), 2, workers).of(1)) for workers in (0, 2)
    )
    assert len(here) == len(there) == 2  # five pictures, what is left over is left out
    for left, right in zip(here, there, strict=True):
        assert torch.equal(left.pixels, right.pixels)
        assert torch.equal(left.labels, right.labels)


def test_data_sets_count_equally(folder: Path, tmp_path: Path) -> None:
    few = yolo(tmp_path / "few", {"train": 1}, seed=50)
    learnt, _ = read_data([few, folder])
    alone = Recipe("fcn", (str(few), str(folder)), crop=64, samples=12, mosaic=0, paste=0)
    made = TrainingSet(learnt, alone)
    only = TrainingSet(learnt[:1], alone)
    seen = [place for place in range(12) if equal(made[0, place], only[0, place])]
    assert seen == list(range(0, 12, 2))


def test_segmenters_need_outlines(tmp_path: Path) -> None:
    boxes = yolo(tmp_path / "boxes", {"train": 2, "val": 1}, outlines=False)
    learnt, _ = read_data([boxes])
    with pytest.raises(InvalidInput, match="outlines expected"):
        TrainingSet(learnt, Recipe("fcn-8s", (str(boxes),)))
    assert len(TrainingSet(learnt, Recipe("fcn", (str(boxes),)))[0, 0].boxes) <= 8


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"imgsz": 100}, "multiple of 32"),
        ({"crop": 0}, "multiple of 32"),
        ({"epochs": 0}, "at least 1"),
        ({"batch": 1}, "at least 2"),
        ({"mosaic": 1.5}, "share"),
        ({"lr": 0}, "lr"),
        ({"paste": -1}, "paste: at least 0 expected, got -1"),
        ({"paste": float("nan")}, "paste: at least 0 expected, got nan"),
        ({"data": ()}, "at least one"),
    ],
)
def test_recipes_that_cannot_be_are_refused(wrong: dict[str, object], message: str) -> None:
    fields: dict[str, object] = {"network": "fcn", "data": ("here",)} | wrong
    with pytest.raises(InvalidInput, match=message):
        Recipe(**fields)  # type: ignore[arg-type]


def test_unknown_networks_are_refused() -> None:
    with pytest.raises(UnknownName, match="fcn-8s"):
        Recipe("fcn-4s", ("here",))
