"""One track stream over all the connections that it takes; bytes in, lines out, no I/O.

A stream that breaks is taken up again where that cannot give wrong tracks. A job's is asked for
from the next frame on. A video that was uploaded is sent again from its beginning, because
identities come from all the frames before: what had been given is left out the second time, and
must be the same, byte for byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from pydantic import ValidationError

from service.client.body import Body, Meter
from service.client.calls import Call
from service.client.errors import (
    AnswerTimeout,
    ClientError,
    ConnectionLost,
    ServerBusy,
    ServerUnreachable,
    StreamChanged,
    StreamCut,
    StreamFailed,
)
from service.client.pauses import Pauses, worth_another
from service.schemas import LINE, End, Error, Frame, Header

Given = tuple[bytes, Header | Frame | End]
"""A line as it came, and what it says."""

SHUTTING_DOWN = "shutting_down"


class Following:
    """What has come of a track stream, and how it goes on.

    Parameters
    ----------
    call : Call
        Asks for the stream; of a job, from its first frame on.
    meter : Meter
        Counts frames.
    retries, resumes : int
        How often it is tried again before there is a first line, and in a row afterwards.

    Attributes
    ----------
    header, end : Header or None, End or None
        The first and the last line, once they have come.
    """

    def __init__(self, call: Call[bytes], meter: Meter, retries: int, resumes: int) -> None:
        self.header: Header | None = None
        self.end: End | None = None
        self._call = call
        self._meter = meter
        self._resumes = resumes
        self._pauses = Pauses(retries)
        self._opened = False
        self._next_frame = 0
        self._rest = b""
        self._given, self._seen = _Frames(), _Frames()

    @property
    def replays(self) -> bool:
        """Whether a second connection gives everything from the first frame on."""
        return self._call.body is not None

    def call(self) -> Call[bytes]:
        """What to ask for on the next connection."""
        self._opened = False
        self._rest = b""
        self._seen = _Frames()
        if self.replays or not self._given.count:
            return self._call
        parameters = {**self._call.parameters, "from_frame": self._next_frame}
        return Call("GET", self._call.path, bytes, parameters)

    def opened(self) -> None:
        """The server has begun to answer."""
        self._opened = True

    def take(self, data: bytes) -> Iterator[Given]:
        """The lines that are complete with these bytes, without those that were given before.

        Raises
        ------
        StreamFailed
            It ends with an error.
        StreamChanged
            Lines that were given before are others now.
        """
        *texts, self._rest = (self._rest + data).split(b"\n")
        for text in texts:
            try:
                line = LINE.validate_json(text)
            except ValidationError as error:
                reason = f"a line of tracks was expected, got {text[:60]!r}"
                raise StreamFailed(reason, "not_a_line", self._next_frame) from error
            if isinstance(line, Error):
                raise StreamFailed.of(line)
            if self._is_new(text, line):
                yield text, line

    def closed(self) -> None:
        """The connection has given all that it had.

        Raises
        ------
        StreamCut
            That was not all of the stream.
        """
        if self.end is None:
            raise self._cut("the stream was cut before its end")

    def pause(self, error: ClientError) -> float:
        """Seconds to wait before the next connection; raises the error where there is none."""
        if isinstance(error, AnswerTimeout):
            if self.replays:
                raise error
            # A job may wait for as long as it likes, but not the server that is asked for it.
            return 0.0 if self._opened else self._pauses.after(error)
        if self.header is None:
            if not worth_another(error, self._call):
                raise error
            return self._pauses.after(error)
        if isinstance(error, ConnectionLost | ServerUnreachable):
            error = self._cut(f"the stream was cut: {error}")
        if not (self._again and _is_cut(error)):
            raise error
        return self._pauses.after(error)

    @property
    def _again(self) -> bool:
        body: Body | None = self._call.body
        return body is None or body.again

    def _is_new(self, text: bytes, line: Header | Frame | End) -> bool:
        """Note a line; whether it was not given before."""
        if isinstance(line, Header):
            return self._begin(line)
        if self.header is None:
            raise StreamFailed(f"a header was expected first, got {text[:60]!r}", "no_header", 0)
        if isinstance(line, End):
            if self.replays and self._seen.count < self._given.count:
                raise self._changed()
            self.end = line
            return True
        if self.replays:
            self._seen.add(text)
            if self._seen.count <= self._given.count:
                if self._seen.count == self._given.count and not self._seen.same(self._given):
                    raise self._changed()
                return False
        self._given.add(text)
        self._next_frame = line.frame + 1
        self._pauses = Pauses(self._resumes)
        self._meter.frame()
        return True

    def _begin(self, header: Header) -> bool:
        if self.header is None:
            self.header = header
            self._meter.total = header.frames
            self._pauses = Pauses(self._resumes)
            return True
        if header.model_copy(update={"session": self.header.session}) != self.header:
            raise self._changed()
        return False

    def _changed(self) -> StreamChanged:
        return StreamChanged(
            "the stream broke, and the server now gives other tracks for the same video; "
            "what came before cannot be continued",
            "changed",
            self._next_frame,
        )

    def _cut(self, message: str) -> StreamCut:
        return StreamCut(message, "cut", self._next_frame)


class _Frames:
    """The lines of frames: how many there are, and a digest of all of them."""

    def __init__(self) -> None:
        self.count = 0
        self._digest = hashlib.blake2b()

    def add(self, text: bytes) -> None:
        self.count += 1
        self._digest.update(text)

    def same(self, other: _Frames) -> bool:
        return self._digest.digest() == other._digest.digest()


def _is_cut(error: ClientError) -> bool:
    """Whether nothing is wrong with the video, only with the way to it."""
    if isinstance(error, StreamFailed):
        return isinstance(error, StreamCut) or error.code == SHUTTING_DOWN
    return isinstance(error, ServerBusy)
