"""The data sets of a training run: which part is learnt, and which is measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from models.errors import InvalidInput
from models.ground_truth import GroundTruth, read_ground_truth
from models.ground_truth_yolo import read_description


def read_data(
    data: Sequence[Path], val: Sequence[Path] = ()
) -> tuple[list[GroundTruth], GroundTruth]:
    """What is learnt, a data set each, and what is measured, all in one.

    Parameters
    ----------
    data : sequence of Path
        Folders in the form of YOLO, files ``data.yaml``, COCO files, or folders that hold COCO
        files with ``train`` and ``val`` in their names.
    val : sequence of Path
        The same; what is measured. If empty, the ``val`` part of each of ``data`` that has one.

    Raises
    ------
    InvalidInput
        A data set cannot be read, their classes differ, or there is nothing to be measured.
    """
    measured_at = list(val) or [path for path in data if _has_val(path)]
    if not measured_at:
        raise InvalidInput(
            f"{', '.join(map(str, data))}: no part val to be measured after each epoch; "
            "name a data set for it with --val"
        )
    learnt = [(path, _part(path, "train")) for path in data]
    measured = [(path, _part(path, "val")) for path in measured_at]
    names = learnt[0][1].names
    for path, truth in learnt + measured:
        if dict(truth.names) != dict(names):
            raise InvalidInput(
                f"{path}: the classes of the first data set expected, {dict(names)}, "
                f"got {dict(truth.names)}"
            )
    pictures = [picture for _, truth in measured for picture in truth.pictures]
    return [truth for _, truth in learnt], GroundTruth(names, tuple(pictures))


def _part(path: Path, part: str) -> GroundTruth:
    coco = _coco(path, part)
    if coco is None:
        return read_ground_truth(path, split=part)
    return read_ground_truth(coco, images=_pictures(path, coco))


def _has_val(path: Path) -> bool:
    """Whether a data set says itself what is to be measured."""
    if path.suffix == ".json":
        return False
    if _coco(path, "train") is not None:
        return _coco(path, "val") is not None
    described = path / "data.yaml" if path.is_dir() else path
    if not described.is_file():
        return (path / "images" / "val").is_dir()
    return "val" in read_description(described)


def _coco(path: Path, part: str) -> Path | None:
    """The COCO file of a part, where a data set has that form."""
    if path.suffix == ".json":
        return path
    if not path.is_dir() or (path / "data.yaml").is_file():
        return None
    places = (path, path / "annotations")
    found = [file for place in places for file in sorted(place.glob(f"*{part}*.json"))]
    return found[0] if found else None


def _pictures(path: Path, coco: Path) -> Path | None:
    """The folder of a COCO file's pictures, where it is not the one that the reader looks in."""
    if coco.parent.name != "annotations":
        return None
    name = coco.stem.removeprefix("instances_")
    places = (path / name, path / "images" / name, path / "images")
    return next((place for place in places if place.is_dir()), path)
