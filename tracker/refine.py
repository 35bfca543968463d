"""Offline refinement: better tracks once the whole video is known.

What an online tracker answered is taken apart at its doubtful places and put together again:
tracks are cut where they were not seen for long, pieces without substance go, free detections on
the way of a track are claimed, pieces are linked over gaps by motion and appearance, ghosts are
dropped, and what is left is smoothed from both sides with its gaps filled, until it leaves the
image.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from models.errors import InvalidInput
from tracker.background import Background
from tracker.claiming import adopt
from tracker.mot import BOX, CLASS, COLUMNS, FRAME, ID, REQUIRED, SCORE, Rows
from tracker.refinement import Refinement, assemble, share_inside, shown
from tracker.smoothing import Trajectories
from tracker.tracklets import NOBODY, Observations, classes, uncut_paths
from tracker.types import Embeddings, Float, Integer, Mask

FILLED = 8
"""Column of the answer that tells boxes in gaps from observed ones."""


def refine(
    rows: ArrayLike,
    *,
    embeddings: ArrayLike | None = None,
    detections: ArrayLike | None = None,
    detection_embeddings: ArrayLike | None = None,
    size: tuple[float, float] | None = None,
    fps: float | None = None,
    motion: ArrayLike | None = None,
    reenter: bool = False,
    settings: Refinement | None = None,
) -> Rows:
    """Improve the tracks of a whole video after its last frame.

    Parameters
    ----------
    rows : float [N, 7 to 10]
        MOT rows in any order: frame, id, left, top, width, height, score, and the class where
        there is an eighth column. A score below 0 is one that is not known.
    embeddings : float [N, D], optional
        Appearance of each row; zeros where not known.
    detections : float [M, 7 to 10], optional
        All that the detector found, as MOT rows whose ids are not looked at. Tracks then stand on
        these boxes instead of the tracker's own, and free ones can be claimed.
    detection_embeddings : float [M, D], optional
        Appearance of each detection, in place of ``embeddings``.
    size : (float, float), optional
        Width and height of the image; without, what the boxes reach.
    fps : float, optional
        Frames a second; above 25, spans of time are scaled with it.
    motion : float [T, 2, 3], optional
        How the camera moved: for each frame from 1 to T the affine transform of pixels of the
        frame before to its own, the identity where it stood still. Tracks are then linked and
        smoothed as they moved over the ground.
    reenter : bool
        Whether someone who left the image may come back as the same.
    settings : Refinement, optional
        Thresholds.

    Returns
    -------
    float64 [K, 10]
        Rows ordered by frame and id. IDs are those given; the later half of a track that proved
        to be two has a new one. The eighth column is the class, the ninth is 1 for a box that
        fills a gap, which has the score of the box before it, and 0 for one that was observed.

    Raises
    ------
    InvalidInput
        What was expected and what came, with the row where one is to blame.
    """
    rule = (settings or Refinement()).at(fps)
    tracks = _checked(rows, "rows")
    _refuse_repeated(tracks)
    if not len(tracks):
        return np.zeros((0, COLUMNS))
    found, owner = _observations(tracks, embeddings, detections, detection_embeddings, rule.adopt)
    if not len(found):
        return np.zeros((0, COLUMNS))
    extent = size or tuple(np.vstack((_xyxy(tracks), found.boxes))[:, 2:].max(axis=0))
    if motion is not None:
        found = replace(found, background=_background(motion, found.frames, extent))
    last = assemble(found, owner, rule, None if reenter else extent)
    if last.max(initial=NOBODY) == NOBODY:
        return np.zeros((0, COLUMNS))
    path = uncut_paths(found, last, rule.linking.max_gap, rule.smoothing)
    answer = found.seen(path)
    visible = shown(path, rule) & (share_inside(answer.boxes, extent) >= rule.inside)
    return _answer(found, answer, visible, _names(last, owner), classes(found, last))


def _observations(
    tracks: Rows,
    embeddings: ArrayLike | None,
    detections: ArrayLike | None,
    detection_embeddings: ArrayLike | None,
    least: float,
) -> tuple[Observations, Integer]:
    """What refinement stands on, and which track the online tracker gave each of it to."""
    ids = tracks[:, ID].astype(np.int64)
    if detections is None:
        looks = _unit_rows(embeddings, len(tracks), "embeddings")
        found, order = _observe(tracks, looks)
        return found, ids[order]
    raw = _checked(detections, "detections")
    looks = _unit_rows(detection_embeddings, len(raw), "detection_embeddings")
    found, _ = _observe(raw, looks)
    return found, adopt(found, tracks[:, FRAME].astype(np.int64), _xyxy(tracks), ids, least)


def _observe(rows: Rows, looks: Embeddings | None) -> tuple[Observations, Integer]:
    """Rows as observations, and the order in which they were taken."""
    # By more than the frame, so that the order of the rows makes no difference.
    order = np.lexsort((rows[:, 2], rows[:, SCORE], rows[:, ID], rows[:, FRAME]))
    ordered = rows[order]
    scores = np.where(ordered[:, SCORE] < 0.0, 1.0, np.minimum(ordered[:, SCORE], 1.0))
    found = Observations(
        ordered[:, FRAME].astype(np.int64),
        _xyxy(ordered),
        scores,
        ordered[:, CLASS].astype(np.int64),
        None if looks is None else looks[order],
    )
    return found, order


def _answer(
    found: Observations, path: Trajectories, visible: Mask, names: Integer, kinds: Integer
) -> Rows:
    """Trajectories as MOT rows."""
    # Every trajectory starts with an observation, so there is always one before a filled box.
    place = np.maximum.accumulate(np.where(path.source >= 0, np.arange(len(path.ids)), 0))
    rows = np.full((len(path.ids), COLUMNS), -1.0)
    rows[:, FRAME] = path.frames
    rows[:, ID] = names[path.ids]
    rows[:, BOX] = path.boxes
    rows[:, 4:6] -= rows[:, 2:4]
    rows[:, SCORE] = found.scores[path.source[place]]
    rows[:, CLASS] = kinds[path.ids]
    rows[:, FILLED] = path.source < 0
    rows = rows[visible]
    return rows[np.lexsort((rows[:, ID], rows[:, FRAME]))]


def _background(motion: ArrayLike, frames: Integer, size: tuple[float, float]) -> Background:
    """Where the background is in each frame, or a refusal."""
    affine = np.asarray(motion, np.float64)
    if affine.ndim != 3 or affine.shape[1:] != (2, 3):
        raise InvalidInput(f"motion: expected shape [T, 2, 3], got {list(affine.shape)}")
    finite = np.isfinite(affine).all(axis=(1, 2))
    bad: Mask = np.logical_not(finite)
    bad[finite] = np.linalg.det(affine[finite, :, :2]) <= 0.0
    if bad.any():
        row = int(bad.argmax())
        raise InvalidInput(
            f"motion: expected finite affine transforms that do not mirror or collapse the "
            f"picture, got {affine[row].tolist()} in row {row}"
        )
    if frames[0] < 1 or frames[-1] > len(affine):
        raise InvalidInput(
            f"motion: expected one transform for each of the frames {frames[0]} to {frames[-1]}, "
            f"counted from 1, got {len(affine)}"
        )
    return Background(affine, first=1, pivot=(size[0] / 2.0, size[1] / 2.0))


def _names(last: Integer, given: Integer) -> Integer:
    """An ID for each track: the one most of its observations had, a new one where that is taken."""
    both = (last != NOBODY) & (given != NOBODY)
    pairs, count = np.unique(np.stack((last[both], given[both])), axis=1, return_counts=True)
    names = np.full(int(last.max()) + 1, NOBODY)
    taken: set[int] = set()
    for track, name in pairs[:, np.argsort(-count, kind="stable")].T.tolist():
        if names[track] == NOBODY and name not in taken:
            names[track] = name
            taken.add(name)
    new = names == NOBODY
    names[new] = given.max() + 1 + np.arange(new.sum())
    return names


def _xyxy(rows: Rows) -> Float:
    """Boxes of MOT rows as corners."""
    return np.hstack((rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]))


def _checked(given: ArrayLike, name: str) -> Rows:
    """MOT rows with all ten columns, or a refusal."""
    table = np.asarray(given, np.float64)
    if table.size == 0:
        return np.zeros((0, COLUMNS))
    if table.ndim != 2 or not REQUIRED <= table.shape[1] <= COLUMNS:
        raise InvalidInput(
            f"{name}: expected shape [N, {REQUIRED} to {COLUMNS}] (frame, id, left, top, width, "
            f"height, score, ...), got {list(table.shape)}"
        )
    rows = np.full((len(table), COLUMNS), -1.0)
    rows[:, : table.shape[1]] = table
    for bad, expected in (
        (~np.isfinite(rows).all(axis=1), "finite numbers"),
        ((rows[:, (FRAME, ID, CLASS)] % 1 != 0).any(axis=1), "whole frames, ids and classes"),
        ((rows[:, 4:6] < 0).any(axis=1), "width and height of at least 0"),
    ):
        if bad.any():
            row = int(bad.argmax())
            raise InvalidInput(
                f"{name}: expected {expected}, got {table[row].tolist()} in row {row}"
            )
    return rows


def _refuse_repeated(tracks: Rows) -> None:
    if (tracks[:, ID] < 0).any():
        row = int((tracks[:, ID] < 0).argmax())
        raise InvalidInput(f"rows: expected ids from 0, got {tracks[row, ID]:.0f} in row {row}")
    keys, count = np.unique(tracks[:, (FRAME, ID)], axis=0, return_counts=True)
    if (count > 1).any():
        frame, identity = keys[count.argmax()]
        raise InvalidInput(
            f"rows: expected each id once in a frame, got id {identity:.0f} in frame {frame:.0f} "
            f"{count.max()} times"
        )


def _unit_rows(given: ArrayLike | None, count: int, name: str) -> Embeddings | None:
    """Embeddings of length 1, rows of zeros as they are."""
    if given is None:
        return None
    table = np.asarray(given, np.float32)
    if table.ndim != 2 or len(table) != count:
        raise InvalidInput(
            f"{name}: expected shape [{count}, D], one row a box, got {list(table.shape)}"
        )
    if not np.isfinite(table).all():
        row = int((~np.isfinite(table).all(axis=1)).argmax())
        raise InvalidInput(f"{name}: expected finite numbers, got others in row {row}")
    length = np.linalg.norm(table, axis=1, keepdims=True)
    return np.asarray(np.divide(table, length, out=np.zeros_like(table), where=length > 0))
