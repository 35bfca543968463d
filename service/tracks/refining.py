"""The messages of a track stream once all of the video is known: linked, smoothed, gaps filled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from models.types import Detections
from service.counting.query import Counting
from service.tracks.formats import Message
from service.tracks.messages import counted, counted_frame
from service.tracks.session import FrameTracks
from tracker.mot import Rows, from_rows, to_rows
from tracker.refine import refine
from tracker.types import Float, Tracks


def refined(
    messages: Sequence[Message],
    detections: Rows,
    looks: NDArray[np.float32] | None,
    motion: Float,
    counting: Counting,
    *,
    stride: int = 1,
    reenter: bool = False,
) -> Iterator[Message]:
    """The messages of the same stream, with its tracks refined.

    Parameters
    ----------
    messages : sequence of dict
        Of the whole stream, without delay.
    detections : float64 [N, 10]
        Every detection, as MOT rows.
    looks : float32 [N, D] or None
        Their embeddings; zeros where there is none.
    motion : float64 [T, 2, 3]
        How the camera moved into every frame.
    counting : Counting
        What is counted; it is counted anew.
    stride : int
        Every so many frames were followed.
    reenter : bool
        Whether objects may come back after a long while.
    """
    header, *frames, end = messages
    names = {item["class"]: item["name"] for frame in frames for item in frame["objects"]}
    rows = refine(
        to_rows((number, _tracks(frame)) for number, frame in enumerate(frames, start=1)),
        detections=detections,
        detection_embeddings=looks,
        size=(header["width"], header["height"]),
        fps=header["fps"] and header["fps"] / stride,
        motion=motion,
        reenter=reenter,
    )
    counter = counting.counter(header["width"], header["height"])
    yield header
    for frame, tracks in zip(frames, from_rows(rows, len(frames)), strict=True):
        nothing = Detections.empty(names)
        item = FrameTracks(frame["frame"], frame["time"], tracks, nothing)
        yield counted_frame(item, counter)
    yield end | {"tracks": len(np.unique(rows[:, 1]))} | counted(counter)


def _tracks(frame: Message) -> Tracks:
    """The tracks of a line."""
    found = frame["objects"]
    boxes = [[item["box"][corner] for corner in ("x1", "y1", "x2", "y2")] for item in found]
    return Tracks(
        ids=np.array([item["track_id"] for item in found], np.int64),
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.array([item["confidence"] for item in found], np.float32),
        classes=np.array([item["class"] for item in found], np.int64),
        predicted=np.array([item["predicted"] for item in found], np.bool_),
        detection=np.full(len(found), -1, np.int64),
    )
