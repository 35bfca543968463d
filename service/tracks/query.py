"""How objects are to be followed: the parameters of all routes that answer tracks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import Field, ValidationInfo, field_validator

from models.embedder import suits
from models.types import class_ids
from service.counting.counts import Anchor
from service.counting.query import (
    LINE_EXAMPLE,
    MOST_TEXT,
    ZONE_EXAMPLE,
    Counting,
    parse_lines,
    parse_zones,
)
from service.decoding.frames import bytes_for
from service.decoding.task import Job, decoding_threads
from service.http.parameters import DetectQuery
from service.inference.registry import NO_EMBEDDER
from service.settings import Settings
from service.tracks.session import SessionOptions
from tracker.presets import PRESETS, make_tracker
from tracker.types import Tracker

if TYPE_CHECKING:
    from models.embedder import Embedder
    from service.inference.engine import Described
    from service.inference.registry import Models

WITHOUT_APPEARANCE = frozenset({"sort", "bytetrack"})
"""Trackers that never ask for embeddings."""
MOST_DELAY = 300


class FollowQuery(DetectQuery):
    """How objects are found and followed, wherever their frames come from."""

    conf: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Least confidence of a detection; the tracker has thresholds of its own.",
    )
    tracker: str = Field(
        default="deepsort", max_length=64, description=f"One of {', '.join(PRESETS)}."
    )
    embedder: str | None = Field(
        default=None,
        max_length=64,
        description="Tells objects apart by their looks; `none` goes by motion alone, and so does "
        "the default where no people are followed and it knows people alone.",
        examples=["osnet-x0.25"],
    )
    delay: int = Field(
        default=0,
        ge=0,
        le=MOST_DELAY,
        description="Answer each frame that many frames later, boxes smoothed and gaps filled.",
    )
    reenter: bool = Field(
        default=False,
        description="Whether an object that left the picture may come back as the same one; "
        "`deepsort` alone can.",
    )
    lines: str | None = Field(
        default=None,
        max_length=MOST_TEXT,
        description="Lines whose crossings are counted, as JSON: names and two points each, in "
        "pixels of the upright picture, or in shares of its size with `normalized`. Looking from "
        "the first point to the second, side a is on the left and b on the right.",
        examples=[LINE_EXAMPLE],
    )
    zones: str | None = Field(
        default=None,
        max_length=MOST_TEXT,
        description="Polygons whose visits are counted, as JSON of the same form with three "
        "points or more.",
        examples=[ZONE_EXAMPLE],
    )
    anchor: Anchor = Field(
        default=Anchor.FOOT,
        description="The point of a box that is counted: the middle of its lower edge, or of it.",
    )

    @field_validator("lines")
    @classmethod
    def _check_lines(cls, text: str | None) -> str | None:
        parse_lines(text)
        return text

    @field_validator("zones")
    @classmethod
    def _check_zones(cls, text: str | None) -> str | None:
        parse_zones(text)
        return text

    @property
    def counting(self) -> Counting:
        """What is to be counted."""
        return Counting.parse(self.lines, self.zones, self.anchor)

    def make_tracker(self) -> Tracker:
        """A tracker of one's own for a session.

        Raises
        ------
        InvalidInput
            No such tracker, or it cannot do what is asked of it.
        """
        settings = {"reenter": True} if self.reenter else {}
        return make_tracker(self.tracker, delay=self.delay, **settings)

    def session_options(self, detector: Described, settings: Settings) -> SessionOptions:
        """How a session finds its objects.

        Raises
        ------
        InvalidInput
            A class that the detector does not know, or a number over the server's limits.
        """
        return SessionOptions(
            detect=self.options(detector, settings),
            imgsz=self.imgsz,
            in_flight=settings.frames_in_flight,
            deadline_seconds=settings.frame_deadline_seconds,
        )

    def load_embedder(self, models: Models) -> Embedder | None:
        """The embedder that is wanted, if any; may take seconds.

        One that was not named has to suit the classes that are followed.
        """
        if self.embedder is not None:
            return models.embedder(self.embedder)
        embedder = None if self.tracker in WITHOUT_APPEARANCE else models.embedder()
        if embedder is None:
            return None
        names = models.batcher(self.model).detector.names
        return embedder if suits(embedder.name, wanted_names(self.wanted_classes, names)) else None


def embedder_name(embedder: Embedder | None) -> str:
    """How answers name an embedder, or that there is none."""
    return NO_EMBEDDER if embedder is None else embedder.name


def wanted_names(classes: Sequence[str] | None, names: Mapping[int, str]) -> set[str] | None:
    """Names of the classes of a detector that are given by name or id; None for all."""
    return None if classes is None else {names[one] for one in class_ids(classes, names)}


class TrackQuery(FollowQuery):
    """How a video's objects are found and followed."""

    stride: int = Field(default=1, ge=1, description="Follow every n-th frame only.")
    start: int = Field(default=0, ge=0, description="First frame, from 0.")
    end: int | None = Field(default=None, ge=1, description="The frame after the last one.")

    @field_validator("end")
    @classmethod
    def _check_end(cls, end: int | None, info: ValidationInfo) -> int | None:
        start = info.data.get("start", 0)
        if end is not None and end <= start:
            raise ValueError(f"more than start ({start}) was expected, got {end}")
        return end

    def job(self, settings: Settings, demuxer: str) -> Job:
        """The decoder's task, within the server's limits."""
        return Job(
            demuxer=demuxer,
            ring_bytes=bytes_for(settings.max_video_pixels),
            start=self.start,
            end=self.end,
            stride=self.stride,
            max_pixels=settings.max_video_pixels,
            max_side=settings.max_video_side,
            max_frames=settings.max_video_frames,
            max_seconds=settings.max_video_seconds,
            frame_cpu_s=settings.decoder_frame_seconds,
            memory=settings.decoder_memory_bytes,
            threads=decoding_threads(),
        )
