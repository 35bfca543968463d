"""Tracks as text: a line of JSON a frame, MOTChallenge rows, or comma-separated values."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, TypeAlias

import orjson

Message: TypeAlias = dict[str, Any]
"""One of a track stream."""
Watch: TypeAlias = Callable[[Iterator[Message]], Iterator[Message]]
"""Passes messages on, and may count them."""

CSV_COLUMNS = (
    *("frame", "time", "track_id", "class", "name", "confidence"),
    *("x1", "y1", "x2", "y2", "predicted"),
)


class Format(StrEnum):
    """How tracks are written."""

    NDJSON = "ndjson"
    MOT = "mot"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class Lines:
    """The messages in a file of NDJSON, read anew each time that they are gone through.

    Attributes
    ----------
    path : Path
        The file.
    """

    path: Path

    def __iter__(self) -> Iterator[Message]:
        with self.path.open("rb") as file:
            yield from map(orjson.loads, file)


def write(sink: IO[str], messages: Iterable[Message], how: Format) -> Iterator[Message]:
    """Write the messages of a track stream as they come, and pass each on.

    Parameters
    ----------
    sink : text file
        Where they are written.
    messages : iterable of dict
        ``header``, ``frame`` … and ``end``, as in the stream.
    how : Format
        MOT and CSV have the rows of frames alone; in MOT frames count from 1.
    """
    table = csv.writer(sink, lineterminator="\n")
    if how is Format.CSV:
        table.writerow(CSV_COLUMNS)
    for message in messages:
        if how is Format.NDJSON:
            sink.write(orjson.dumps(message).decode() + "\n")
        elif message["type"] == "frame":
            rows = _mot_rows if how is Format.MOT else _csv_rows
            table.writerows(rows(message))
        sink.flush()
        yield message


def _mot_rows(frame: Message) -> Iterator[list[Any]]:
    for item in frame["objects"]:
        box = item["box"]
        width, height = box["x2"] - box["x1"], box["y2"] - box["y1"]
        corner = [f"{value:.4f}" for value in (box["x1"], box["y1"], width, height)]
        score = f"{item['confidence']:.4f}"
        yield [frame["frame"] + 1, item["track_id"], *corner, score, -1, -1, -1]


def _csv_rows(frame: Message) -> Iterator[list[Any]]:
    for item in frame["objects"]:
        yield [
            frame["frame"],
            frame["time"],
            item["track_id"],
            item["class"],
            item["name"],
            item["confidence"],
            *(item["box"][corner] for corner in ("x1", "y1", "x2", "y2")),
            int(item["predicted"]),
        ]
