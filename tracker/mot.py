"""MOTChallenge text files: one row an object and frame, read, checked and written.

A row is ``frame, id, left, top, width, height, score, class, predicted, -1``. Frames count from 1,
boxes are in pixels with the origin at the top left, ``predicted`` is 1 where nothing was detected.
Result files have -1 in the last three columns. Ground truth has a flag (1: counts) in place of the
score; its eighth column is a class in MOT16 and later, and a world coordinate in older sets.
Format: https://motchallenge.net/instructions/
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.errors import InvalidInput
from tracker.types import Tracks

COLUMNS = 10
REQUIRED = 7
"""Frame, id, box and score: without these a row says nothing."""

LAST_FRAME = 100_000_000
"""Highest frame number that is read, weeks of video: who reads rows walks through all frames."""

FRAME, ID, SCORE, CLASS, PREDICTED = 0, 1, 6, 7, 8
BOX = slice(2, 6)

Rows = NDArray[np.float64]


def read_mot(path: str | Path) -> Rows:
    """Read a MOT text file.

    Parameters
    ----------
    path : str or Path
        A result, ground truth or detection file; commas or white space between the columns.

    Returns
    -------
    float64 [N, 10]
        The rows in the order of the file, columns that are not there as -1.

    Raises
    ------
    InvalidInput
        No such file, or a line that is not a row; the message names the file and the line.
    """
    source = Path(path)
    try:
        lines = source.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{source}: expected a MOT text file, got: {error}") from error
    rows = np.full((len(lines), COLUMNS), -1.0)
    numbers: list[int] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            values = _parse(line)
        except InvalidInput as error:
            raise InvalidInput(f"{source}, line {number}: {error}") from error
        rows[len(numbers), : len(values)] = values
        numbers.append(number)
    rows = rows[: len(numbers)]
    _refuse_duplicates(rows, numbers, source)
    return rows


def write_mot(path: str | Path, rows: NDArray[np.floating]) -> None:
    """Write rows as a MOTChallenge result file, ordered by frame and id.

    The columns after the score are written as -1: readers of result files take a class there
    for a mistake.

    Parameters
    ----------
    path : str or Path
        The file; it is replaced.
    rows : float [N, >=7]
        Frame, id, left, top, width, height, score.

    Raises
    ------
    InvalidInput
        The rows have too few columns or hold something that is not finite.
    """
    rows = np.asarray(rows, np.float64)
    if rows.ndim != 2 or rows.shape[1] < REQUIRED:
        raise InvalidInput(f"rows: expected shape [N, >={REQUIRED}], got {list(rows.shape)}")
    rows = rows[:, :REQUIRED]
    finite = np.isfinite(rows).all(1)
    if not finite.all():
        raise InvalidInput(f"rows: expected finite numbers, row {finite.argmin()} is not")
    ordered = rows[np.lexsort((rows[:, ID], rows[:, FRAME]))]
    np.savetxt(path, ordered, fmt="%d,%d" + ",%.4f" * 5 + ",-1,-1,-1")


def to_rows(frames: Iterable[tuple[int, Tracks]]) -> Rows:
    """Rows of the tracks of several frames.

    Parameters
    ----------
    frames : iterable of (int, Tracks)
        Frame numbers, from 1, each with what the tracker answered for it.

    Returns
    -------
    float64 [N, 10]
        The rows, frame by frame, with class ids and predictions.
    """
    blocks = [np.zeros((0, COLUMNS))]
    for frame, tracks in frames:
        block = np.full((len(tracks.ids), COLUMNS), -1.0)
        block[:, FRAME] = frame
        block[:, ID] = tracks.ids
        block[:, BOX] = tracks.boxes
        block[:, 4:6] -= block[:, 2:4]
        block[:, SCORE] = tracks.scores
        block[:, CLASS] = tracks.classes
        block[:, PREDICTED] = tracks.predicted
        blocks.append(block)
    return np.concatenate(blocks)


def detection_rows(
    frame: int, boxes: ArrayLike, scores: ArrayLike, classes: ArrayLike | None = None
) -> Rows:
    """Rows of the detections of one frame; their ids are -1.

    Parameters
    ----------
    frame : int
        From 1.
    boxes : float [N, 4]
        x1, y1, x2, y2 in pixels.
    scores : float [N]
        Confidence.
    classes : int [N], optional
        Class ids; 0 where they are not given.

    Returns
    -------
    float64 [N, 10]
        One row a detection, in the order given.
    """
    found = np.asarray(boxes, np.float32).reshape(-1, 4)
    nobody = np.full(len(found), -1, np.int64)
    kinds = np.zeros(len(found)) if classes is None else np.asarray(classes)
    tracks = Tracks(
        ids=nobody,
        boxes=found,
        scores=np.asarray(scores, np.float32),
        classes=kinds.astype(np.int64),
        predicted=np.zeros(len(found), np.bool_),
        detection=nobody,
    )
    return to_rows([(frame, tracks)])


def from_rows(rows: Rows, frames: int | None = None) -> list[Tracks]:
    """Tracks of each frame, the inverse of :func:`to_rows`.

    Parameters
    ----------
    rows : float64 [N, 10]
        Rows of tracks, in any order.
    frames : int, optional
        Length of the sequence; the last frame that a row names when it is not given.

    Returns
    -------
    list of Tracks
        Entry t belongs to frame t + 1; empty where no row names it. ``detection`` is -1
        everywhere: rows do not say which detection a box came from.
    """
    length = int(rows[:, FRAME].max(initial=0)) if frames is None else frames
    ordered = rows[np.argsort(rows[:, FRAME], kind="stable")]
    bounds = np.searchsorted(ordered[:, FRAME], np.arange(1, length + 2))
    answer = []
    for start, stop in pairwise(bounds):
        block = ordered[start:stop]
        boxes = block[:, BOX].astype(np.float32)
        boxes[:, 2:] += boxes[:, :2]
        answer.append(
            Tracks(
                ids=block[:, ID].astype(np.int64),
                boxes=boxes,
                scores=block[:, SCORE].astype(np.float32),
                classes=block[:, CLASS].astype(np.int64),
                predicted=block[:, PREDICTED] == 1,
                detection=np.full(len(block), -1, np.int64),
            )
        )
    return answer


def _parse(line: str) -> list[float]:
    """The numbers of one line, checked one by one."""
    fields = line.split(",") if "," in line else line.split()
    if not REQUIRED <= len(fields) <= COLUMNS:
        raise InvalidInput(f"expected {REQUIRED} to {COLUMNS} columns, got {len(fields)}")
    try:
        values = [float(field) for field in fields]
    except ValueError as error:
        raise InvalidInput(f"expected numbers, got {line.strip()!r}") from error
    if not np.isfinite(values).all():
        raise InvalidInput(f"expected finite numbers, got {line.strip()!r}")
    if values[FRAME] % 1 or not 1 <= values[FRAME] <= LAST_FRAME:
        raise InvalidInput(
            f"expected a whole frame number from 1 to {LAST_FRAME}, got {fields[FRAME].strip()}"
        )
    if values[ID] % 1:
        raise InvalidInput(f"expected a whole id, got {fields[ID].strip()}")
    if values[4] < 0 or values[5] < 0:
        raise InvalidInput(f"expected width and height of at least 0, got {values[4:6]}")
    return values


def _refuse_duplicates(rows: Rows, numbers: list[int], source: Path) -> None:
    """An id may stand once in a frame; -1 is the id of boxes that have none."""
    seen: dict[tuple[float, float], int] = {}
    for number, (frame, identity) in zip(numbers, rows[:, :2].tolist(), strict=True):
        if identity < 0:
            continue
        first = seen.setdefault((frame, identity), number)
        if first != number:
            raise InvalidInput(
                f"{source}, line {number}: expected each id once in a frame, got id "
                f"{identity:.0f} in frame {frame:.0f} again (first on line {first})"
            )
