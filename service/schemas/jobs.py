"""Jobs: videos that are followed in the background."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from service.schemas.shape import Shape


class Status(StrEnum):
    """Where a job is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = (Status.DONE, Status.FAILED, Status.CANCELLED)


class JobLinks(Shape):
    """Where a job and its results are."""

    self: str
    tracks: str
    annotated: str
    mot: str
    csv: str
    json_: str = Field(alias="json")


class JobError(Shape):
    """Why a job failed."""

    code: str
    message: str


class QueuedJob(Shape):
    """A job that was just taken."""

    id: str
    status: Status
    links: JobLinks


class Job(QueuedJob):
    """How far a job is, or how it ended."""

    created: float = Field(description="Unix time in seconds.")
    finished: float | None
    model: str
    tracker: str
    embedder: str
    frames_done: int
    frames_total: int | None = Field(description="Where the file says it.")
    fps: float | None = Field(description="Frames a second that are followed.")
    error: JobError | None
    bytes: int = Field(description="Of the video, and of all results once it has ended.")


class JobList(Shape):
    """The caller's jobs, the last one sent first."""

    videos: list[Job]
