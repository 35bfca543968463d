"""``POST /v1/segment``: the class of every pixel of a picture."""

from __future__ import annotations

import asyncio
import base64
from concurrent.futures import Future
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from models.errors import InvalidInput
from service.errors import DeadlineExceeded
from service.http.limits import while_connected
from service.http.openapi import BINARY, shown
from service.http.refusals import PICTURE, refusals
from service.http.responses import Json
from service.http.stages import Stages
from service.pictures.detection import read_pictures
from service.pictures.segmentation import Segmented
from service.routes.detect import image_body
from service.schemas import SegmentedPicture
from service.settings import Settings

router = APIRouter(tags=["pictures"])


class SegmentQuery(BaseModel):
    """Which segmenter looks, and how its answer is written."""

    model: str | None = Field(
        default=None,
        max_length=64,
        description="A semantic segmenter that the server offers; its default one where it is "
        "left out.",
        examples=["deeplabv3-mobilenet"],
    )
    format: Literal["json", "image"] = Field(
        default="json", description="`image` answers the mask itself, as a PNG."
    )


@router.post(
    "/v1/segment",
    summary="Tell what each pixel of a picture belongs to",
    response_model=SegmentedPicture,
    responses={
        200: {
            "description": "The classes and the mask; or the mask itself, for `format=image`.",
            "content": {"application/json": shown("Segmented"), "image/png": BINARY},
        },
        **refusals(*PICTURE),
    },
    openapi_extra=image_body(BINARY["schema"]),
)
async def segment(request: Request, query: Annotated[SegmentQuery, Query()]) -> Response:
    """Tell what each pixel of a picture belongs to, sent as the body or as `image` in a form.

    The mask is a grey PNG of the picture's size, in which a pixel's value is its class id.
    """
    state = request.app.state
    with state.admission.enter():
        state.shutdown.check()
        name = state.segmenters.choose(query.model)
        pictures = await read_pictures(request, state.settings)
        if len(pictures) > 1:
            raise InvalidInput(f"one picture is segmented at a time, {len(pictures)} were sent")
        async with state.codec.room.hold(pictures[0]):
            decoded = await state.codec.decode(pictures[0])
            Stages(state.metrics, name).decoded(decoded.ms / 1000, decoded.at)
            work = _in_time(state.segmenters.submit(decoded.image, name), state.settings)
            found = await while_connected(request, work)
    if query.format == "image":
        return Response(found.png, media_type="image/png")
    height, width = decoded.image.shape[:2]
    return Json(
        {
            "model": name,
            "image": {"width": width, "height": height},
            "classes": [
                {"name": found.names[class_id], "class": class_id, "pixels": pixels}
                for class_id, pixels in found.pixels.items()
            ],
            "mask": base64.b64encode(found.png).decode("ascii"),
            "timing": {
                "decode_ms": round(decoded.ms, 3),
                "queue_ms": found.queue_ms,
                "inference_ms": found.inference_ms,
                "postprocess_ms": found.postprocess_ms,
            },
            "request_id": request.state.request_id,
        }
    )


async def _in_time(future: Future[Segmented], settings: Settings) -> Segmented:
    """What a segmenter answers, which may be loaded first, or hang."""
    seconds = settings.deadline_seconds + settings.forward_seconds
    try:
        async with asyncio.timeout(seconds):
            return await asyncio.wrap_future(future)
    except TimeoutError:
        raise DeadlineExceeded(
            f"the segmenter has not answered for {seconds:g} s; if it is being fetched, try later"
        ) from None
