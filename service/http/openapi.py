"""The API's description (OpenAPI): what all routes have in common, put together once."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from service.http import examples
from service.schemas import LINE, ProblemDocument
from service.tracks import lines

REFERENCE = "#/components/schemas/{model}"
DESCRIPTION = """Finds objects in images and follows them through video.

**Errors** are problem documents (RFC 9457), and every answer carries `X-Request-ID`.

**Keys.** Where the server has keys, send one as `Authorization: Bearer KEY` or `X-API-Key: KEY`.

**Track streams** are one JSON object a line: `header`, then a `frame` for each frame in order, and
last `end` or `error`. A stream without a last line was cut. With `Accept: text/event-stream` they
come as server-sent events, whose ids are the numbers of the frames.

**`WS /v1/live`** follows frames that come one by one over a WebSocket, which OpenAPI cannot
describe: the first message is a JSON object with the parameters of `POST /v1/track` (but for
`stride`, `start` and `end`), `mode`, `fps` and `key`; then comes one picture a binary message. The
answers are the lines of a track stream."""
TAGS = [
    {"name": "pictures", "description": "What is in a picture."},
    {"name": "tracks", "description": "Who is where in a video, while it is sent."},
    {"name": "jobs", "description": "Videos that are followed in the background."},
    {"name": "models", "description": "The catalogue, and what of it is loaded."},
    {"name": "server", "description": "What runs here, and how it does."},
    {"name": "health", "description": "The Open Inference Protocol (KServe V2)."},
]
KEY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
"""A body or an answer of bytes."""
OPEN: dict[str, Any] = {"security": []}
"""Of a route that never asks for a key."""


def name_of(route: APIRoute) -> str:
    """The ``operationId`` of a route: the name of its function."""
    return route.name


def answer(example: str, media_type: str = "application/json") -> dict[int | str, dict[str, Any]]:
    """The ``responses`` entry that gives the answer of a route an example, by its name."""
    text = {} if media_type == "application/json" else {"schema": {"type": "string"}}
    return {200: {"content": {media_type: text | shown(example)}}}


def shown(example: str) -> dict[str, Any]:
    """What refers to an example; FastAPI would drop the nulls of one that stood here."""
    return {"examples": {"answer": {"$ref": f"#/components/examples/{example}"}}}


def stream(description: str) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` entry of a route that answers with a track stream."""
    item = {"itemSchema": {"$ref": REFERENCE.format(model="Line")}}
    written = {
        media_type: item | {"example": b"".join(map(encode, examples.STREAM)).decode()}
        for media_type, encode in ((lines.NDJSON, lines.ndjson), (lines.EVENTS, lines.event))
    }
    return {200: {"description": description, "content": written}}


def describe(app: FastAPI) -> dict[str, Any]:
    """The description of an application, made when it is first asked for."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            description=DESCRIPTION,
            tags=TAGS,
            routes=app.routes,
        )
        components = schema.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        for kind in ("HTTPValidationError", "ValidationError"):
            schemas.pop(kind, None)
        schemas["Problem"] = ProblemDocument.model_json_schema()
        line = LINE.json_schema(ref_template=REFERENCE)
        schemas |= line.pop("$defs")
        schemas["Line"] = line
        components["examples"] = {
            name: {"value": value} for name, value in examples.EXAMPLES.items()
        }
        components["securitySchemes"] = KEY_SCHEMES
        _drop_foreign_refusals(schema)
        schema["security"] = [{}, *({name: []} for name in KEY_SCHEMES)]
        app.openapi_schema = schema
    return app.openapi_schema


def _drop_foreign_refusals(schema: dict[str, Any]) -> None:
    """Drop FastAPI's own 422, which it adds wherever there is a parameter."""
    for operations in schema["paths"].values():
        for operation in operations.values():
            if "application/json" in operation["responses"].get("422", {}).get("content", {}):
                del operation["responses"]["422"]
