"""Labelled images: what is in each, read from a COCO file or from folders in the form of YOLO.

::

    instances.json              COCO: images, categories, annotations; pictures beside it or
                                in a folder `images`, or where the caller says
    data.yaml                   YOLO: path, train, val, test, names
    FOLDER/images, labels       YOLO: data.yaml in it, or classes.txt with a name a line
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.average_precision import Truth
from models.errors import InvalidInput
from models.types import Image, class_ids

Outline: TypeAlias = tuple[NDArray[np.float64], ...]
"""The polygons of one object, float64 [P, 2] each, x and y in pixels; none where only its box is
known."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One labelled image.

    Attributes
    ----------
    path : Path
        Its file; whether it is there is found out by who opens it.
    key : int or str
        What a file of results calls it: its id in a COCO file, else its file's name without suffix.
    width, height : int
        In pixels, the right way up.
    truth : Truth
        What is in it.
    outlines : tuple of Outline
        Of each object of the truth, in its order.
    """

    path: Path
    key: int | str
    width: int
    height: int
    truth: Truth
    outlines: tuple[Outline, ...]

    def check_size(self, image: Image) -> None:
        """Refuse pixels of another size than the labels were made for.

        Raises
        ------
        InvalidInput
            Width or height differ.
        """
        height, width = image.shape[:2]
        if (width, height) != (self.width, self.height):
            raise InvalidInput(
                f"{self.path}: labelled at {self.width}x{self.height} pixels, "
                f"the picture has {width}x{height}"
            )


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """Labelled images, and the name of each class id."""

    names: Mapping[int, str]
    pictures: tuple[Picture, ...]

    def only(self, wanted: Sequence[str | int]) -> GroundTruth:
        """The same images with the classes of these names or ids alone.

        Raises
        ------
        InvalidInput
            A class that there is not.
        """
        try:
            kept = class_ids(wanted, self.names)
        except InvalidInput as error:
            known = ", ".join(self.names.values())
            raise InvalidInput(
                f"classes: labelled ones expected ({known}), got {', '.join(map(str, wanted))}"
            ) from error
        pictures = tuple(_only(picture, sorted(kept)) for picture in self.pictures)
        names = {class_id: name for class_id, name in self.names.items() if class_id in kept}
        return GroundTruth(names, pictures)


def read_ground_truth(
    path: Path, images: Path | None = None, split: str | None = None
) -> GroundTruth:
    """The labelled images of a COCO file, a ``data.yaml``, or a folder in the form of YOLO.

    Parameters
    ----------
    path : Path
        The file or folder.
    images : Path or None
        The folder of a COCO file's pictures, where it is neither beside it nor beside it in
        ``images``.
    split : str or None
        Which part of YOLO's folders: ``val`` if unset. A COCO file has no parts.

    Raises
    ------
    InvalidInput
        There is nothing, or nothing that can be understood; the message names file and place.
    """
    from models.ground_truth_coco import read_coco
    from models.ground_truth_yolo import read_yolo

    if not path.exists():
        raise InvalidInput(f"a COCO file, a data.yaml or a folder expected, nothing is at {path}")
    if path.suffix == ".json":
        if split is not None:
            raise InvalidInput(f"{path}: a COCO file has no parts, name the file of {split!r}")
        return read_coco(path, images)
    if images is not None:
        raise InvalidInput(f"{path}: the place of YOLO's images is in its data.yaml or folder")
    return read_yolo(path, split or "val")


def _only(picture: Picture, kept: list[int]) -> Picture:
    truth = picture.truth
    rows = np.isin(truth.classes, kept)
    return replace(
        picture,
        truth=Truth(truth.boxes[rows], truth.classes[rows], truth.ignored[rows]),
        outlines=tuple(compress(picture.outlines, rows)),
    )
