"""``/v1/videos``: videos that are followed in the background, and what came of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from service.errors import Conflict, NotFound
from service.http.auth import require_key
from service.http.openapi import BINARY, answer, shown, stream
from service.http.refusals import VIDEO, refusals
from service.http.responses import Json
from service.jobs.folder import JobFolder
from service.jobs.intake import take_in
from service.jobs.jobs import Jobs
from service.jobs.results import Kind, Results
from service.jobs.store import JobRecord, JobStore
from service.jobs.stream import JobLines
from service.routes.track import VIDEO_BODY
from service.schemas import Job, JobList, QueuedJob, Status, TrackDocument
from service.tracks import lines
from service.tracks.query import TrackQuery, embedder_name
from service.tracks.upload import form_boundary

router = APIRouter(prefix="/v1/videos", tags=["jobs"], dependencies=[Depends(require_key)])

MOST_LISTED = 1000
_NO_JOBS = {503: "The server keeps no jobs, or is shutting down."}
_NO_JOB = _NO_JOBS | {404: "The caller has no such job."}
_NOT_DONE = _NO_JOB | {409: "The job is not done."}


@dataclass(frozen=True, slots=True)
class Wanted:
    """The job that a request names.

    Attributes
    ----------
    record : JobRecord
        As it was when the request came.
    jobs : Jobs
        All jobs.
    """

    record: JobRecord
    jobs: Jobs

    @property
    def finished(self) -> tuple[JobStore, JobRecord, JobFolder]:
        """Where the job's results are.

        Raises
        ------
        Conflict
            It is not done.
        """
        if self.record.status is not Status.DONE:
            raise Conflict(f"the job must be done for this, it is {self.record.status}")
        return self.jobs.store, self.record, self.jobs.folder(self.record.id)


def wanted(
    request: Request,
    job_id: Annotated[str, Path(description="As `POST /v1/videos` gave it.")],
) -> Wanted:
    """The job of a path; that of another caller is as unknown as one that never was.

    Raises
    ------
    NotFound
        There is none.
    """
    jobs: Jobs = request.app.state.jobs
    record = jobs.store.find(job_id, request.state.caller)
    if record is None:
        raise NotFound("no job has this id; GET /v1/videos lists them")
    return Wanted(record, jobs)


Named = Annotated[Wanted, Depends(wanted)]
Refined = Annotated[
    bool,
    Query(description="Tracks that are linked and smoothed with all of the video in view."),
]


@router.post(
    "",
    status_code=202,
    summary="Follow the objects of a video in the background",
    response_model=QueuedJob,
    responses={
        202: {
            "description": "The job is queued.",
            "content": {"application/json": shown("QueuedJob")},
            "headers": {"Location": {"description": "The job.", "schema": {"type": "string"}}},
        },
        **refusals(*VIDEO),
    },
    openapi_extra={"requestBody": VIDEO_BODY},
)
async def create(request: Request, query: Annotated[TrackQuery, Query()]) -> Response:
    """Store a video and queue it; the job survives a restart of the server."""
    state = request.app.state
    jobs: Jobs = state.jobs
    state.shutdown.check()
    with jobs.place():
        batcher = state.models.batcher(query.model)
        query.session_options(batcher.detector, state.settings)
        query.make_tracker()
        embedder = await run_in_threadpool(query.load_embedder, state.models)
        # By name: the job runs with the same ones after a restart with other defaults.
        named = query.model_copy(
            update={"model": batcher.name, "embedder": embedder_name(embedder)}
        )
        boundary = form_boundary(request.headers.get("content-type", ""))
        record = await take_in(jobs, request.receive, boundary, named, request.state.caller)
    links = _links(record.id)
    body = {"id": record.id, "status": record.status, "links": links}
    return Json(body, 202, {"Location": links["self"]})


@router.get(
    "",
    summary="List the caller's jobs",
    response_model=JobList,
    responses={**answer("JobList"), **refusals(401, 422, told=_NO_JOBS)},
)
def list_jobs(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED, description="Most jobs.")] = 100,
) -> Response:
    """List the caller's jobs, the last one sent first."""
    jobs: Jobs = request.app.state.jobs
    records = jobs.store.newest(request.state.caller, limit)
    return Json({"videos": [_described(record) for record in records]})


@router.get(
    "/{job_id}",
    summary="How far a job is",
    response_model=Job,
    responses={**answer("Job"), **refusals(401, told=_NO_JOB)},
)
def get_job(job: Named) -> Response:
    """How far a job is, or how it ended."""
    return Json(_described(job.record))


@router.delete(
    "/{job_id}",
    summary="Cancel and remove a job",
    status_code=204,
    response_class=Response,
    responses=refusals(401, 403, told=_NO_JOB),
)
def delete_job(job: Named) -> Response:
    """Cancel a job and remove everything of it."""
    job.jobs.remove(job.record.id)
    return Response(status_code=204)


@router.get(
    "/{job_id}/tracks",
    summary="The track stream of a job",
    response_class=Response,
    responses={
        **stream("The lines of `POST /v1/track`: those that are there, then those that come."),
        **refusals(401, 422, told=_NO_JOB),
    },
)
async def stream_tracks(
    request: Request,
    job: Named,
    from_frame: Annotated[int, Query(ge=0, description="First frame that is wanted.")] = 0,
    last_event_id: Annotated[
        int | None, Header(ge=0, description="The last frame that a broken stream gave.")
    ] = None,
) -> Response:
    """Replay the job's track stream from a frame on, then follow it live to its last line."""
    first = from_frame if last_event_id is None else last_event_id + 1
    media_type, _ = lines.encoder_for(request.headers.get("accept", ""))
    stream = JobLines(job.jobs, job.record, first, media_type == lines.EVENTS)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(
        stream.follow(request.is_disconnected), media_type=media_type, headers=headers
    )


def _tracks_route(kind: Kind, media_type: str, example: str, description: str) -> None:
    """Add the route of one form of finished tracks."""

    async def tracks(request: Request, job: Named, refined: Refined = False) -> Response:
        results: Results = request.app.state.results
        path = await results.tracks(*job.finished, kind, refined)
        return FileResponse(path, media_type=media_type, filename=f"{job.record.id}.{kind}")

    shape = {"model": TrackDocument} if kind is Kind.JSON else {}
    router.add_api_route(
        f"/{{job_id}}/tracks.{kind}",
        tracks,
        summary=f"Finished tracks as {kind.upper()}",
        description=description,
        name=f"tracks_{kind}",
        response_class=FileResponse,
        responses={
            200: answer(example, media_type)[200] | shape,
            **refusals(401, 422, 507, told=_NOT_DONE | {413: "Too many objects to be refined."}),
        },
    )


_tracks_route(
    Kind.MOT, "text/plain", "Mot", "One row an object, as the MOTChallenge has it: frames from 1."
)
_tracks_route(Kind.CSV, "text/csv", "Csv", "One row an object, with the names of the columns.")
_tracks_route(
    Kind.JSON, "application/json", "Tracks", "`header`, `frames` and `end`, each as in the stream."
)


@router.get(
    "/{job_id}/annotated.mp4",
    summary="The video with its tracks drawn",
    response_class=FileResponse,
    responses={
        200: {"content": {"video/mp4": BINARY}},
        **refusals(401, 507, told=_NOT_DONE | {422: "The video is too small to be drawn."}),
    },
)
async def annotated(request: Request, job: Named) -> Response:
    """The video with boxes, IDs and trails; drawn when it is first asked for. Ranges are taken."""
    results: Results = request.app.state.results
    return FileResponse(await results.annotated(*job.finished), media_type="video/mp4")


def _described(record: JobRecord) -> dict[str, Any]:
    query = TrackQuery.model_validate_json(record.query)
    error = {"code": record.error_code, "message": record.error_message}
    return {
        "id": record.id,
        "status": record.status,
        "created": record.created,
        "finished": record.finished,
        "model": query.model,
        "tracker": query.tracker,
        "embedder": query.embedder,
        "frames_done": record.frames_done,
        "frames_total": record.frames_total,
        "fps": record.fps,
        "error": error if record.error_code else None,
        "bytes": record.bytes,
        "links": _links(record.id),
    }


def _links(job_id: str) -> dict[str, str]:
    own = f"{router.prefix}/{job_id}"
    return {
        "self": own,
        "tracks": f"{own}/tracks",
        "annotated": f"{own}/annotated.mp4",
        **{kind.value: f"{own}/tracks.{kind}" for kind in (Kind.MOT, Kind.CSV, Kind.JSON)},
    }
