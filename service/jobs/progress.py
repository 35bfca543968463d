"""Where the messages of a running job go: into its file, to its followers, and to the store."""

from __future__ import annotations

import threading
import time
from typing import Any

from service.jobs.feed import Feed
from service.jobs.log import LineLog
from service.jobs.store import JobRecord, JobStore
from service.tracks import lines
from service.tracks.outbox import OutboxClosed
from service.tracks.query import TrackQuery

COMMIT_SECONDS = 0.5
"""A server that is killed loses at most so much of what it has followed."""


class Progress:
    """Takes the messages of one session; a `service.tracks.follower.Sink`.

    Parameters
    ----------
    record : JobRecord
        The job as it was when the run began.
    query : TrackQuery
        What was asked for.
    log : LineLog
        The file.
    feed : Feed
        Told of every line.
    store : JobStore
        Told from time to time.
    stopped : threading.Event
        Set when no more messages are wanted.

    Attributes
    ----------
    last : dict or None
        The message that ends the stream; not yet in the file.
    failure : Exception or None
        Why there is none.
    """

    def __init__(
        self,
        record: JobRecord,
        query: TrackQuery,
        log: LineLog,
        feed: Feed,
        store: JobStore,
        stopped: threading.Event,
    ) -> None:
        self.last: dict[str, Any] | None = None
        self.failure: Exception | None = None
        self._record = record
        self._query = query
        self._log = log
        self._feed = feed
        self._store = store
        self._stopped = stopped
        self._frames = 0
        self._total = record.frames_total
        self._began = self._committed = time.monotonic()

    def put(self, line: dict[str, Any]) -> None:
        """Take the next message. The session's thread."""
        if self._stopped.is_set():
            raise OutboxClosed
        if line["type"] == "end":
            self.last = line
            return
        if line["type"] == "header":
            self._total = self._wanted(line["frames"])
        else:
            self._frames += 1
        self._log.append(lines.ndjson(line))
        self._feed.grow(self.values["length"])
        now = time.monotonic()
        if line["type"] == "header" or now - self._committed >= COMMIT_SECONDS:
            self._log.sync()
            fps = round(self._frames / (now - self._began), 2) if self._frames else None
            self._store.update(self._record.id, fps=fps, **self.values)
            self._committed = now

    def end(self, failure: Exception | None = None) -> None:
        """There are no more messages. The session's thread."""
        self.failure = failure

    def finish(self, last: dict[str, Any]) -> None:
        """Write the last line; it can be read once the store has said that the job is done."""
        self._log.append(lines.ndjson(last))
        self._log.sync()

    @property
    def values(self) -> dict[str, Any]:
        """What the store is told; a run that is behind the one before it takes nothing back."""
        return {
            "length": max(self._log.length, self._record.length),
            "frames_done": max(self._frames, self._record.frames_done),
            "frames_total": self._total,
        }

    def _wanted(self, frames: int | None) -> int | None:
        """How many of the video's frames are asked for."""
        if frames is None:
            return None
        query = self._query
        return len(range(frames)[query.start : query.end : query.stride])
