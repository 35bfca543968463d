"""``/v1/models``: the catalogue, what of it is loaded, and loading and unloading."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request

from models import catalog
from service.http.auth import require_admin
from service.http.limits import while_connected
from service.http.openapi import answer
from service.http.refusals import refusals
from service.http.responses import Json
from service.inference.engine import ModelQueue
from service.inference.flight import State
from service.inference.registry import Models, entry, known
from service.schemas import ModelEntry, ModelList

router = APIRouter(prefix="/v1/models", tags=["models"])

ModelName = Annotated[str, Path(description="A detector of the catalogue.", examples=["yolo26n"])]


@router.get(
    "",
    summary="List the catalogue",
    response_model=ModelList,
    responses={**answer("ModelList"), **refusals(401)},
)
async def list_models(request: Request) -> Json:
    """List the detectors of the catalogue, and which of them are loaded."""
    models: Models = request.app.state.models
    loaded = models.loaded()
    return Json(
        {
            "default": models.default if models.ready else None,
            "models": [describe(name, loaded.get(name)) for name in known()],
            "embedders": catalog.names(task="embed"),
            "segmenters": list(request.app.state.settings.segmenters),
        }
    )


@router.get(
    "/{name}",
    summary="Describe a detector",
    response_model=ModelEntry,
    responses={**answer("Model"), **refusals(401, 404)},
)
async def get_model(request: Request, name: ModelName) -> Json:
    """Describe one detector."""
    models: Models = request.app.state.models
    return Json(describe(name, models.loaded().get(name)))


@router.post(
    "/{name}/load",
    summary="Load a detector",
    response_model=ModelEntry,
    dependencies=[Depends(require_admin)],
    responses={**answer("Model"), **refusals(401, 403, 404, 409, 500, 503)},
)
async def load_model(request: Request, name: ModelName) -> Json:
    """Load a detector and answer once it is ready; weights that are not here are fetched."""
    state = request.app.state
    state.shutdown.check()
    batcher: ModelQueue = await asyncio.to_thread(state.models.load, name)
    # Shielded: a caller that leaves does not take the model from the others who wait for it.
    await while_connected(request, asyncio.shield(asyncio.wrap_future(batcher.loaded)))
    return Json(describe(name, batcher))


@router.post(
    "/{name}/unload",
    summary="Unload a detector",
    response_model=ModelEntry,
    dependencies=[Depends(require_admin)],
    responses={**answer("Model"), **refusals(401, 403, 404, 409)},
)
async def unload_model(request: Request, name: ModelName) -> Json:
    """Unload a detector; what waits for it is refused."""
    await asyncio.to_thread(request.app.state.models.unload, name)
    return Json(describe(name, None))


def describe(name: str, batcher: ModelQueue | None) -> dict[str, Any]:
    """What is known of a detector, from the catalogue and, where it is loaded, from itself."""
    known_as = entry(name)
    described: dict[str, Any] = {
        "name": name,
        "task": known_as.task if known_as else "detect",
        "licence": known_as.licence if known_as else "AGPL-3.0-or-later",
        "bytes": known_as.size if known_as else 0,
        "sha256": known_as.sha256 if known_as else None,
        "loaded": batcher is not None and batcher.state is State.READY,
        "state": "unloaded" if batcher is None else batcher.state.value,
        "classes": dict(enumerate(known_as.classes)) if known_as else {},
    }
    if batcher is not None and batcher.reason:
        described["reason"] = batcher.reason
    if batcher is not None and batcher.state is State.READY:
        described |= _running(batcher)
    return described | {"classes": {str(key): value for key, value in described["classes"].items()}}


def _running(batcher: ModelQueue) -> dict[str, Any]:
    """How a loaded detector runs."""
    detector = batcher.detector
    return {
        "classes": dict(detector.names),
        "runtime": detector.runtime,
        "device": detector.device,
        "precision": detector.precision,
        "frame_precision": detector.frame_precision,
        "imgsz": detector.imgsz,
        "slots": detector.slots,
        "max_batch": batcher.max_batch,
    }
