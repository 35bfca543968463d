"""``POST /v1/track``: a video in, its tracks out, frame by frame and while it still comes in."""

from __future__ import annotations

import secrets
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from service.http.auth import require_key
from service.http.openapi import BINARY, stream
from service.http.refusals import VIDEO, refusals
from service.http.stages import Stages
from service.inference.engine import ModelQueue
from service.settings import Settings
from service.tracks.lines import Names
from service.tracks.query import TrackQuery, embedder_name
from service.tracks.session import Session
from service.tracks.stream import Engine, Plan, TrackStream
from service.tracks.upload import form_boundary

router = APIRouter(tags=["tracks"], dependencies=[Depends(require_key)])

VIDEO_BODY = {
    "required": True,
    "description": "A video: MP4, MOV, MKV, WebM, AVI, MPEG-TS, MJPEG or GIF.",
    "content": {
        "application/octet-stream": BINARY,
        "video/*": BINARY,
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["video"],
                "properties": {"video": BINARY["schema"]},
            }
        },
    },
}


@router.post(
    "/v1/track",
    summary="Follow the objects of a video",
    response_class=Response,
    responses={
        **stream(
            "One JSON object a line: a header, each frame in order, and an `end` or `error`. As "
            "server-sent events where `Accept` asks for them. With `lines` or `zones`, frames and "
            "`end` have `counts`."
        ),
        **refusals(*VIDEO),
    },
    openapi_extra={"requestBody": VIDEO_BODY},
)
async def track(request: Request, query: Annotated[TrackQuery, Query()]) -> TrackStream:
    """Answer with one line for every frame, the first of them before the upload is complete.

    Decoding, detection and answering overlap. Containers whose index is at their end are stored
    first.
    """
    state = request.app.state
    settings: Settings = state.settings
    state.shutdown.check()
    batcher: ModelQueue = state.models.batcher(query.model)
    options = query.session_options(batcher.detector, settings)
    tracker = query.make_tracker()
    embedder = await run_in_threadpool(query.load_embedder, state.models)
    name = secrets.token_hex(8)
    stages = Stages(state.metrics, batcher.name)
    plan = Plan(
        names=Names(name, batcher.name, query.tracker, embedder_name(embedder)),
        counting=query.counting,
        job=partial(query.job, settings),
        session=lambda video: Session(name, video, batcher, tracker, embedder, options, stages),
        boundary=form_boundary(request.headers.get("content-type", "")),
    )
    engine = Engine(settings, state.decoders, state.sessions)
    return TrackStream(engine, plan, request.headers.get("accept", ""))
