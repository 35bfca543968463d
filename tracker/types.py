"""What goes into a tracker and what comes out of it: structs of arrays, one row an object."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.types import Image, Rows

Float: TypeAlias = NDArray[np.float64]
Integer: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]
Embeddings: TypeAlias = NDArray[np.float32]
EmbedRows: TypeAlias = Callable[[NDArray[np.int64]], ArrayLike]
"""Asked for some detections: int64 [K], their rows -> float [K, D], their embeddings."""


@dataclass(slots=True)
class Tracks:
    """The tracks of one frame; all arrays have the same length K.

    Attributes
    ----------
    ids : int64 [K]
        Identities, from 1, never reused by the same tracker.
    boxes : float32 [K, 4]
        x1, y1, x2, y2 in pixels.
    scores : float32 [K]
        Confidence of the detection, or of the last one for a predicted box.
    classes : int64 [K]
        Class ids, by vote over the track's detections.
    predicted : bool [K]
        No detection in this frame; the box is the filter's.
    detection : int64 [K]
        Row of the detection among those given; -1 where predicted.
    """

    ids: NDArray[np.int64]
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int64]
    predicted: NDArray[np.bool_]
    detection: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: Rows) -> Tracks:
        """The rows that are selected, all fields together."""
        picked: Any = rows if isinstance(rows, slice) else np.asarray(rows)
        if not isinstance(picked, slice) and picked.size == 0:
            picked = np.zeros(0, np.int64)
        return Tracks(
            self.ids[picked],
            self.boxes[picked],
            self.scores[picked],
            self.classes[picked],
            self.predicted[picked],
            self.detection[picked],
        )

    @classmethod
    def empty(cls) -> Tracks:
        """No track at all."""
        return cls(
            np.zeros(0, np.int64),
            np.zeros((0, 4), np.float32),
            np.zeros(0, np.float32),
            np.zeros(0, np.int64),
            np.zeros(0, np.bool_),
            np.zeros(0, np.int64),
        )


class Tracker(Protocol):
    """What every tracker of this package can do."""

    @property
    def motion(self) -> Float:
        """How the camera moved into the last frame: affine, float64 [2, 3], in pixels."""

    def update(
        self,
        boxes: ArrayLike,
        scores: ArrayLike,
        classes: ArrayLike | None = None,
        embeddings: ArrayLike | EmbedRows | None = None,
        frame: Image | None = None,
        timestamp: float | None = None,
    ) -> Tracks | None:
        """Take the detections of the next frame; None while a delay holds the answer back."""

    def flush(self) -> Sequence[Tracks]:
        """What a delay still holds back, oldest frame first."""

    def reset(self) -> None:
        """Forget everything; the next frame is the first, IDs start at 1 again."""
