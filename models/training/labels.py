"""Writing labelled pictures in the form of YOLO, from what a teacher finds in them.

The form is read by `models.ground_truth_yolo`. The pictures of a video are parted by time: its
last share is what is measured, since neighbouring frames are almost the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import yaml

from models.errors import InvalidInput, UnknownName
from models.nms import batched_nms
from models.types import Detections

MERGED_IOU = 0.7
"""Boxes of classes that became one are one object if they overlap by more."""


@dataclass(frozen=True, slots=True)
class Classes:
    """What is labelled, and which of the teacher's classes it is.

    Attributes
    ----------
    names : tuple of str
        By class number.
    numbers : mapping of int to int
        From the teacher's class ids to these numbers.
    """

    names: tuple[str, ...]
    numbers: Mapping[int, int]

    @classmethod
    def of(
        cls,
        teacher: Mapping[int, str],
        wanted: Sequence[str] | None,
        merged: Mapping[str, Sequence[str]],
    ) -> Classes:
        """Classes as a caller names them.

        Parameters
        ----------
        teacher : mapping of int to str
            The teacher's classes.
        wanted : sequence of str or None
            Those that keep their name; None takes all, or none where some are merged.
        merged : mapping of str to sequence of str
            New names, each for several of the teacher's.

        Raises
        ------
        UnknownName
            A class that the teacher does not know.
        InvalidInput
            One that is named twice.
        """
        kept = ([] if merged else list(teacher.values())) if wanted is None else list(wanted)
        groups = {name: (name,) for name in kept} | {k: tuple(v) for k, v in merged.items()}
        ids = {name: class_id for class_id, name in teacher.items()}
        numbers: dict[int, int] = {}
        for number, (name, parts) in enumerate(groups.items()):
            for part in parts:
                if part not in ids:
                    known = ", ".join(list(ids)[:8])
                    raise UnknownName(f"class {part!r}: one of the teacher's expected ({known}, …)")
                if ids[part] in numbers:
                    raise InvalidInput(f"class {part!r}: it is named twice, once for {name!r}")
                numbers[ids[part]] = number
        return cls(tuple(groups), numbers)

    def relabelled(self, found: Detections) -> Detections:
        """What a teacher found, under these names; what became one class is suppressed again."""
        known = found[
            [row for row, label in enumerate(found.classes) if int(label) in self.numbers]
        ]
        numbers = np.array([self.numbers[int(label)] for label in known.classes], np.int32)
        kept = batched_nms(known.boxes, known.scores, numbers, MERGED_IOU)
        named = replace(known, classes=numbers, names=dict(enumerate(self.names)))
        return named[np.asarray(kept)]


class YoloFolder:
    """A data set that is being written.

    Parameters
    ----------
    folder : Path
        Where; it is made.
    names : sequence of str
        The classes by number.

    Raises
    ------
    InvalidInput
        There is a data set already.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        if (folder / "data.yaml").exists():
            raise InvalidInput(f"{folder}: a data set is there already; name another folder")
        self._folder, self._names = folder, tuple(names)
        self._describe(["train"])

    def add(self, stem: str, jpeg: bytes, found: Detections, size: tuple[int, int]) -> None:
        """Write a picture and its labels, to be learnt.

        Parameters
        ----------
        stem : str
            Name of its files, without suffix.
        jpeg : bytes
            The picture.
        found : Detections
            What is in it.
        size : (int, int)
            Its height and width.
        """
        self._path("images", "train", stem).write_bytes(jpeg)
        lines = [label_line(found, row, size) for row in range(len(found))]
        text = "".join(f"{line}\n" for line in lines)
        self._path("labels", "train", stem).write_text(text, encoding="utf-8")

    def measure(self, stems: Sequence[str]) -> None:
        """Move pictures from what is learnt to what is measured."""
        if stems:
            self._describe(["train", "val"])
        for stem in stems:
            for kind in ("images", "labels"):
                self._path(kind, "train", stem).replace(self._path(kind, "val", stem))

    def _describe(self, parts: Sequence[str]) -> None:
        """Say in data.yaml which parts there are, and make their folders."""
        for part in parts:
            for kind in ("images", "labels"):
                (self._folder / kind / part).mkdir(parents=True, exist_ok=True)
        data = {"path": ".", **{part: f"images/{part}" for part in parts}}
        text = yaml.safe_dump(data | {"names": dict(enumerate(self._names))}, sort_keys=False)
        (self._folder / "data.yaml").write_text(text, encoding="utf-8")

    def _path(self, kind: str, part: str, stem: str) -> Path:
        return self._folder / kind / part / f"{stem}{'.jpg' if kind == 'images' else '.txt'}"


def label_line(found: Detections, row: int, size: tuple[int, int]) -> str:
    """An object in the form of YOLO: its outline where it has one, else its box."""
    scale = np.array(size[::-1], np.float64)
    if found.segments is not None:
        shares = found.segments[row] / scale
    else:
        corners = found.boxes[row].reshape(2, 2).astype(np.float64) / scale
        shares = np.stack([corners.mean(axis=0), corners[1] - corners[0]])
    return " ".join([str(int(found.classes[row])), *map(_share, shares.ravel())])


def _share(value: np.float64) -> str:
    return f"{min(max(float(value), 0.0), 1.0):.5f}"
