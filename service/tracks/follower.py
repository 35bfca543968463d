"""The thread of one track stream: runs the session and writes its lines."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import closing
from contextvars import copy_context
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from service.decoding.containers import Outline
from service.decoding.errors import DamagedVideo, NoFrames, TruncatedVideo, UnreadableVideo
from service.decoding.video import VideoEnd, VideoInfo
from service.errors import kind_of
from service.tracks.messages import Messages
from service.tracks.outbox import OutboxClosed
from service.tracks.session import FrameTracks, Session
from service.tracks.upload import ClientGone

log = logging.getLogger(__name__)


Line = TypeVar("Line")
Taken = TypeVar("Taken", contravariant=True)


class Sink(Protocol[Taken]):
    """Where the lines of a session go; `service.tracks.outbox.Outbox` is one."""

    def put(self, line: Taken) -> None:
        """Take the next line; may wait until there is room."""

    def end(self, failure: Exception | None = None) -> None:
        """There are no more: all is said, or something failed."""


class Follower(Generic[Line]):
    """Turns one session into lines.

    Parameters
    ----------
    session : Session
        What is followed; closed at the end.
    sink : Sink
        Where the lines go.
    outline : Outline
        Of the file, to know whether it came complete.
    messages : Messages
        Makes the messages.
    encode : callable
        Makes of a message what the sink takes.
    """

    def __init__(
        self,
        session: Session,
        sink: Sink[Line],
        outline: Outline,
        messages: Messages,
        encode: Callable[[dict[str, Any]], Line],
    ) -> None:
        self._session = session
        self._sink = sink
        self._outline = outline
        self._messages = messages
        self._encode = encode

    def start(self, done: Callable[[], object]) -> None:
        """Start the thread; ``done`` is called in it when it ends.

        It belongs to the request that runs: its log has the request's id, its spans its parent.
        """
        name = f"track-{self._session.name}"
        run = partial(copy_context().run, self._run, done)
        threading.Thread(target=run, name=name, daemon=True).start()

    def _run(self, done: Callable[[], object]) -> None:
        failure: Exception | None = None
        try:
            with closing(self._session.run()) as said:
                for item in said:
                    self._sink.put(self._encode(self._message(item)))
        except (OutboxClosed, ClientGone):
            log.debug("session %s: the client has left", self._session.name)
        except (DamagedVideo, NoFrames, UnreadableVideo) as error:
            failure = self._cut_short() if self._outline.missing else error
        except Exception as error:
            failure = error
            if kind_of(error).status >= 500:
                log.exception("session %s failed", self._session.name)
        finally:
            self._sink.end(failure)
            done()

    def _message(self, item: VideoInfo | FrameTracks | VideoEnd) -> dict[str, Any]:
        if isinstance(item, VideoEnd) and item.complete and self._outline.missing:
            raise self._cut_short()
        return self._messages.of(item)

    def _cut_short(self) -> TruncatedVideo:
        return TruncatedVideo(
            f"the file announces {self._outline.missing} bytes more than have come; "
            f"what can be decoded of it was followed"
        )
