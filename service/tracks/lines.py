"""The lines of a track stream, each built once: NDJSON, or events for browsers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from service.decoding.video import VideoInfo
from service.errors import kind_of, public_detail
from service.schemas import DECIMALS
from service.tracks.session import FrameTracks

NDJSON = "application/x-ndjson"
EVENTS = "text/event-stream"

Encode = Callable[[dict[str, Any]], bytes]


def encoder_for(accept: str) -> tuple[str, Encode]:
    """Content type and encoder for an ``Accept`` header: NDJSON unless events are asked for."""
    types = {item.partition(";")[0].strip().lower() for item in accept.split(",")}
    return (EVENTS, event) if EVENTS in types else (NDJSON, ndjson)


def ndjson(message: dict[str, Any]) -> bytes:
    """One JSON object on a line of its own."""
    return orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE)


def event(message: dict[str, Any]) -> bytes:
    """One server-sent event; a frame's carries its number as the id."""
    number = b"id: %d\n" % message["frame"] if message["type"] == "frame" else b""
    return number + b"data: " + orjson.dumps(message) + b"\n\n"


@dataclass(frozen=True, slots=True)
class Names:
    """What a stream's header says besides the video itself.

    Attributes
    ----------
    session, model, tracker, embedder : str
        Their names; ``none`` for no embedder.
    """

    session: str
    model: str
    tracker: str
    embedder: str


def header(names: Names, info: VideoInfo) -> dict[str, Any]:
    """The first line."""
    return {
        "type": "header",
        "session": names.session,
        "model": names.model,
        "tracker": names.tracker,
        "embedder": names.embedder,
        "width": info.width,
        "height": info.height,
        "fps": info.fps,
        "frames": info.frames,
    }


def frame(result: FrameTracks) -> dict[str, Any]:
    """The line of one frame."""
    tracks, found = result.tracks, result.detections
    rows = zip(
        tracks.classes.tolist(),
        tracks.scores.astype(np.float64).round(DECIMALS).tolist(),
        tracks.boxes.astype(np.float64).round(DECIMALS).tolist(),
        tracks.ids.tolist(),
        tracks.predicted.tolist(),
        strict=True,
    )
    objects: list[dict[str, Any]] = [
        {
            "name": found.names.get(class_id, str(class_id)),
            "class": class_id,
            "confidence": confidence,
            "box": {"x1": x1, "y1": y1, "x2": x2, "y2": y2},
            "track_id": track_id,
            "predicted": predicted,
        }
        for class_id, confidence, (x1, y1, x2, y2), track_id, predicted in rows
    ]
    if found.segments is not None:
        for item, detection in zip(objects, tracks.detection.tolist(), strict=True):
            if detection >= 0:
                outline = found.segments[detection].astype(np.float64)
                x, y = np.round(outline, DECIMALS).T.tolist()
                item["segments"] = {"x": x, "y": y}
    return {"type": "frame", "frame": result.number, "time": result.time, "objects": objects}


def end(frames: int, tracks: int, elapsed_s: float, damaged: int) -> dict[str, Any]:
    """The last line of a video that was followed to its end."""
    return {
        "type": "end",
        "frames": frames,
        "tracks": tracks,
        "elapsed_s": round(elapsed_s, 3),
        "fps": round(frames / elapsed_s, 2) if elapsed_s > 0 else None,
        "damaged": damaged,
    }


def error(reason: BaseException, next_frame: int) -> dict[str, Any]:
    """The last line of a video that could not be followed further than ``next_frame``."""
    return {"type": "error", **failure(reason), "frame": next_frame}


def failure(reason: BaseException) -> dict[str, str]:
    """What is told of something that failed."""
    return {"code": code_of(reason), "message": public_detail(reason)}


def code_of(reason: BaseException) -> str:
    """The code of an error as lines have it."""
    return kind_of(reason).code.replace("-", "_")
