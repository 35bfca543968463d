"""The messages of a track stream once all of the video is known: linked, smoothed, gaps filled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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
    messages: Iterable[Message],
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
    messages : iterable of dict
        Of the whole stream, without delay. It is gone through more than once, so that not all of
        a long video has to be held.
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
    header = next(iter(messages))
    frames = (_tracks(frame) for frame in _frames(messages))
    names = {item["class"]: item["name"] for one in _frames(messages) for item in one["objects"]}
    rows = refine(
        to_rows(enumerate(frames, start=1)),
        detections=detections,
        detection_embeddings=looks,
        size=(header["width"], header["height"]),
        fps=header["fps"] and header["fps"] / stride,
        motion=motion,
        reenter=reenter,
    )
    counter = counting.counter(header["width"], header["height"])
    tracks = iter(from_rows(rows, len(motion)))
    for message in messages:
        if message["type"] == "frame":
            now = next(tracks)
            item = FrameTracks(message["frame"], message["time"], now, Detections.empty(names))
            yield counted_frame(item, counter)
        elif message["type"] == "end":
            yield message | {"tracks": len(np.unique(rows[:, 1]))} | counted(counter)
        else:
            yield message


def _frames(messages: Iterable[Message]) -> Iterator[Message]:
    return (message for message in messages if message["type"] == "frame")


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
