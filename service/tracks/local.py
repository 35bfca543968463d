"""Following a video file in this process: the way of the server, without HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from models import load_detector, load_embedder
from models.detector import detect_options
from models.embedder import Embedder, suits
from service.counting.query import Counting
from service.decoding.decoders import Decoders
from service.decoding.video_file import open_video
from service.inference.batching import Batcher
from service.inference.registry import NO_EMBEDDER
from service.jobs.folder import JobFolder
from service.jobs.log import DetectionLog, LineLog
from service.jobs.refinement import check_size, refined_messages
from service.settings import Settings
from service.tracks import lines
from service.tracks.formats import Message, Watch
from service.tracks.messages import Messages
from service.tracks.query import WITHOUT_APPEARANCE, embedder_name, wanted_names
from service.tracks.session import Session, SessionOptions
from tracker.presets import make_tracker

DEFAULT_MODEL = "yolo26n"


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be followed, and how.

    Attributes
    ----------
    video : Path
        The file.
    model : str or None
        A detector of the catalogue; None for the usual one.
    conf : float
        Least confidence of a detection.
    classes : list of str or None
        Names or ids that are wanted.
    tracker : str
        One of `tracker.presets.PRESETS`.
    embedder : str or None
        Name of an embedder, ``auto``, or ``none``; None for ``auto`` where the tracker asks for it
        and it suits the classes.
    delay : int
        Frames by which the answers are held back to be smoothed; not where they are refined.
    refine : bool
        Link and smooth the tracks once all are known; nothing is answered before.
    lines, zones : str or None
        What is counted, as JSON; the query parameters of the server.
    """

    video: Path
    model: str | None = None
    conf: float = 0.1
    classes: list[str] | None = None
    tracker: str = "deepsort"
    embedder: str | None = None
    delay: int = 0
    refine: bool = False
    lines: str | None = None
    zones: str | None = None


@contextmanager
def follow(
    request: Request, decoders: Decoders, watch: Watch = iter
) -> Iterator[Iterator[Message]]:
    """Load what is asked for and start on the file; gives the messages of its track stream.

    Parameters
    ----------
    request : Request
        What is to be followed.
    decoders : Decoders
        Where the decoder process comes from.
    watch : callable
        Passes on the messages as they come, before they are refined, and may count them.

    Raises
    ------
    TracklineError
        The file, the model, a class, the tracker, the embedder or a line cannot be used; while the
        messages are read also `TooLarge`, for more objects than are refined.
    """
    counting = Counting.parse(request.lines, request.zones)
    tracker = make_tracker(request.tracker, delay=request.delay)
    model = request.model or DEFAULT_MODEL
    settings = Settings(models=(model,))
    batcher = Batcher(model, lambda: load_detector(model, videos=True), settings)
    with ExitStack() as stack:
        stack.enter_context(closing(batcher))
        video = stack.enter_context(open_video(request.video, decoders))
        batcher.loaded.result()
        names = batcher.detector.names
        options = SessionOptions(detect_options(names, conf=request.conf, classes=request.classes))
        embedder = _embedder(request, names)
        log = None
        if request.refine:
            folder = JobFolder(Path(stack.enter_context(TemporaryDirectory())))
            dim = 0 if embedder is None else embedder.dim
            log = stack.enter_context(DetectionLog(tracker, folder, dim))
        session = Session("file", video, batcher, log or tracker, embedder, options)
        stack.enter_context(closing(session))
        header = lines.Names("file", model, request.tracker, embedder_name(embedder))
        messages = Messages(header, counting, time.monotonic())
        said = watch(map(messages.of, session.run()))
        most = settings.max_refined_objects
        yield said if log is None else _refined(said, log, folder, counting, most)


def _embedder(request: Request, names: Mapping[int, str]) -> Embedder | None:
    """The one that a server would take, for a detector that knows these classes."""
    if request.embedder is not None:
        return None if request.embedder == NO_EMBEDDER else load_embedder(request.embedder)
    if request.tracker in WITHOUT_APPEARANCE:
        return None
    embedder = load_embedder()
    return embedder if suits(embedder.name, wanted_names(request.classes, names)) else None


def _refined(
    said: Iterator[Message], log: DetectionLog, folder: JobFolder, counting: Counting, most: int
) -> Iterator[Message]:
    """The same, but every frame after the last one, with the refined tracks."""
    with log, closing(LineLog(folder.lines, 0)) as kept:
        for message in said:
            kept.append(lines.ndjson(message))
            check_size(folder, most)  # of what was written: the last ones may be missing
    check_size(folder, most)
    yield from refined_messages(folder, counting)
