"""``WS /v1/live``: frames in, one by one, and their tracks out."""

from __future__ import annotations

import logging
import secrets
import time
from contextlib import ExitStack

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocket, WebSocketDisconnect

from models.errors import TracklineError
from service.errors import kind_of
from service.http.auth import caller_of, sent_key
from service.http.origin import refuse_foreign_origin
from service.http.responses import refusal_for
from service.http.stages import Stages
from service.live.following import Live
from service.live.frames import Means
from service.live.query import LiveConfig
from service.live.socket import LiveSocket
from service.settings import Settings
from service.tracks.lines import Names
from service.tracks.messages import Messages
from service.tracks.query import embedder_name

log = logging.getLogger(__name__)

router = APIRouter(tags=["tracks"])


@router.websocket("/v1/live")
async def live(socket: WebSocket) -> None:
    """Follow the frames of a connection.

    The first message is a JSON object with the parameters of ``POST /v1/track`` (but for those of
    a file), ``mode`` and ``fps``. Then comes one picture a binary message, and one ``frame``
    message goes out for each that is followed; ``{"type":"end"}`` asks for ``end``.
    """
    settings: Settings = socket.app.state.settings
    with ExitStack() as place:
        try:
            refuse_foreign_origin(socket, settings)
            if sent_key(socket) or not settings.api_keys:
                _let_in(socket, sent_key(socket), place)
        except TracklineError as error:
            await socket.send_denial_response(refusal_for(socket.scope, error))
            return
        await socket.accept()
        await _converse(socket, LiveSocket(socket, settings), place)


def _let_in(socket: WebSocket, key: str, place: ExitStack) -> None:
    """Take a place among the sessions; without a known key there is none to be had."""
    caller_of(key, socket.app.state.settings)
    place.enter_context(socket.app.state.sessions.place())


async def _converse(socket: WebSocket, wire: LiveSocket, place: ExitStack) -> None:
    """Read the first message and follow the frames; whatever fails is said before the close."""
    session: Live | None = None
    try:
        try:
            config = await wire.config()
            if socket.app.state.settings.api_keys and not sent_key(socket):
                _let_in(socket, config.key.get_secret_value(), place)
            session = await _session(socket, config)
            await session.run(wire.take, wire.say)
            await wire.close()
        except WebSocketDisconnect:
            raise
        except Exception as error:
            if kind_of(error).status >= 500:
                log.exception("a live connection failed")
            await wire.fail(error, 0 if session is None else session.next_frame)
    except WebSocketDisconnect as leaving:
        log.info("a live connection ended: the caller left with %s", leaving.code)


async def _session(socket: WebSocket, config: LiveConfig) -> Live:
    state = socket.app.state
    batcher = state.models.batcher(config.model)
    options = config.session_options(batcher.detector, state.settings)
    embedder = await run_in_threadpool(config.load_embedder, state.models)
    name = secrets.token_hex(8)
    return Live(
        name,
        Means(
            batcher,
            config.make_tracker(),
            embedder,
            state.codec,
            Stages(state.metrics, batcher.name),
        ),
        Messages(
            Names(name, batcher.name, config.tracker, embedder_name(embedder)),
            config.counting,
            time.monotonic(),
        ),
        config,
        options,
    )
