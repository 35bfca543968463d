"""Answers: JSON by orjson, and problem documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Scope

from service.errors import headers_of, kind_of, problem, public_detail
from service.http.logs import request_id


class Json(Response):
    """A JSON answer; NumPy scalars and arrays are taken as they are."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The body."""
        return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)


class Problem(Json):
    """A problem document, RFC 9457."""

    media_type = "application/problem+json"


def refusal(
    scope: Scope,
    status: int,
    code: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    extensions: Mapping[str, Any] | None = None,
) -> Problem:
    """The answer to a request that is refused.

    Parameters
    ----------
    scope : Scope
        Of the request.
    status, code, detail
        Of the problem.
    headers : mapping, optional
        Header fields beside those that the status asks for.
    extensions : mapping, optional
        Further members of the problem.
    """
    document = problem(
        status, code, detail, instance=scope.get("path", ""), request_id=request_id.get()
    )
    return Problem(
        document | dict(extensions or {}), status, headers_of(status) | dict(headers or {})
    )


def refusal_for(
    scope: Scope, error: BaseException, extensions: Mapping[str, Any] | None = None
) -> Problem:
    """The answer to a request that raised an error."""
    kind = kind_of(error)
    return refusal(scope, kind.status, kind.code, public_detail(error), extensions=extensions)
