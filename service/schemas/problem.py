"""The one form of all refusals."""

from __future__ import annotations

from pydantic import Field

from service.schemas.shape import Shape


class ProblemDocument(Shape):
    """Why a request was refused, RFC 9457."""

    type: str = Field(description="`urn:trackline:problem:` and a code that names the kind.")
    title: str = Field(description="What the status means.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What was expected, what came, and what to do.")
    instance: str = Field(description="The path of the request.")
    request_id: str = Field(description="As in `X-Request-ID`, and in the server's log.")
