"""What the detectors answer: a struct of arrays, one row an object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidInput

Rows: TypeAlias = slice | Sequence[int] | NDArray[np.bool_] | NDArray[np.integer[Any]]
"""What selects rows: a mask, a slice, or row numbers."""

Image: TypeAlias = NDArray[np.uint8]
"""A picture: uint8 [H, W, 3], channels blue, green, red, origin at the top left."""


@dataclass(frozen=True, slots=True)
class DetectOptions:
    """What is wanted of an image; all but `exact` is applied to the raw answer, after the forward.

    Attributes
    ----------
    conf : float
        Least confidence of a detection, 0 to 1.
    iou : float
        Boxes that overlap a better one by more than this are suppressed, 0 to 1.
    classes : frozenset of int or None
        Class ids that are wanted; None wants all.
    max_det : int
        Most detections of one image.
    agnostic : bool
        Suppress across classes, not within each.
    exact : bool
        The network of images is wanted. Else a cheaper one may be asked, where the detector has
        one for frames (`models.detector.Detector.preprocess_frame`).
    """

    conf: float = 0.25
    iou: float = 0.7
    classes: frozenset[int] | None = None
    max_det: int = 300
    agnostic: bool = False
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Detections:
    """The objects of one image; all arrays have the same length N.

    Attributes
    ----------
    boxes : float32 [N, 4]
        x1, y1, x2, y2 in pixels of the image as it was given.
    scores : float32 [N]
        Confidence, 0 to 1, highest first.
    classes : int32 [N]
        Class ids, keys of ``names``.
    names : mapping of int to str
        The name of every class that the detector knows.
    segments : tuple of float32 [P, 2], or None
        One outline an object, in the same pixels, where the detector segments.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int32]
    names: Mapping[int, str] = field(default_factory=dict)
    segments: tuple[NDArray[np.float32], ...] | None = None

    def __post_init__(self) -> None:
        # An empty list becomes (0, 4) here, so that no caller has to think of it.
        boxes = np.asarray(self.boxes, np.float32)
        if boxes.size == 0:
            boxes = boxes.reshape(0, 4)
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise InvalidInput(f"boxes: expected shape [N, 4], got {list(boxes.shape)}")
        scores = np.asarray(self.scores, np.float32).reshape(-1)
        classes = np.asarray(self.classes, np.int32).reshape(-1)
        lengths = {"boxes": len(boxes), "scores": len(scores), "classes": len(classes)}
        if self.segments is not None:
            lengths["segments"] = len(self.segments)
        if len(set(lengths.values())) > 1:
            raise InvalidInput(f"fields of one length expected, got {lengths}")
        object.__setattr__(self, "boxes", boxes)
        object.__setattr__(self, "scores", scores)
        object.__setattr__(self, "classes", classes)

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, rows: Rows) -> Detections:
        """The rows that are selected, all fields together."""
        picked = np.atleast_1d(np.arange(len(self))[rows])
        segments = None if self.segments is None else tuple(self.segments[i] for i in picked)
        return Detections(
            self.boxes[picked], self.scores[picked], self.classes[picked], self.names, segments
        )

    @classmethod
    def empty(cls, names: Mapping[int, str] | None = None) -> Detections:
        """No object at all."""
        return cls(
            np.zeros((0, 4), np.float32),
            np.zeros(0, np.float32),
            np.zeros(0, np.int32),
            {} if names is None else names,
        )

    def name(self, row: int) -> str:
        """The class name of a row; the id as text where the detector has no name for it."""
        class_id = int(self.classes[row])
        return self.names.get(class_id, str(class_id))


def class_ids(wanted: Sequence[str | int], names: Mapping[int, str]) -> frozenset[int]:
    """Class ids for names or ids.

    Raises
    ------
    InvalidInput
        A name or id that the detector does not know.
    """
    by_name = {name: class_id for class_id, name in names.items()}
    ids: set[int] = set()
    for item in wanted:
        text = str(item).strip()
        if text in by_name:
            ids.add(by_name[text])
        elif text.isdecimal() and int(text) in names:
            ids.add(int(text))
        else:
            known = ", ".join(list(by_name)[:8]) + (", …" if len(by_name) > 8 else "")
            raise InvalidInput(f"classes: {text!r} is none of this model's classes ({known})")
    return frozenset(ids)
