"""Why a job, or all of them, cannot be had; the store and the log have errors of their own."""

from __future__ import annotations

from service.errors import Conflict, ServiceError


class JobsUnavailable(ServiceError):
    """No jobs are kept here, because another server uses their folder."""

    status, code = 503, "jobs-unavailable"

    def __init__(self) -> None:
        super().__init__(
            "this server keeps no jobs: another one uses their folder (give each its own "
            "TRACKLINE_JOBS_DIR), or TRACKLINE_KEEP_JOBS says so"
        )


class JobCancelled(Conflict):
    """The job was cancelled while its tracks were being read."""

    code = "cancelled"
