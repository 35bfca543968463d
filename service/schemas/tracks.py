"""The lines of a track stream, and the messages of a live connection."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from service.schemas.counts import Counts, FrameCounts
from service.schemas.objects import TrackedObject
from service.schemas.shape import Shape


class Header(Shape):
    """The first line: what is followed, and by what."""

    type: Literal["header"]
    session: str
    model: str
    tracker: str
    embedder: str = Field(description="`none` where objects are told apart by motion alone.")
    width: int
    height: int
    fps: float | None = Field(description="Nominal frames a second, where they are known.")
    frames: int | None = Field(description="How many frames there are, where it is known.")


class FrameError(Shape):
    """Why the picture of a frame could not be read."""

    code: str
    message: str


class Frame(Shape):
    """The objects of one frame."""

    type: Literal["frame"]
    frame: int = Field(description="From 0.")
    time: float = Field(description="Seconds after the first frame.")
    objects: list[TrackedObject]
    counts: FrameCounts | None = Field(
        default=None, description="Where lines or zones were asked for."
    )
    error: FrameError | None = Field(
        default=None,
        description="On live connections: the picture could not be read, and where the objects "
        "are is expected, not seen.",
    )
    latency_ms: float | None = Field(
        default=None, description="On live connections: from the frame's last byte to its answer."
    )
    dropped: int | None = Field(
        default=None, description="On live connections: frames that were left out so far."
    )


class End(Shape):
    """The last line: all is said."""

    type: Literal["end"]
    frames: int
    tracks: int
    elapsed_s: float
    fps: float | None = Field(description="Frames a second that were followed.")
    damaged: int = Field(description="Pieces of the video that could not be decoded.")
    counts: Counts | None = Field(default=None, description="Where lines or zones were asked for.")


class Error(Shape):
    """The last line, where it could not be followed to its end."""

    type: Literal["error"]
    code: str
    message: str
    frame: int = Field(description="The first frame that was not answered.")


class TrackDocument(Shape):
    """All lines of a finished stream in one object."""

    header: Header
    frames: list[Frame]
    end: End


Line = Annotated[Header | Frame | End | Error, Field(discriminator="type")]
"""Any line of a stream."""

LINE: TypeAdapter[Header | Frame | End | Error] = TypeAdapter(Line)
"""Reads a line from its JSON."""
