"""The answer of a track request: lines go out while the video still comes in.

Starlette's own streaming response listens on ``receive`` for the client's leaving and would eat the
upload. This one owns both directions: one task reads the upload and feeds the decoder, another
sends lines, and a thread follows the objects in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.counting.query import Counting
from service.decoding.decoders import Decoders
from service.decoding.task import Job
from service.decoding.video import Video
from service.settings import Settings
from service.tracks import lines
from service.tracks.exchange import Exchange
from service.tracks.follower import Follower
from service.tracks.messages import Messages
from service.tracks.outbox import Outbox
from service.tracks.session import Session
from service.tracks.sessions import Sessions
from service.tracks.upload import ClientGone, Upload, VideoUpload


@dataclass(frozen=True, slots=True)
class Engine:
    """What the server has for all videos.

    Attributes
    ----------
    settings : Settings
        Limits.
    decoders : Decoders
        Where decoder processes come from.
    sessions : Sessions
        Places for sessions.
    """

    settings: Settings
    decoders: Decoders
    sessions: Sessions


@dataclass(frozen=True, slots=True)
class Plan:
    """What one request asks for.

    Attributes
    ----------
    names : lines.Names
        For the header.
    counting : Counting
        What is counted.
    job : callable
        The decoder's task for a demuxer.
    session : callable
        Makes the session for a video.
    boundary : bytes or None
        Of a multipart form; None for a raw body.
    """

    names: lines.Names
    counting: Counting
    job: Callable[[str], Job]
    session: Callable[[Video], Session]
    boundary: bytes | None


class TrackStream(Response):
    """A track stream, as NDJSON or as server-sent events.

    Parameters
    ----------
    engine : Engine
        The server's means.
    plan : Plan
        The request's wishes.
    accept : str
        The request's ``Accept`` header.
    """

    def __init__(self, engine: Engine, plan: Plan, accept: str) -> None:
        self.media_type, self._encode = lines.encoder_for(accept)
        self.status_code = 200
        self.background = None
        # Proxies are told to pass the lines on one by one.
        self.init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._engine = engine
        self._plan = plan

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Follow the video; what is wrong before the first line is raised, and answered as 4xx."""
        began = time.monotonic()
        upload = Upload(receive)
        with self._engine.sessions.place(), contextlib.suppress(ClientGone):
            source = await VideoUpload.begin(upload, self._plan.boundary)
            await self._follow(upload, source, send, began)

    async def _follow(self, upload: Upload, source: VideoUpload, send: Send, began: float) -> None:
        """Follow the video with a decoder, a thread and two tasks; all of them end with it."""
        engine, plan = self._engine, self._plan
        loop = asyncio.get_running_loop()
        async with contextlib.AsyncExitStack() as stack:
            file = None
            if not source.outline.streamable:
                file = await source.to_disk(engine.settings.spool_dir)
                stack.callback(os.close, file)
            job = plan.job(source.outline.container.value)
            video = await asyncio.to_thread(Video, engine.decoders, job, file)
            stack.callback(video.close)
            if video.feed is not None:
                stack.enter_context(video.feed)
            session = plan.session(video)
            stack.callback(session.close)
            stack.enter_context(engine.sessions.running(session))
            outbox = Outbox(loop)
            done = asyncio.Event()
            messages = Messages(plan.names, plan.counting, began)
            follower = Follower(session, outbox, source.outline, messages, self._encode)
            follower.start(partial(loop.call_soon_threadsafe, done.set))
            stack.push_async_callback(done.wait)
            exchange = Exchange(upload, source, session, outbox, engine.settings, video.feed)
            await exchange.run(send, self._start, self._last(session))

    @property
    def _start(self) -> dict[str, Any]:
        return {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }

    def _last(self, session: Session) -> Callable[[Exception], bytes]:
        return lambda failure: self._encode(lines.error(failure, session.next_frame))
