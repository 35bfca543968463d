"""The application: routes, middleware and error handlers put together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import cv2
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Match, Mount

from models.errors import TracklineError
from service.decoding.decoders import Decoders
from service.errors import kind_of, public_detail
from service.http.auth import require_key
from service.http.context import RequestContext
from service.http.lifecycle import Shutdown
from service.http.limits import Admission, BodyLimit
from service.http.metrics import Metrics
from service.http.openapi import describe, name_of
from service.http.origin import OwnPages
from service.http.responses import refusal, refusal_for
from service.inference.engine import Engine, LocalEngine
from service.inference.registry import Models
from service.jobs.jobs import Jobs
from service.jobs.results import Results
from service.pictures.images import ImageCodec
from service.pictures.segmentation import Segmenters
from service.routes import (
    deepstack,
    detect,
    docs,
    health,
    info,
    live,
    models,
    pages,
    segment,
    track,
    videos,
)
from service.settings import Settings
from service.tracks.sessions import Sessions

if TYPE_CHECKING:
    from models.detector import Detector

log = logging.getLogger(__name__)

HTTP_CODES = {404: "not-found", 405: "method-not-allowed", 400: "bad-request"}
STREAM_GRACE = 0.8  # of the time to shut down, in which running streams may end by themselves
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def create_app(
    settings: Settings | None = None,
    load: Callable[[str], Detector] | None = None,
    make_engine: Callable[[Settings, Metrics], Engine] | None = None,
) -> FastAPI:
    """Put an application together; models are loaded once it is started.

    Parameters
    ----------
    settings : Settings or None
        None reads them from the environment.
    load : callable or None
        Makes the detector of a name; None takes `models.load_detector`.
    make_engine : callable or None
        Makes what runs the networks; None runs them in this process.
    """
    settings = settings or Settings()
    app = FastAPI(
        title="Trackline",
        version=info.VERSION,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=name_of,
        # Traces go where OTEL_EXPORTER_OTLP_ENDPOINT says, if it does.
        telemetry={"auto_configure": True},
    )
    state = app.state
    state.settings = settings
    state.metrics = Metrics()
    if make_engine is None:
        state.engine = LocalEngine(settings, state.metrics, load)
    else:
        state.engine = make_engine(settings, state.metrics)
    state.models = Models(settings, state.engine)
    state.segmenters = Segmenters(settings, state.metrics, state.engine.segmenter)
    state.codec = ImageCodec(settings)
    state.admission = Admission(settings.max_requests)
    state.decoders = Decoders()
    state.sessions = Sessions(settings.max_sessions)
    state.jobs = Jobs(settings, state.models, state.decoders, state.metrics)
    state.results = Results(state.decoders, settings.max_refined_objects)
    state.metrics.sessions.set_function(lambda: state.sessions.count)
    state.metrics.jobs.labels("queued").set_function(lambda: state.jobs.queued)
    state.metrics.jobs.labels("running").set_function(lambda: state.jobs.running)
    state.shutdown = Shutdown()
    grace = STREAM_GRACE * settings.shutdown_seconds
    state.shutdown.on_begin(lambda: state.sessions.shut_down(grace))
    state.shutdown.on_begin(state.jobs.stop)
    state.shutdown.on_begin(state.results.stop)
    _add_routes(app)
    _add_middleware(app, settings)
    app.add_exception_handler(TracklineError, _on_our_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Start all parts; whatever fails then or later, each of them is closed, the last one first."""
    state = app.state
    # Pictures come from several threads at once. OpenCV's own would wait for work at full speed,
    # which costs as much again as the work.
    cv2.setNumThreads(1)
    async with AsyncExitStack() as stack:
        stack.callback(state.codec.close)
        for part in (state.decoders, state.engine, state.models, state.segmenters, state.jobs):
            stack.push_async_callback(asyncio.to_thread, part.close)
        stack.push_async_callback(asyncio.to_thread, state.results.close)
        stack.callback(state.shutdown.begin)
        try:
            state.models.start()
            await asyncio.to_thread(state.decoders.start)
            await asyncio.to_thread(state.jobs.start)
        except Exception as error:
            state.shutdown.failure = error
            raise
        yield


def _add_routes(app: FastAPI) -> None:
    locked = (detect.router, segment.router, models.router, info.router, health.metadata)
    for router in locked:
        app.include_router(router, dependencies=[Depends(require_key)])
    app.include_router(deepstack.router)
    app.include_router(track.router)
    app.include_router(videos.router)
    app.include_router(live.router)
    app.include_router(health.health)
    app.include_router(pages.router)
    app.include_router(docs.router)
    app.mount(docs.ASSETS, docs.assets())
    app.mount("/web", pages.PageFiles(), name="web")


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    # The last one added is the outermost.
    app.add_middleware(BodyLimit, settings=settings)
    app.add_middleware(OwnPages, settings=settings)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key", "X-Request-ID"],
            expose_headers=["X-Request-ID", "Retry-After", "Location"],
        )
    app.add_middleware(RequestContext, metrics=app.state.metrics)


async def _on_our_error(request: Request, error: Exception) -> Response:
    kind = kind_of(error)
    # What the caller is not told, and why the disk refused.
    if kind.told or kind.status in (500, 507):
        log.error("a request was refused", exc_info=error)
    return refusal_for(request.scope, error, _foreign_members(request.url.path, error))


def _foreign_members(path: str, error: Exception) -> dict[str, Any]:
    """What the clients of other protocols look for in a refusal."""
    if path.startswith("/v1/vision/"):  # DeepStack
        return {"success": False, "error": public_detail(error)}
    if path.startswith("/v2"):  # Open Inference Protocol
        return {"error": public_detail(error)}
    return {}


async def _on_http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    path, headers = request.scope["path"], dict(error.headers or {})
    detail = str(error.detail)
    if error.status_code == 404:
        detail = f"there is nothing at {path}; /docs lists the routes"
    elif error.status_code == 405:
        headers["Allow"] = ", ".join(_methods_of(request))
        detail = f"{path} takes {headers['Allow']}, not {request.method}"
    code = HTTP_CODES.get(error.status_code, "refused")
    return refusal(request.scope, error.status_code, code, detail, headers=headers)


async def _on_invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    found = [
        {
            "name": ".".join(map(str, one["loc"][1:])),
            "message": one["msg"].removeprefix("Value error, "),
        }
        for one in error.errors()
    ]
    detail = "; ".join(f"{one['name']}: {one['message']}" for one in found)
    return refusal(request.scope, 422, "invalid-parameter", detail, extensions={"errors": found})


def _methods_of(request: Request) -> list[str]:
    """Every method that some route takes at the path of a request."""
    routes = [route for route in request.app.routes if not isinstance(route, Mount)]
    taken = [
        method
        for method in METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes
        )
    ]
    return taken or ["GET", "HEAD"]  # of the files of the page
