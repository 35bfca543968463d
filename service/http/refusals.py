"""The refusals of each route, as the API's description tells them."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from service.errors import headers_of, problem

PROBLEM_JSON = "application/problem+json"

_KINDS: dict[int, tuple[str, str, str]] = {
    400: (
        "The body cannot be read.",
        "unreadable-media",
        "the body is not an image that can be read",
    ),
    401: (
        "The server has keys, and none of them was sent.",
        "key-missing",
        "a key that this server knows was expected in 'Authorization: Bearer KEY' or "
        "'X-API-Key: KEY', got none",
    ),
    403: (
        "The admin key is needed, or the page that asks is of another site.",
        "key-forbidden",
        "this needs the admin key",
    ),
    404: (
        "No model has this name.",
        "unknown-model",
        "no model nope is in the catalogue; GET /v1/models lists them",
    ),
    408: (
        "The body stopped coming.",
        "upload-stalled",
        "no byte of the body came for 30 s",
    ),
    409: ("The state of the server forbids it now.", "conflict", "yolo26n is not loaded"),
    413: (
        "Bytes, pixels or seconds over a limit; `GET /v1/info` shows them.",
        "too-large",
        "a body of at most 20971520 bytes is taken here; GET /v1/info shows the limits",
    ),
    415: (
        "Not a type that is taken.",
        "unsupported-media",
        "Content-Type: image/jpeg, image/png, image/webp, image/bmp, application/octet-stream or "
        "multipart/form-data was expected, got 'text/plain'",
    ),
    422: (
        "A parameter is wrong.",
        "invalid-parameter",
        "conf: Input should be less than or equal to 1",
    ),
    429: (
        "Too much work waits already; try again after `Retry-After` seconds.",
        "queue-full",
        "64 images wait for yolo26n already; try again later",
    ),
    500: (
        "The model failed on this input.",
        "model-failed",
        "The model failed on this input; the server's log has the details.",
    ),
    503: (
        "No model is ready, the work waited for too long, or the server is shutting down.",
        "model-not-ready",
        "the model yolo26n is not ready: it is still loading",
    ),
    507: (
        "The server's disk has no room.",
        "storage-failed",
        "the disk of the server has no room for the video",
    ),
}
_HEADERS = {
    "Retry-After": ("Seconds until it is worth another try.", {"type": "integer"}),
    "WWW-Authenticate": ("How a key is sent.", {"type": "string"}),
}


def refusals(
    *statuses: int, told: Mapping[int, str] | None = None
) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that refuses with these statuses.

    Parameters
    ----------
    *statuses : int
        Told in the usual words.
    told : mapping, optional
        What others, or some of these, mean at this route.
    """
    texts = {status: _KINDS[status][0] for status in statuses} | dict(told or {})
    return {status: _refusal(status, text) for status, text in sorted(texts.items())}


def _refusal(status: int, description: str) -> dict[str, Any]:
    _, code, detail = _KINDS[status]
    example = problem(status, code, detail, instance="/v1/…", request_id="6f1c…")
    response: dict[str, Any] = {
        "description": description,
        "content": {
            PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}
        },
    }
    headers = {
        name: {"description": _HEADERS[name][0], "schema": _HEADERS[name][1]}
        for name in headers_of(HTTPStatus(status))
    }
    return response | ({"headers": headers} if headers else {})


PICTURE = (400, 401, 403, 404, 408, 413, 415, 422, 429, 500, 503)
"""Refusals of a route that takes pictures."""

VIDEO = (*PICTURE, 507)
"""Refusals of a route that takes a video."""
