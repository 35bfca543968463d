"""``POST /v1/track``: a video in, its tracks out, frame by frame and while it still comes in."""

from __future__ import annotations

import secrets
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from service.auth import require_key
from service.batching import Batcher
from service.decoding import Job, decoding_threads
from service.frames import bytes_for
from service.lines import EVENTS, NDJSON, Names
from service.multipart import boundary_of
from service.parameters import DetectQuery
from service.schemas import REFUSALS
from service.session import Session, SessionOptions
from service.settings import Settings
from service.stream import Engine, Plan, TrackStream
from tracker.presets import PRESETS, make_tracker
from tracker.types import Tracker

router = APIRouter(tags=["tracks"], dependencies=[Depends(require_key)])

NO_EMBEDDER = "none"
WITHOUT_APPEARANCE = frozenset({"sort", "bytetrack"})
"""Trackers that never ask for embeddings."""
MOST_DELAY = 300
_VIDEO = {"schema": {"type": "string", "format": "binary"}}


class TrackQuery(DetectQuery):
    """How a video's objects are found and followed."""

    conf: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Least confidence of a detection; the tracker has thresholds of its own.",
    )
    tracker: str = Field(
        default="deepsort", max_length=64, description=f"One of {', '.join(PRESETS)}."
    )
    embedder: str | None = Field(
        default=None,
        max_length=64,
        description="Tells objects apart by their looks; `none` goes by motion alone.",
        examples=["osnet-x0.25"],
    )
    delay: int = Field(
        default=0,
        ge=0,
        le=MOST_DELAY,
        description="Answer each frame that many frames later, boxes smoothed and gaps filled.",
    )
    stride: int = Field(default=1, ge=1, description="Follow every n-th frame only.")
    start: int = Field(default=0, ge=0, description="First frame, from 0.")
    end: int | None = Field(default=None, ge=1, description="The frame after the last one.")
    reenter: bool = Field(
        default=False,
        description="Whether an object that left the picture may come back as the same one; "
        "`deepsort` alone can.",
    )

    def make_tracker(self) -> Tracker:
        """A tracker of one's own for a session.

        Raises
        ------
        InvalidInput
            No such tracker, or it cannot do what is asked of it.
        """
        settings = {"reenter": True} if self.reenter else {}
        return make_tracker(self.tracker, delay=self.delay, **settings)

    def job(self, settings: Settings, demuxer: str) -> Job:
        """The decoder's task, within the server's limits."""
        return Job(
            demuxer=demuxer,
            ring_bytes=bytes_for(settings.max_video_pixels),
            start=self.start,
            end=self.end,
            stride=self.stride,
            max_pixels=settings.max_video_pixels,
            max_side=settings.max_video_side,
            max_frames=settings.max_video_frames,
            max_seconds=settings.max_video_seconds,
            frame_cpu_s=settings.decoder_frame_seconds,
            memory=settings.decoder_memory_bytes,
            threads=decoding_threads(),
        )


@router.post(
    "/v1/track",
    summary="Follow the objects of a video",
    response_class=Response,
    responses={
        200: {
            "description": "One JSON object a line: a header, each frame in order, and an `end` or "
            "`error`. As server-sent events where `Accept` asks for them.",
            "content": {NDJSON: {}, EVENTS: {}},
        },
        **REFUSALS,
        408: {**REFUSALS[400], "description": "The body stopped coming."},
        507: {**REFUSALS[400], "description": "No room for a video that must be stored first."},
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "A video: MP4, MOV, MKV, WebM, AVI, MPEG-TS, MJPEG or GIF.",
            "content": {
                "application/octet-stream": _VIDEO,
                "video/*": _VIDEO,
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["video"],
                        "properties": {"video": {"type": "string", "format": "binary"}},
                    }
                },
            },
        }
    },
)
async def track(request: Request, query: Annotated[TrackQuery, Query()]) -> TrackStream:
    """Answer with one line for every frame, the first of them before the upload is complete.

    Decoding, detection and answering overlap. Containers whose index is at their end are stored
    first.
    """
    state = request.app.state
    settings: Settings = state.settings
    state.shutdown.check()
    batcher: Batcher = state.models.batcher(query.model)
    options = SessionOptions(
        detect=query.options(batcher.detector, settings),
        imgsz=query.imgsz,
        in_flight=settings.frames_in_flight,
        deadline_seconds=settings.deadline_seconds,
    )
    tracker = query.make_tracker()
    wanted = query.embedder or (NO_EMBEDDER if query.tracker in WITHOUT_APPEARANCE else None)
    embedder = None
    if wanted != NO_EMBEDDER:
        embedder = await run_in_threadpool(state.models.embedder, wanted)
    embedder_name = NO_EMBEDDER if embedder is None else embedder.name
    name = secrets.token_hex(8)
    plan = Plan(
        names=Names(name, batcher.name, query.tracker, embedder_name),
        job=partial(query.job, settings),
        session=lambda video: Session(name, video, batcher, tracker, embedder, options),
        boundary=boundary_of(request.headers.get("content-type", "")),
    )
    engine = Engine(settings, state.decoders, state.sessions)
    return TrackStream(engine, plan, request.headers.get("accept", ""))
