"""From a request's body to the objects of its pictures: read, decode, queue, answer."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request

from models.errors import InvalidInput
from models.types import DetectOptions
from service.drawing.render import draw_detections
from service.errors import TooLarge, UnsupportedMedia
from service.http.parameters import DetectQuery
from service.http.stages import Stages
from service.inference.engine import ModelQueue
from service.inference.items import Inference
from service.pictures.images import ImageCodec
from service.schemas import objects
from service.settings import Settings

MULTIPART = "multipart/form-data"
RAW_TYPES = frozenset(
    {
        "",  # none given: the first bytes of the body decide, as they do in the end for all
        "application/octet-stream",
        "application/x-www-form-urlencoded",  # what curl says of --data-binary
        "image/bmp",
        "image/jpeg",
        "image/jpg",
        "image/pjpeg",
        "image/png",
        "image/webp",
        "image/x-ms-bmp",
    }
)
MOST_FIELDS = 20


@dataclass(frozen=True, slots=True)
class Found:
    """What was found in a picture; its pixels are let go.

    Attributes
    ----------
    width, height : int
        Of the picture, upright.
    inference : Inference
        The detections.
    decode_ms : float
        How long decoding took.
    drawn : bytes
        The picture with the detections drawn, as a JPEG, where that was asked for.
    """

    width: int
    height: int
    inference: Inference
    decode_ms: float
    drawn: bytes

    def answer(self, model: str, request_id: str) -> dict[str, Any]:
        """The contract's answer for this picture."""
        times = {f"{stage}_ms": round(ms, 3) for stage, ms in self.inference.stages_ms.items()}
        return {
            "model": model,
            "image": {"width": self.width, "height": self.height},
            "detections": objects(self.inference.detections),
            "timing": {"decode_ms": round(self.decode_ms, 3), **times},
            "batch_size": self.inference.batch_size,
            "request_id": request_id,
        }


async def read_pictures(request: Request, settings: Settings) -> list[bytes]:
    """The bytes of the pictures of a request, raw or as ``image`` parts of a form.

    Raises
    ------
    UnsupportedMedia
        The content type is not one that is taken.
    InvalidInput
        A form without a part called ``image``.
    TooLarge
        More pictures than one request may have.
    """
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise UnsupportedMedia(f"no Content-Encoding is taken, got {encoding!r}")
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type in RAW_TYPES:
        return [await request.body()]
    if content_type != MULTIPART:
        raise UnsupportedMedia(
            "Content-Type: image/jpeg, image/png, image/webp, image/bmp, application/octet-stream "
            f"or {MULTIPART} was expected, got {content_type!r}"
        )
    pictures, _ = await read_form(request, settings)
    return pictures


async def read_form(request: Request, settings: Settings) -> tuple[list[bytes], dict[str, str]]:
    """The bytes of the ``image`` parts of a form, and its text fields.

    Raises
    ------
    InvalidInput
        There is no part called ``image``.
    TooLarge
        More pictures than one request may have.
    """
    # Closed at once: the parts lie in temporary files.
    async with request.form(max_files=settings.max_images + 1, max_fields=MOST_FIELDS) as form:
        parts = [part for part in form.getlist("image") if isinstance(part, UploadFile)]
        if not parts:
            raise InvalidInput(
                "the form needs a file part called 'image' (curl -F image=@photo.jpg), it has "
                f"{sorted(set(form))}"
            )
        if len(parts) > settings.max_images:
            raise TooLarge(f"at most {settings.max_images} pictures are taken in one request")
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
        return [await part.read() for part in parts], fields


class Finder:
    """Finds the objects of a request's pictures.

    Parameters
    ----------
    request : Request
        Gives the state of the application.
    query : DetectQuery
        The parameters of the request.
    draw : bool
        Draw what was found.

    Raises
    ------
    UnknownModel, ModelNotReady, QueueFull, ShuttingDown, InvalidInput
        Before anything of the body is read.
    """

    def __init__(self, request: Request, query: DetectQuery, *, draw: bool = False) -> None:
        state = request.app.state
        state.shutdown.check()
        self._codec: ImageCodec = state.codec
        self._settings: Settings = state.settings
        self._imgsz = query.imgsz
        self._draw = draw
        self.batcher: ModelQueue = state.models.batcher(query.model)
        self.batcher.check_room()
        self._stages = Stages(state.metrics, self.batcher.name)
        self._options: DetectOptions = query.options(self.batcher.detector, state.settings)

    async def find(self, pictures: list[bytes]) -> list[Found]:
        """The objects of each picture, in order; the first failure ends all of them."""
        tasks = [asyncio.create_task(self._find(data)) for data in pictures]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _find(self, data: bytes) -> Found:
        deadline = time.monotonic() + self._settings.deadline_seconds
        async with self._codec.room.hold(data):
            submit = partial(
                self.batcher.submit, options=self._options, imgsz=self._imgsz, deadline=deadline
            )
            decoded, future = await self._codec.decode_and_submit(data, submit)
            self._stages.decoded(decoded.ms / 1000, decoded.at)
            inference = await asyncio.wrap_future(future)
            self._stages.inferred(inference)
            drawn = b""
            if self._draw:
                drawn = await self._codec.encode(
                    lambda: draw_detections(decoded.image, inference.detections)
                )
        height, width = decoded.image.shape[:2]
        return Found(width, height, inference, decoded.ms, drawn)
