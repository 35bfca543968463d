"""What can go wrong between a client and its server.

The client adds its own branch to the tree of ``models.errors``::

    TracklineError
    └── ClientError
        ├── ServerUnreachable    no connection could be made: nothing was sent
        ├── ConnectionLost       it broke before the answer was complete
        │   └── AnswerTimeout    nothing came for as long as the client waits
        ├── RequestRefused       the server answered with a problem document
        │   ├── KeyRefused       401, 403
        │   ├── NotThere         404
        │   └── ServerBusy       429, 503: worth another try
        ├── StreamFailed         a track stream ended with an ``error`` line
        │   ├── StreamCut        it was cut, and could not be taken up again
        │   └── StreamChanged    it was taken up again, and the server gave other tracks
        ├── JobFailed            the server could not follow the video of a job
        └── JobTimeout           a job is not over yet
"""

from __future__ import annotations

from typing import Any

import orjson

from models.errors import TracklineError
from service.schemas import Error, Job


class ClientError(TracklineError):
    """Base of what the client raises."""


class ServerUnreachable(ClientError):
    """No connection could be made; the server has got nothing of the request."""


class ConnectionLost(ClientError):
    """The connection broke before the answer was complete."""


class AnswerTimeout(ConnectionLost):
    """Nothing came, and nothing could be sent, for as long as the client waits."""


class RequestRefused(ClientError):
    """The server answered with a problem document (RFC 9457).

    Attributes
    ----------
    status : int
        The HTTP status.
    code : str
        Names the kind of problem: ``queue-full``, ``unknown-model`` …
    title, detail : str
        What the status means, and what was expected, what came and what to do.
    instance : str
        The path of the request.
    request_id : str
        Under which the server's log has it.
    retry_after : float or None
        Seconds after which another try may do better.
    problem : dict
        The document with all that it has.
    """

    def __init__(self, status: int, problem: dict[str, Any], retry_after: float | None) -> None:
        self.status = status
        self.problem = problem
        self.code = str(problem.get("type", "")).rpartition(":")[2]
        self.title = str(problem.get("title", ""))
        self.detail = str(problem.get("detail", ""))
        self.instance = str(problem.get("instance", ""))
        self.request_id = str(problem.get("request_id", ""))
        self.retry_after = retry_after
        reason = self.detail or self.title or "no reason given"
        super().__init__(f"the server refused with {status}: {reason}")


class KeyRefused(RequestRefused):
    """A key is needed, or the one that was sent may not do this."""


class NotThere(RequestRefused):
    """There is no such job, model or route."""


class ServerBusy(RequestRefused):
    """The queue is full, no model is ready, or the server is shutting down."""


class StreamFailed(ClientError):
    """A track stream ended before its ``end``.

    Attributes
    ----------
    code : str
        Of the ``error`` line.
    frame : int
        The first frame that was not answered.
    """

    def __init__(self, message: str, code: str, frame: int) -> None:
        super().__init__(message)
        self.code = code
        self.frame = frame

    @classmethod
    def of(cls, line: Error) -> StreamFailed:
        """The error of a last line."""
        return cls(f"{line.message} ({line.code}, frame {line.frame})", line.code, line.frame)


class StreamCut(StreamFailed):
    """The stream was cut before its last line, and not taken up again."""


class StreamChanged(StreamFailed):
    """The server gave other tracks for the same video, so those that it gave cannot go on."""


class JobFailed(ClientError):
    """The server could not follow the video of a job.

    Attributes
    ----------
    job : Job
        As it ended; ``job.error`` says why.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        reason = f"{job.error.message} ({job.error.code})" if job.error else job.status.value
        super().__init__(f"job {job.id} ended without tracks: {reason}")


class JobTimeout(ClientError, TimeoutError):
    """A job was not over in time; it goes on."""


_BY_STATUS: dict[int, type[RequestRefused]] = {
    401: KeyRefused,
    403: KeyRefused,
    404: NotThere,
    429: ServerBusy,
    503: ServerBusy,
}


def refusal(status: int, body: bytes, retry_after: str | None) -> RequestRefused:
    """What an answer that is no success says.

    Parameters
    ----------
    status : int
        Of the answer.
    body : bytes
        A problem document, or what something between client and server wrote instead of it.
    retry_after : str or None
        The header of this name; dates in it are not read.
    """
    try:
        problem = orjson.loads(body)
    except orjson.JSONDecodeError:
        problem = None
    if not isinstance(problem, dict):
        problem = {"detail": body[:200].decode(errors="replace")}
    seconds = float(retry_after) if retry_after and retry_after.isdecimal() else None
    return _BY_STATUS.get(status, RequestRefused)(status, problem, seconds)
