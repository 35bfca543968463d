"""How refusals are described."""

from __future__ import annotations

from typing import Any

from service.schemas.shape import Shape


class ProblemDocument(Shape):
    """Why a request was refused, RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str


def _refusal(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": description,
        "content": {"application/problem+json": {"schema": schema}},
    }


ANY_REFUSAL: dict[int | str, dict[str, Any]] = {
    "default": _refusal("Any refusal is a problem document.")
}
"""How the refusals of every route are described."""

REFUSALS: dict[int | str, dict[str, Any]] = {
    400: _refusal("The body cannot be read."),
    401: _refusal("A key is needed."),
    404: _refusal("No such model."),
    413: _refusal("Over a limit."),
    415: _refusal("Not a type that is taken."),
    422: _refusal("A parameter is wrong."),
    429: _refusal("The queue is full."),
    503: _refusal("No model is ready, or the server is shutting down."),
}
"""How the refusals of a route that takes a body are described."""
