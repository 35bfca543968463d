"""The detections of one frame, checked before they reach a tracker's state."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.errors import InvalidInput
from models.types import Image
from tracker.number import number
from tracker.types import Embeddings, EmbedRows, Float, Integer

SMALLEST_SQUARE = number(np.finfo(np.float32).tiny)
"""Squared length that stands for none in a division: a row of zeros stays one."""


@dataclass(slots=True)
class Observation:
    """The valid detections of one frame.

    Attributes
    ----------
    corners : float64 [4, N]
        Rows x1, y1, x2, y2 in pixels, finite, x1 <= x2 and y1 <= y2.
    scores : float64 [N]
        Confidence, 0 to 1.
    classes : int64 [N]
        Class ids; zeros where none were given.
    appearance : Appearance or None
        Where embeddings come from; None tracks by motion alone.
    frame : uint8 [H, W, 3] or None
        The picture, for the motion of the camera.
    """

    corners: Float
    scores: Float
    classes: Integer
    appearance: Appearance | None = None
    frame: Image | None = None

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def boxes(self) -> Float:
        """The same by row, float64 [N, 4]."""
        return self.corners.T


@dataclass(slots=True)
class Appearance:
    """Embeddings of one frame's detections, all given or fetched row by row when asked for.

    Parameters
    ----------
    count : int
        Number of detections N.
    source : float [N, D], or callable (rows int64 [K]) -> float [K, D]
        A callable is asked at most once for each row.
    width : int or None
        D of the frames before; None before the first.
    """

    count: int
    source: NDArray[np.float32] | EmbedRows
    width: int | None = None
    lazy: bool = field(init=False)
    """Whether embeddings cost something, because a callable makes them."""
    _known: NDArray[np.bool_] | None = field(init=False, default=None)
    _table: NDArray[np.float32] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.lazy = callable(self.source)
        if callable(self.source):
            self._known = np.zeros(self.count, np.bool_)
        else:
            self._table = _unit_rows(self.source, self.count, self.width, None)
            self.width = self._table.shape[1]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Rows whose embeddings are there, bool [N]."""
        return np.ones(self.count, np.bool_) if self._known is None else self._known

    @property
    def table(self) -> Embeddings:
        """Unit embeddings of all detections, float32 [N, D]; zeros where not asked for yet."""
        if self._table is None:
            return np.zeros((self.count, self.width or 0), np.float32)
        return self._table

    def rows(self, rows: Integer) -> Embeddings:
        """Unit embeddings of some detections, float32 [K, D]; missing ones are fetched."""
        if callable(self.source):
            missing = np.unique(rows[~self.known[rows]])
            if len(missing):
                self._fetch(self.source, missing)
        return self.table.take(rows, 0)

    def _fetch(self, source: Callable[[Integer], ArrayLike], missing: Integer) -> None:
        fetched = _unit_rows(source(missing), len(missing), self.width, missing)
        if self._table is None:
            self.width = fetched.shape[1]
            self._table = np.zeros((self.count, self.width), np.float32)
        self._table[missing] = fetched
        self.known[missing] = True


def observe(
    boxes: ArrayLike,
    scores: ArrayLike,
    classes: ArrayLike | None = None,
    embeddings: ArrayLike | EmbedRows | None = None,
    frame: Image | None = None,
    width: int | None = None,
) -> Observation:
    """Check the detections of one frame.

    Parameters
    ----------
    boxes, scores, classes, embeddings, frame
        As in :meth:`tracker.DeepSort.update`.
    width : int, optional
        Width of the embeddings of the frames before.

    Raises
    ------
    InvalidInput
        What was expected and what came, with the row where one is to blame.
    """
    corners = _corners(boxes)
    count = corners.shape[1]
    conf = _scores(scores, count)
    ids = np.zeros(count, np.int64) if classes is None else _classes(classes, count)
    appearance = None
    if callable(embeddings):
        appearance = Appearance(count, embeddings, width)
    elif embeddings is not None:
        appearance = Appearance(count, np.asarray(embeddings, np.float32), width)
    if frame is not None and (frame.ndim != 3 or frame.shape[2] != 3):
        raise InvalidInput(f"frame: expected uint8 [H, W, 3], got shape {list(frame.shape)}")
    return Observation(corners, conf, ids, appearance, frame)


def _corners(boxes: ArrayLike) -> Float:
    given = np.asarray(boxes)
    if given.size == 0:
        return np.zeros((4, 0))
    if given.ndim != 2 or given.shape[1] != 4:
        raise InvalidInput(f"boxes: expected shape [N, 4] (x1, y1, x2, y2), got {_shape(given)}")
    corners = given.T.astype(np.float64, order="C")
    # Nothing that is not finite leaves a finite sum of squares; rows are looked for only then.
    flat = corners.ravel()
    if not math.isfinite(flat.dot(flat)):
        bad = ~np.isfinite(corners).all(axis=0)
        if bad.any():
            _refuse_row(corners.T, bad, "boxes", "finite numbers")
    inverted = corners[2:] < corners[:2]
    if inverted.item(inverted.argmax()):
        _refuse_row(corners.T, inverted.any(axis=0), "boxes", "x1 <= x2 and y1 <= y2")
    return corners


def _scores(scores: ArrayLike, count: int) -> Float:
    conf = np.asarray(scores, np.float64)
    if conf.shape != (count,):
        raise InvalidInput(f"scores: expected shape [{count}], one a box, got {_shape(conf)}")
    # Of a NaN, argmin and argmax give the place.
    if count and not (conf.item(conf.argmin()) >= 0.0 and conf.item(conf.argmax()) <= 1.0):
        _refuse_row(conf, ~((conf >= 0) & (conf <= 1)), "scores", "a number from 0 to 1")
    return conf


def _classes(classes: ArrayLike, count: int) -> Integer:
    given = np.asarray(classes)
    if given.size == 0:
        given = given.astype(np.int64)
    if given.shape != (count,):
        raise InvalidInput(f"classes: expected shape [{count}], one a box, got {_shape(given)}")
    if not np.issubdtype(given.dtype, np.integer):
        whole = np.isfinite(given) & (given == np.floor(given))
        if not whole.all():
            _refuse_row(given, ~whole, "classes", "a whole number")
    return given.astype(np.int64)


def _unit_rows(given: ArrayLike, count: int, width: int | None, rows: Integer | None) -> Embeddings:
    """Rows of length 1, float32 [count, D]; a row of zeros stays as it is."""
    table = np.asarray(given, np.float32)
    if count == 0 and table.size == 0:
        return np.zeros((0, width or 0), np.float32)
    if table.ndim != 2 or len(table) != count:
        raise InvalidInput(
            f"embeddings: expected shape [{count}, D], one row a box, got {_shape(table)}"
        )
    if width and table.shape[1] != width:
        raise InvalidInput(
            f"embeddings: expected width {width} as in the frames before, got {table.shape[1]}; "
            "reset() the tracker before changing the embedder"
        )
    square = np.vecdot(table, table)
    # Of numbers and what is none, argmax answers what is none.
    if not math.isfinite(square.item(square.argmax())):
        bad = np.flatnonzero(~np.isfinite(square))[0]
        row = int(bad if rows is None else rows[bad])
        raise InvalidInput(f"embeddings: expected finite numbers, got others in row {row}")
    length = np.sqrt(np.maximum(square, SMALLEST_SQUARE, out=square), out=square)
    unit: Embeddings = table / length[:, None]
    return unit


def _refuse_row(
    values: NDArray[Any], bad: NDArray[np.bool_] | np.bool_, name: str, expected: str
) -> None:
    row = int(np.flatnonzero(bad)[0])
    raise InvalidInput(f"{name}: expected {expected}, got {values[row].tolist()} in row {row}")


def _shape(array: NDArray[Any]) -> str:
    return str(list(array.shape))
