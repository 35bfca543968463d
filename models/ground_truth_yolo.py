"""YOLO's folders: a text file of labels for each picture, and a data.yaml that says where.

A line of labels is a class id, then centre, width and height as shares of the picture's size; or
the class id, then the corners of an outline, of which the box is taken. A picture without a file
of labels has no objects. The format: https://docs.ultralytics.com/datasets/detect/
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image as Pillow

from models.average_precision import Truth
from models.errors import InvalidInput
from models.ground_truth import GroundTruth, Outline, Picture

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
ORIENTATION = 0x0112
"""EXIF's tag; from 5 on the picture lies on its side."""


def read_yolo(path: Path, split: str) -> GroundTruth:
    """The labelled images of a ``data.yaml`` or of a folder with ``images`` and ``labels``.

    Raises
    ------
    InvalidInput
        Names, pictures or labels are missing or cannot be understood.
    """
    described = path / "data.yaml" if path.is_dir() else path
    if described.is_file():
        names, pictures = _described(described, split)
    else:
        names, pictures = _plain(path, split)
    if not pictures:
        raise InvalidInput(f"{path}: no picture is in its part {split!r}")
    labels = [_labels(picture) for picture in pictures]
    if not any(label.is_file() for label in labels):
        raise InvalidInput(
            f"{path}: none of {len(pictures)} pictures has labels; {labels[0]} expected "
            f"for {pictures[0]}"
        )
    return GroundTruth(
        names, tuple(_read(*pair, names) for pair in zip(pictures, labels, strict=True))
    )


def read_description(path: Path) -> dict[str, Any]:
    """What a ``data.yaml`` says.

    Raises
    ------
    InvalidInput
        It is no YAML file, or no mapping is in it.
    """
    try:
        data: Any = yaml.safe_load(_text(path))
    except yaml.YAMLError as error:
        raise InvalidInput(f"{path}: a YAML file expected: {error}") from error
    if not isinstance(data, dict):
        raise InvalidInput(f"{path}: a mapping with 'names' expected, got {type(data).__name__}")
    return data


def _described(path: Path, split: str) -> tuple[dict[int, str], list[Path]]:
    """Names and pictures by a data.yaml."""
    data = read_description(path)
    names = data.get("names")
    if not isinstance(names, list | dict) or not names:
        raise InvalidInput(f"{path}: 'names' expected, a list or a mapping of class ids to names")
    numbered = names if isinstance(names, dict) else dict(enumerate(names))
    try:
        named = {int(key): str(name) for key, name in numbered.items()}
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{path}: whole numbers expected as class ids: {error}") from error
    if split not in data:
        parts = ", ".join(key for key in ("train", "val", "test") if key in data)
        raise InvalidInput(f"{path}: it has no part {split!r}; there are: {parts or 'none'}")
    root = path.parent / str(data.get("path") or ".")
    root = root if root.is_dir() else path.parent
    places = data[split] if isinstance(data[split], list) else [data[split]]
    pictures = [picture for place in places for picture in _pictures(root / str(place))]
    return named, pictures


def _plain(path: Path, split: str) -> tuple[dict[int, str], list[Path]]:
    """Names and pictures by the folders alone."""
    listed = path / "classes.txt"
    if not listed.is_file():
        raise InvalidInput(f"{path}: the names of the classes expected, in data.yaml or {listed}")
    names = dict(enumerate(_text(listed).split("\n")))
    part = path / "images" / split
    return (
        {key: name.strip() for key, name in names.items() if name.strip()},
        _pictures(part if part.is_dir() else path / "images"),
    )


def _pictures(place: Path) -> list[Path]:
    """The pictures of a folder, or those that a text file lists."""
    if place.is_dir():
        return sorted(file for file in place.rglob("*") if file.suffix.lower() in SUFFIXES)
    if place.suffix == ".txt" and place.is_file():
        lines = _text(place).splitlines()
        return [place.parent / line.strip() for line in lines if line.strip()]
    raise InvalidInput(f"a folder of pictures or a text file that lists them expected at {place}")


def _labels(picture: Path) -> Path:
    """The file of a picture's labels: ``labels`` where its path has ``images``, the last one."""
    parts = list(picture.parts)
    for place in reversed(range(len(parts) - 1)):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def _read(picture: Path, labels: Path, names: Mapping[int, str]) -> Picture:
    width, height = _size(picture)
    size = np.array([width, height], np.float64)
    boxes, classes, outlines = [], [], []
    if labels.is_file():
        for number, line in enumerate(_text(labels).splitlines(), 1):
            if line.strip():
                try:
                    class_id, box, outline = _row(line, names)
                except ValueError as error:
                    raise InvalidInput(f"{labels}, line {number}: {error}") from error
                boxes.append((box * size).reshape(4))
                classes.append(class_id)
                outlines.append(tuple(corners * size for corners in outline))
    truth = Truth(np.array(boxes, np.float64), np.array(classes, np.int32))
    return Picture(picture, picture.stem, width, height, truth, tuple(outlines))


def _row(line: str, names: Mapping[int, str]) -> tuple[int, NDArray[np.float64], Outline]:
    """Class id, corners [2, 2] of the box and the outline of a line, as shares."""
    class_id, *numbers = map(float, line.split())
    if class_id not in names:
        raise ValueError(f"class {class_id:g} has no name; there are {len(names)} names")
    if len(numbers) != 4 and (len(numbers) < 6 or len(numbers) % 2):
        raise ValueError(
            "a class, then centre, width and height, or the corners of an outline, expected; "
            f"got {len(numbers)} numbers behind the class"
        )
    if not all(0 <= value <= 1 for value in numbers):
        raise ValueError("shares of the picture's size, from 0 to 1, expected")
    pairs = np.array(numbers, np.float64).reshape(-1, 2)
    if len(pairs) == 2:
        middle, half = pairs[0], pairs[1] / 2
        return int(class_id), np.stack([middle - half, middle + half]), ()
    return int(class_id), np.stack([pairs.min(axis=0), pairs.max(axis=0)]), (pairs,)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path}: a text file in UTF-8 expected: {error}") from error


def _size(path: Path) -> tuple[int, int]:
    """Width and height of a picture, the right way up, from its header."""
    try:
        with Pillow.open(path) as picture:
            width, height = picture.size
            on_its_side = picture.getexif().get(ORIENTATION, 1) >= 5
    except (OSError, ImportError) as error:
        # An ImportError is Ultralytics': where it is loaded, Pillow looks for a plugin first.
        raise InvalidInput(f"{path}: a picture that can be read expected: {error}") from error
    return (height, width) if on_its_side else (width, height)
