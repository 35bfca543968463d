"""What is answered when something goes wrong: RFC 9457 problems, and the one table that says which.

The service adds its own branch to the tree of ``models.errors``::

    TracklineError
    └── ServiceError
        ├── UnreadableMedia      400  not an image or video that can be read
        ├── KeyMissing           401  no key, or one that is not known
        ├── KeyForbidden         403  a good key that may not do this
        ├── OriginForbidden      403  a page of another site
        ├── NotFound             404
        │   └── UnknownModel     404  not in the catalogue
        ├── UploadStalled        408  the body stopped coming
        ├── Conflict             409  the state of the server forbids it now
        ├── TooLarge             413  bytes, pixels or seconds over the limit
        ├── UnsupportedMedia     415  a type that is not taken
        ├── QueueFull            429  too much work is waiting; try again
        ├── ModelNotReady        503  not loaded, loading, failed or hung
        ├── DeadlineExceeded     503  waited for longer than allowed
        └── ShuttingDown         503  the server ends
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar

from models.errors import (
    InvalidInput,
    ModelError,
    RuntimeUnavailable,
    TracklineError,
    UnknownName,
    WeightsCorrupt,
    WeightsError,
    WeightsUnavailable,
)

PROBLEM_TYPE = "urn:trackline:problem:"
RETRY_SECONDS = 1


class ServiceError(TracklineError):
    """Base of the refusals of the service; each knows its HTTP status and its code."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "service-error"


class UnreadableMedia(ServiceError):
    """The body is not an image or a video that can be read."""

    status, code = 400, "unreadable-media"


class KeyMissing(ServiceError):
    """No key was sent, or one that is not known."""

    status, code = 401, "key-missing"


class KeyForbidden(ServiceError):
    """The key is known and may not do this."""

    status, code = 403, "key-forbidden"


class OriginForbidden(ServiceError):
    """A page of a site that may not call this server."""

    status, code = 403, "origin-forbidden"


class NotFound(ServiceError):
    """There is nothing of that name."""

    status, code = 404, "not-found"


class UnknownModel(NotFound):
    """A model that the catalogue does not have."""

    code = "unknown-model"


class UploadStalled(ServiceError):
    """The body of a request stopped coming before its end."""

    status, code = 408, "upload-stalled"


class Conflict(ServiceError):
    """The state of the server forbids what was asked for."""

    status, code = 409, "conflict"


class TooLarge(ServiceError):
    """A body, a picture or a video is over a limit."""

    status, code = 413, "too-large"


class UnsupportedMedia(ServiceError):
    """The body has a type that is not taken."""

    status, code = 415, "unsupported-media"


class QueueFull(ServiceError):
    """Too much work is waiting already."""

    status, code = 429, "queue-full"


class ModelNotReady(ServiceError):
    """The model is not loaded, is still loading, has failed or hangs."""

    status, code = 503, "model-not-ready"


class DeadlineExceeded(ServiceError):
    """The work waited for longer than its deadline allowed."""

    status, code = 503, "deadline-exceeded"


class ShuttingDown(ServiceError):
    """The server ends and takes no new work."""

    status, code = 503, "shutting-down"


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of error is answered.

    Attributes
    ----------
    status : int
        HTTP status.
    code : str
        Last part of the problem's ``type``, and ``code`` in a stream's error line.
    told : str
        What the caller is told instead of a message that may speak of paths and devices; empty
        where the message itself is for the caller.
    """

    status: int
    code: str
    told: str = ""


INTERNAL = Kind(
    500,
    "internal-error",
    "The server met an error that is not the request's fault; its log has the details.",
)
_MODEL_FAILED = "The model failed on this input; the server's log has the details."
_NO_WEIGHTS = (
    "The weights are not to be had here; the server's log says where they were looked for."
)
_BAD_WEIGHTS = (
    "The weights on the server are not the ones of the catalogue; its log names the file."
)

# Errors of the lower layers; the nearest class of an error's ancestry decides.
LOWER: dict[type[TracklineError], Kind] = {
    TracklineError: INTERNAL,
    InvalidInput: Kind(422, "invalid-parameter"),
    UnknownName: Kind(422, "unknown-name"),
    WeightsError: Kind(503, "weights-unavailable", _NO_WEIGHTS),
    WeightsUnavailable: Kind(503, "weights-unavailable", _NO_WEIGHTS),
    WeightsCorrupt: Kind(503, "weights-corrupt", _BAD_WEIGHTS),
    ModelError: Kind(500, "model-failed", _MODEL_FAILED),
    RuntimeUnavailable: Kind(503, "runtime-unavailable"),
}


def kind_of(error: BaseException) -> Kind:
    """The status and code that an error is answered with."""
    if isinstance(error, ServiceError):
        return Kind(error.status, error.code)
    for ancestor in type(error).__mro__:
        if ancestor in LOWER:
            return LOWER[ancestor]
    return INTERNAL


def public_detail(error: BaseException) -> str:
    """What the caller is told of an error, without anything of the server's inside."""
    return kind_of(error).told or str(error)


def problem(
    status: int, code: str, detail: str, *, instance: str = "", request_id: str = ""
) -> dict[str, object]:
    """The members of a problem document, RFC 9457 section 3.1, and the id of the request."""
    return {
        "type": PROBLEM_TYPE + code,
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": instance,
        "request_id": request_id,
    }


def headers_of(status: int) -> dict[str, str]:
    """Header fields that a refusal of this status carries."""
    if status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": "Bearer"}
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        return {"Retry-After": str(RETRY_SECONDS)}
    return {}
