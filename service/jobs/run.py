"""One job from its video to its last line, in the thread of a worker."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from io import FileIO
from typing import Any

from service.decoding.containers import HEAD_BYTES, Outline, recognise
from service.decoding.decoders import Decoders
from service.decoding.video import Video
from service.errors import kind_of, public_detail
from service.http.metrics import Metrics
from service.http.stages import Stages
from service.inference.engine import ModelQueue
from service.inference.registry import Models
from service.jobs.feed import Feed
from service.jobs.folder import JobFolder
from service.jobs.log import DetectionLog, LineLog
from service.jobs.progress import Progress
from service.jobs.store import JobRecord, JobStore, StoreFailed
from service.schemas import Status
from service.settings import Settings
from service.tracks import lines
from service.tracks.backlog import PIECE
from service.tracks.follower import Follower
from service.tracks.messages import Messages
from service.tracks.query import TrackQuery, embedder_name
from service.tracks.session import Session
from service.tracks.upload import ClientGone

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.2
"""How often a job that waits for its model looks whether it is still wanted."""


@dataclass(frozen=True, slots=True)
class Means:
    """What the server has for all jobs.

    Attributes
    ----------
    settings : Settings
        Limits.
    models : Models
        Detectors and embedders.
    decoders : Decoders
        Where decoder processes come from.
    metrics : Metrics
        Where the stages of their frames are counted.
    """

    settings: Settings
    models: Models
    decoders: Decoders
    metrics: Metrics


class Interrupted(Exception):
    """The job was stopped before its end; it can be run again."""


class JobRun:
    """One run of a job.

    A run that follows one which was cut off begins with the first frame again, and gives the same
    lines: `LineLog` holds it to that.

    Parameters
    ----------
    record : JobRecord
        The job as it is in the store.
    folder : JobFolder
        Its files.
    feed : Feed
        Told of every line.
    means : Means
        What it is run with.
    store : JobStore
        Told how far it is, and how it ended.

    Attributes
    ----------
    id : str
        Of the job.
    feed : Feed
        As given.
    cancelled : bool
        Set by whoever wants the job removed once it has stopped.
    """

    def __init__(
        self, record: JobRecord, folder: JobFolder, feed: Feed, means: Means, store: JobStore
    ) -> None:
        self.id = record.id
        self._record = record
        self._folder = folder
        self.feed = feed
        self.cancelled = False
        self._means = means
        self._store = store
        self._query = TrackQuery.model_validate_json(record.query)
        self._stopped = threading.Event()
        self._session: Session | None = None

    def stop(self) -> None:
        """Make `run` return soon. Any thread."""
        self._stopped.set()
        if self._session is not None:
            self._session.cancel(ClientGone())

    def run(self) -> None:
        """Follow the video to its end, to a failure, or to `stop`; the store then says which.

        Raises
        ------
        StoreFailed
            The store cannot be told; another run may do better.
        """
        self._store.update(self.id, status=Status.RUNNING)
        with closing(LineLog(self._folder.lines, self._record.length)) as file:
            progress = Progress(
                self._record, self._query, file, self.feed, self._store, self._stopped
            )
            try:
                last = self._follow(progress)
                progress.finish(last)
            except Interrupted:
                log.info("job %s was interrupted", self.id)
            except StoreFailed:
                raise
            except Exception as error:
                self._fail(error, progress)
            else:
                self._end(Status.DONE, **progress.values, fps=last["fps"])

    def _follow(self, progress: Progress) -> dict[str, Any]:
        """Run a session on the video; answers its last message."""
        settings, query = self._means.settings, self._query
        batcher = self._ready_batcher()
        embedder = query.load_embedder(self._means.models)
        dim = 0 if embedder is None else embedder.dim
        name = self.id[:16]
        with ExitStack() as stack:
            tracker = stack.enter_context(DetectionLog(query.make_tracker(), self._folder, dim))
            # Unbuffered: the decoder goes on where the descriptor itself is.
            file = stack.enter_context(self._folder.video.open("rb", buffering=0))
            outline = _outline(file)
            job = query.job(settings, outline.container.value)
            video = Video(self._means.decoders, job, file.fileno())
            stack.callback(video.close)
            options = query.session_options(batcher.detector, settings)
            stages = Stages(self._means.metrics, batcher.name)
            session = Session(name, video, batcher, tracker, embedder, options, stages)
            stack.callback(session.close)
            self._session = session
            names = lines.Names(name, batcher.name, query.tracker, embedder_name(embedder))
            done = threading.Event()
            messages = Messages(names, query.counting, time.monotonic())
            Follower(session, progress, outline, messages, _as_it_is).start(done.set)
            done.wait()
        if progress.failure is not None:
            raise progress.failure
        if progress.last is None:
            raise Interrupted
        return progress.last

    def _ready_batcher(self) -> ModelQueue:
        """The batcher of the model, which after a restart may not be loaded yet."""
        models = self._means.models
        batcher = models.load(self._query.model or models.default)
        while not self._stopped.is_set():
            try:
                batcher.loaded.result(LOOK_SECONDS)
            except TimeoutError:
                continue
            return batcher
        raise Interrupted

    def _fail(self, error: Exception, progress: Progress) -> None:
        if kind_of(error).status >= 500:
            log.error("job %s failed", self.id, exc_info=error)
        self._end(
            Status.FAILED,
            **progress.values,
            error_code=lines.code_of(error),
            error_message=public_detail(error),
        )

    def _end(self, status: Status, **values: Any) -> None:
        """Say in the store how it ended, and only then to those who follow it."""
        size = self._folder.size()
        self._store.update(self.id, status=status, finished=time.time(), bytes=size, **values)
        self.feed.length = values["length"]
        self.feed.end()


def _outline(file: FileIO) -> Outline:
    """The structure of a whole file, which is then read from its beginning."""
    outline = Outline(recognise(file.read(HEAD_BYTES)))
    file.seek(0)
    while data := file.read(PIECE):
        outline.feed(data)
    file.seek(0)
    return outline


def _as_it_is(message: dict[str, Any]) -> dict[str, Any]:
    return message
