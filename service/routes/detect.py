"""``POST /v1/detect``: the objects of one picture or of several."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from models.errors import InvalidInput
from service.drawing.render import draw_detections
from service.http.limits import while_connected
from service.http.parameters import ImageQuery
from service.http.responses import Json
from service.pictures.detection import Finder, Found, read_pictures
from service.schemas import REFUSALS, Detected, DetectedSeveral

router = APIRouter(tags=["pictures"])

_BINARY = {"schema": {"type": "string", "format": "binary"}}
IMAGE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            **{f"image/{kind}": _BINARY for kind in ("jpeg", "png", "webp", "bmp")},
            "application/octet-stream": _BINARY,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {"image": {"type": "array", "items": _BINARY["schema"]}},
                }
            },
        },
    }
}


@router.post(
    "/v1/detect",
    response_model=Detected | DetectedSeveral,
    responses={**REFUSALS, 200: {"content": {"image/jpeg": _BINARY}}},
    openapi_extra=IMAGE_BODY,
)
async def detect(request: Request, query: Annotated[ImageQuery, Query()]) -> Response:
    """Find the objects of a picture, sent as the body or as `image` in a form.

    Several `image` parts are answered with `results`, one a picture, in their order.
    """
    state = request.app.state
    with state.admission.enter():
        finder = Finder(request, query)
        pictures = await read_pictures(request, state.settings)
        if query.format == "image" and len(pictures) > 1:
            raise InvalidInput("format: image answers one picture, several were sent")
        found = await while_connected(request, finder.find(pictures))
        if query.format == "image":
            return await _drawn(request, found[0])
    current = request.state.request_id
    answers = [one.answer(finder.batcher.name, current) for one in found]
    if len(answers) == 1:
        return Json(answers[0])
    return Json({"results": answers, "request_id": current})


async def _drawn(request: Request, found: Found) -> Response:
    jpeg = await request.app.state.codec.encode(
        lambda: draw_detections(found.image, found.inference.detections)
    )
    return Response(jpeg, media_type="image/jpeg")
