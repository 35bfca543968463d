"""``/v1/info`` and ``/metrics``: what runs here, and how it does."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from service.http.metrics import CONTENT_TYPE, Metrics
from service.http.openapi import answer
from service.http.refusals import refusals
from service.http.responses import Json
from service.inference.registry import Models
from service.routes.models import describe
from service.schemas import Info
from service.settings import Settings

router = APIRouter(tags=["server"])
VERSION = version("trackline")


@router.get(
    "/v1/info",
    summary="Version, limits and loaded models",
    response_model=Info,
    responses={**answer("Info"), **refusals(401)},
)
async def info(request: Request) -> Json:
    """Tell the version, the limits in force, and the runtime and device of each loaded model."""
    settings: Settings = request.app.state.settings
    models: Models = request.app.state.models
    return Json(
        {
            "name": "trackline",
            "version": VERSION,
            "keys": bool(settings.api_keys),
            "default_model": models.default if models.ready else None,
            "embedder": settings.embedder,
            "segmenters": request.app.state.segmenters.describe(),
            "models": [describe(name, batcher) for name, batcher in models.loaded().items()],
            "limits": settings.limits(),
        }
    )


@router.get(
    "/metrics",
    summary="Metrics, as Prometheus reads them",
    response_class=PlainTextResponse,
    responses={**answer("Metrics", "text/plain"), **refusals(401)},
)
async def metrics(request: Request) -> Response:
    """Give all metrics in Prometheus' text format."""
    measured: Metrics = request.app.state.metrics
    return Response(measured.exposition(), headers={"Content-Type": CONTENT_TYPE})
