"""The health and metadata routes of the Open Inference Protocol (KServe V2)."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service.http.openapi import OPEN, answer
from service.http.refusals import refusals
from service.http.responses import Json, refusal
from service.inference.flight import State
from service.inference.registry import Models, entry
from service.routes.info import VERSION
from service.routes.models import ModelName
from service.schemas import Alive, ModelMetadata, ModelReady, Ready, ServerMetadata

health = APIRouter(prefix="/v2", tags=["health"])
metadata = APIRouter(prefix="/v2", tags=["health"])


@health.get(
    "/health/live", summary="Is the server there?", response_model=Alive, openapi_extra=OPEN
)
async def live() -> Json:
    """Say that the server answers."""
    return Json({"live": True})


@health.get(
    "/health/ready",
    summary="Does the server take work?",
    response_model=Ready,
    responses=refusals(503),
    openapi_extra=OPEN,
)
async def ready(request: Request) -> Response:
    """Say whether at least one model has passed a forward and work is taken."""
    state = request.app.state
    if state.shutdown.begun.is_set():
        return _unready(request, "shutting-down", "the server is shutting down")
    if not state.models.ready:
        return _unready(request, "model-not-ready", "no model is ready")
    return Json({"ready": True})


@metadata.get(
    "",
    summary="Name and version of the server",
    response_model=ServerMetadata,
    responses=refusals(401),
)
async def server_metadata() -> Json:
    """Name the server."""
    return Json({"name": "trackline", "version": VERSION, "extensions": []})


@metadata.get(
    "/models/{name}",
    summary="Input and outputs of a model",
    response_model=ModelMetadata,
    responses={**answer("ModelMetadata"), **refusals(401, 404)},
)
async def model_metadata(name: ModelName) -> Json:
    """Describe a model's input and outputs."""
    entry(name)
    return Json(
        {
            "name": name,
            "versions": ["1"],
            "platform": "trackline",
            "inputs": [{"name": "image", "datatype": "UINT8", "shape": [-1, -1, 3]}],
            "outputs": [
                {"name": "boxes", "datatype": "FP32", "shape": [-1, 4]},
                {"name": "scores", "datatype": "FP32", "shape": [-1]},
                {"name": "classes", "datatype": "INT32", "shape": [-1]},
            ],
        }
    )


@metadata.get(
    "/models/{name}/ready",
    summary="Does a model take work?",
    response_model=ModelReady,
    responses=refusals(401, 404, 503),
)
async def model_ready(request: Request, name: ModelName) -> Response:
    """Say whether a model takes work."""
    entry(name)
    models: Models = request.app.state.models
    batcher = models.loaded().get(name)
    if batcher is None:
        return _unready(request, "model-not-ready", f"the model {name} is not loaded")
    if batcher.state is not State.READY:
        return _unready(request, "model-not-ready", f"the model {name}: {batcher.reason}")
    return Json({"name": name, "ready": True})


def _unready(request: Request, code: str, detail: str) -> Response:
    return refusal(request.scope, 503, code, detail, extensions={"ready": False, "error": detail})
