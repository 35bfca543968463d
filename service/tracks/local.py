"""Following a video file in this process: the way of the server, without HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from models import load_detector, load_embedder
from models.detector import detect_options
from models.errors import InvalidInput
from service.counting.query import Counting
from service.decoding.decoders import Decoders
from service.decoding.video import VideoEnd, VideoInfo
from service.decoding.video_file import open_video
from service.inference.batching import Batcher
from service.settings import Settings
from service.tracks import lines
from service.tracks.messages import Messages
from service.tracks.recorder import Recorder
from service.tracks.session import FrameTracks, Session, SessionOptions
from tracker.presets import make_tracker

NO_EMBEDDER = "none"

Items: TypeAlias = Iterator[VideoInfo | FrameTracks | VideoEnd]
"""What a session says."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be followed, and how.

    Attributes
    ----------
    video : Path
        The file.
    model : str
        A detector of the catalogue.
    conf : float
        Least confidence of a detection.
    classes : list of str or None
        Names or ids that are wanted.
    tracker : str
        One of `tracker.presets.PRESETS`.
    embedder : str
        Name of an embedder, ``auto``, or ``none``.
    delay : int
        Frames by which the answers are held back to be smoothed.
    refine : bool
        Link and smooth the tracks once all are known; nothing is answered before.
    lines, zones : str or None
        What is counted, as JSON; the query parameters of the server.
    """

    video: Path
    model: str = "yolo26n"
    conf: float = 0.1
    classes: list[str] | None = None
    tracker: str = "deepsort"
    embedder: str = "auto"
    delay: int = 0
    refine: bool = False
    lines: str | None = None
    zones: str | None = None


@contextmanager
def follow(
    request: Request, decoders: Decoders, watch: Callable[[Items], Items] = iter
) -> Iterator[Iterator[dict[str, Any]]]:
    """Load what is asked for and start on the file; gives the messages of its track stream.

    Parameters
    ----------
    request : Request
        What is to be followed.
    decoders : Decoders
        Where the decoder process comes from.
    watch : callable
        Passes on what the session says, and may count it.

    Raises
    ------
    TracklineError
        The file, the model, a class, the tracker, the embedder or a line cannot be used.
    """
    if request.refine and request.delay:
        raise InvalidInput("refine and delay both smooth the tracks: give one of them")
    counting = Counting.parse(request.lines, request.zones)
    tracker = make_tracker(request.tracker, delay=request.delay)
    recorder = Recorder(tracker) if request.refine else None
    embedder = None if request.embedder == NO_EMBEDDER else load_embedder(request.embedder)
    name = NO_EMBEDDER if embedder is None else embedder.name
    batcher = Batcher(
        request.model, lambda: load_detector(request.model), Settings(models=(request.model,))
    )
    with closing(batcher), open_video(request.video, decoders) as video:
        batcher.loaded.result()
        options = SessionOptions(
            detect_options(batcher.detector.names, conf=request.conf, classes=request.classes)
        )
        names = lines.Names("file", request.model, request.tracker, name)
        session = Session("file", video, batcher, recorder or tracker, embedder, options)
        with closing(session):
            said = watch(session.run())
            messages = Messages(names, counting, time.monotonic())
            yield map(messages.of, said if recorder is None else _refined(said, recorder))


def _refined(said: Items, recorder: Recorder) -> Items:
    """The same, but every frame after the last one, with the refined tracks."""
    frames: list[FrameTracks] = []
    info = None
    for item in said:
        if isinstance(item, FrameTracks):
            frames.append(item)
            continue
        if isinstance(item, VideoInfo):
            info = item
        elif info is not None:
            refined = recorder.refined((info.width, info.height), info.fps)
            for frame, tracks in zip(frames, refined, strict=True):
                yield replace(frame, tracks=tracks)
        yield item
