"""COCO's JSON: labelled images, and files of results.

Boxes there are x, y, width and height in pixels, outlines lists of x, y, x, y, …; masks coded by
runs are passed over, of such objects the box alone is known. The format: https://cocodataset.org/#format-data
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from models.average_precision import Truth
from models.errors import InvalidInput
from models.ground_truth import GroundTruth, Outline, Picture
from models.types import Detections

T = TypeVar("T")


def read_coco(path: Path, images: Path | None = None) -> GroundTruth:
    """The labelled images of a COCO file.

    Raises
    ------
    InvalidInput
        It is not such a file; the message names the entry.
    """
    data = _load(path)
    if not isinstance(data, dict) or not data.keys() >= {"images", "annotations", "categories"}:
        has = ", ".join(list(data)[:5]) if isinstance(data, dict) else type(data).__name__
        raise InvalidInput(
            f"{path}: an object with images, annotations and categories expected, it has: {has}"
        )
    names = dict(_each(path, data, "categories", lambda row: (int(row["id"]), str(row["name"]))))
    entries = _each(path, data, "images", _image)
    known = {key for key, *_ in entries}
    objects: dict[int, list[tuple[list[float], int, bool]]] = defaultdict(list)
    outlines: dict[int, list[Outline]] = defaultdict(list)
    annotations = _each(path, data, "annotations", _annotation)
    for number, (image, box, class_id, crowd, outline) in enumerate(annotations):
        if image not in known or class_id not in names:
            raise InvalidInput(
                f"{path}, annotations[{number}]: an image and a category of this file expected, "
                f"got image_id {image} and category_id {class_id}"
            )
        objects[image].append((box, class_id, crowd))
        outlines[image].append(outline)
    folder = images or _folder(path, [name for _, name, *_ in entries])
    return GroundTruth(
        names,
        tuple(
            Picture(folder / name, key, width, height, _truth(objects[key]), tuple(outlines[key]))
            for key, name, width, height in entries
        ),
    )


def read_results(path: Path, truth: GroundTruth) -> list[Detections]:
    """What a file of results says was found, one answer for each labelled image.

    Rows have ``image_id`` (see `Picture.key`), ``category_id`` (a class id of the truth), ``bbox``
    and ``score``. An image without a row has no detections.

    Raises
    ------
    InvalidInput
        It is not such a file, or speaks of an image or class that the truth does not have.
    """
    data = _load(path)
    if not isinstance(data, list):
        raise InvalidInput(
            f"{path}: a list of results expected, each with image_id, category_id, bbox and "
            f"score; got {type(data).__name__}"
        )
    rows: dict[int | str, list[tuple[list[float], int, float]]] = {
        picture.key: [] for picture in truth.pictures
    }
    if len(rows) < len(truth.pictures):
        raise InvalidInput(
            f"{path}: results cannot be told apart, several of the labelled images have one name"
        )
    known = {str(key): key for key in rows}
    for number, (image, box, class_id, score) in enumerate(_each(path, data, None, _result)):
        if image not in known:
            raise InvalidInput(f"{path}, [{number}]: no labelled image has the id {image!r}")
        if class_id not in truth.names:
            ids = ", ".join(f"{key} {name}" for key, name in list(truth.names.items())[:8])
            raise InvalidInput(
                f"{path}, [{number}]: category_id {class_id} is none of the classes: {ids}"
            )
        rows[known[image]].append((box, class_id, score))
    return [_detections(found, truth) for found in rows.values()]


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInput(f"{path}: a JSON file expected: {error}") from error


def _each(path: Path, data: Any, part: str | None, read: Callable[[dict[str, Any]], T]) -> list[T]:
    """Every entry of a list, read; an error names the entry."""
    entries = data if part is None else data[part]
    if not isinstance(entries, list):
        raise InvalidInput(f"{path}, {part}: a list expected, got {type(entries).__name__}")
    answers: list[T] = []
    for number, entry in enumerate(entries):
        place = f"{path}, {part or ''}[{number}]"
        if not isinstance(entry, dict):
            raise InvalidInput(f"{place}: an object expected, got {type(entry).__name__}")
        try:
            answers.append(read(entry))
        except KeyError as error:
            raise InvalidInput(f"{place}: {error} is missing") from error
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidInput(f"{place}: {error}") from error
    return answers


def _image(row: dict[str, Any]) -> tuple[int, str, int, int]:
    return int(row["id"]), str(row["file_name"]), int(row["width"]), int(row["height"])


def _annotation(row: dict[str, Any]) -> tuple[int, list[float], int, bool, Outline]:
    return (
        int(row["image_id"]),
        _box(row["bbox"]),
        int(row["category_id"]),
        bool(row.get("iscrowd", 0)),
        _outline(row.get("segmentation")),
    )


def _outline(polygons: Any) -> Outline:
    if not isinstance(polygons, list):
        return ()
    outline = tuple(np.array(polygon, np.float64).reshape(-1, 2) for polygon in polygons)
    if not all(len(polygon) > 2 and np.isfinite(polygon).all() for polygon in outline):
        raise ValueError("segmentation: polygons of at least three finite corners expected")
    return outline


def _result(row: dict[str, Any]) -> tuple[str, list[float], int, float]:
    score = float(row["score"])
    if not 0 <= score <= 1:
        raise ValueError(f"a score from 0 to 1 expected, got {score}")
    return str(row["image_id"]), _box(row["bbox"]), int(row["category_id"]), score


def _box(values: Any) -> list[float]:
    """Corners of a box given as x, y, width, height."""
    x, y, width, height = map(float, values)
    if not np.isfinite([x, y, width, height]).all() or min(width, height) < 0:
        raise ValueError(f"bbox: finite x, y, width, height expected, got {values}")
    return [x, y, x + width, y + height]


def _folder(path: Path, names: Sequence[str]) -> Path:
    """Where the pictures are: beside the file, or in ``images`` beside it."""
    beside = path.parent / "images"
    if names and not (path.parent / names[0]).exists() and (beside / names[0]).exists():
        return beside
    return path.parent


def _truth(rows: Sequence[tuple[list[float], int, bool]]) -> Truth:
    boxes, classes, ignored = zip(*rows, strict=True) if rows else ((), (), ())
    return Truth(
        np.array(boxes, np.float64), np.array(classes, np.int32), np.array(ignored, np.bool_)
    )


def _detections(rows: Sequence[tuple[list[float], int, float]], truth: GroundTruth) -> Detections:
    """Surest first."""
    rows = sorted(rows, key=lambda row: -row[2])
    boxes, classes, scores = zip(*rows, strict=True) if rows else ((), (), ())
    return Detections(
        np.array(boxes, np.float32),
        np.array(scores, np.float32),
        np.array(classes, np.int32),
        truth.names,
    )
