"""A live frame on its way, and what a connection follows its objects with."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

from models.types import Detections, Image
from service.errors import UnreadableMedia
from service.http.stages import Stages
from service.pictures.images import ImageCodec
from service.tracks.session import Detect, Embed
from tracker.types import Tracker


@dataclass(frozen=True, slots=True)
class Arrival:
    """A frame as it came.

    Attributes
    ----------
    number : int
        From 0, of all that came.
    time : float
        Seconds after the first frame.
    at : float
        ``time.monotonic`` when it had come.
    data : bytes
        The picture.
    """

    number: int
    time: float
    at: float
    data: bytes


@dataclass(frozen=True, slots=True)
class Started:
    """A frame that is decoded or with the detector.

    Attributes
    ----------
    arrival : Arrival
        The frame.
    task : Task
        Answers its pixels and what was found in them; it fails where there are none.
    room : AsyncExitStack
        Holds the room for its pixels; to be closed when they are let go.
    """

    arrival: Arrival
    task: asyncio.Task[tuple[Image, Detections]]
    room: AsyncExitStack


@dataclass(frozen=True, slots=True)
class Held:
    """A frame that the tracker has been given, and that is not answered yet.

    Attributes
    ----------
    arrival : Arrival
        The frame.
    found : Detections
        What was found in it.
    damage : UnreadableMedia or None
        Why nothing could be.
    """

    arrival: Arrival
    found: Detections
    damage: UnreadableMedia | None


@dataclass(frozen=True, slots=True)
class Means:
    """What a connection follows its objects with.

    Attributes
    ----------
    detector : Detect
        Finds them.
    tracker : Tracker
        This connection's own.
    embed : callable or None
        Embeddings of boxes of an image.
    codec : ImageCodec
        Decodes the frames.
    stages : Stages
        Where their time is counted.
    """

    detector: Detect
    tracker: Tracker
    embed: Embed | None
    codec: ImageCodec
    stages: Stages
