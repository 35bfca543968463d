"""``POST /v1/detect``: the objects of one picture or of several."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from models.errors import InvalidInput
from service.http.limits import while_connected
from service.http.openapi import BINARY, shown
from service.http.parameters import ImageQuery
from service.http.refusals import PICTURE, refusals
from service.http.responses import Json
from service.pictures.detection import Finder, read_pictures
from service.schemas import Detected, DetectedSeveral

router = APIRouter(tags=["pictures"])


def image_body(image: dict[str, Any]) -> dict[str, Any]:
    """How a body with pictures is described; ``image`` is the schema of the part of a form."""
    return {
        "requestBody": {
            "required": True,
            "description": "A JPEG, PNG, WebP or BMP as the body, or as `image` in a form.",
            "content": {
                **{f"image/{kind}": BINARY for kind in ("jpeg", "png", "webp", "bmp")},
                "application/octet-stream": BINARY,
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["image"],
                        "properties": {"image": image},
                    }
                },
            },
        }
    }


_SEVERAL = {"type": "array", "items": BINARY["schema"], "minItems": 1}


@router.post(
    "/v1/detect",
    summary="Find the objects of pictures",
    response_model=Detected | DetectedSeveral,
    responses={
        200: {
            "description": "The objects; or the picture with them drawn, for `format=image`.",
            "content": {"application/json": shown("Detected"), "image/jpeg": BINARY},
        },
        **refusals(*PICTURE),
    },
    openapi_extra=image_body(_SEVERAL),
)
async def detect(request: Request, query: Annotated[ImageQuery, Query()]) -> Response:
    """Find the objects of a picture, sent as the body or as `image` in a form.

    Several `image` parts are answered with `results`, one a picture, in their order.
    """
    state = request.app.state
    with state.admission.enter():
        finder = Finder(request, query, draw=query.format == "image")
        pictures = await read_pictures(request, state.settings)
        if query.format == "image" and len(pictures) > 1:
            raise InvalidInput("format: image answers one picture, several were sent")
        found = await while_connected(request, finder.find(pictures))
    if query.format == "image":
        return Response(found[0].drawn, media_type="image/jpeg")
    current = request.state.request_id
    answers = [one.answer(finder.batcher.name, current) for one in found]
    if len(answers) == 1:
        return Json(answers[0])
    return Json({"results": answers, "request_id": current})
