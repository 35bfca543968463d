"""``POST /v1/vision/detection``: the form that DeepStack's clients in home automation speak."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request

from models.errors import InvalidInput
from service.http.auth import caller_of, require_key, sent_key
from service.http.limits import while_connected
from service.http.openapi import BINARY, answer
from service.http.parameters import DetectQuery
from service.http.refusals import refusals
from service.http.responses import Json
from service.pictures.detection import MULTIPART, Finder, read_form
from service.schemas import DECIMALS, DeepStackAnswer

router = APIRouter(tags=["pictures"])

DEFAULT_CONFIDENCE = 0.45  # DeepStack's own
_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {
                        "image": BINARY["schema"],
                        "min_confidence": {
                            "type": "number",
                            "minimum": 0,
                            "maximum": 1,
                            "default": DEFAULT_CONFIDENCE,
                            "description": "Least confidence of an object.",
                        },
                        "api_key": {
                            "type": "string",
                            "description": "A key, where the server has keys and none is in the "
                            "header.",
                        },
                    },
                }
            }
        },
    }
}


@router.post(
    "/v1/vision/detection",
    summary="Find the objects of a picture, as DeepStack does",
    response_model=DeepStackAnswer,
    responses={
        **answer("DeepStack"),
        **refusals(400, 401, 403, 408, 413, 415, 422, 429, 500, 503),
    },
    openapi_extra=_FORM,
)
async def detection(request: Request) -> Json:
    """Find the objects of a picture, asked and answered as DeepStack does."""
    began = time.perf_counter()
    state = request.app.state
    with state.admission.enter():
        # DeepStack's clients have their key in the form; without one there is nothing to read.
        content_type = request.headers.get("content-type", "")
        if sent_key(request) or not content_type.startswith(MULTIPART):
            await require_key(request)
        pictures, fields = await read_form(request, state.settings)
        caller_of(sent_key(request) or fields.get("api_key", ""), state.settings)
        conf = _confidence(fields.get("min_confidence"))
        finder = Finder(request, DetectQuery(conf=conf))
        (found,) = await while_connected(request, finder.find(pictures[:1]))
    detections = found.inference.detections
    predictions = [
        {
            "label": detections.name(row),
            "confidence": round(float(detections.scores[row]), DECIMALS),
            **dict(zip(("x_min", "y_min", "x_max", "y_max"), map(round, box), strict=True)),
        }
        for row, box in enumerate(detections.boxes.tolist())
    ]
    duration = round((time.perf_counter() - began) * 1000)
    return Json({"success": True, "predictions": predictions, "duration": duration})


def _confidence(value: str | None) -> float:
    try:
        conf = DEFAULT_CONFIDENCE if value is None else float(value)
    except ValueError:
        conf = -1.0
    if not 0 <= conf <= 1:
        raise InvalidInput(f"min_confidence: a number from 0 to 1 was expected, got {value!r}")
    return conf
