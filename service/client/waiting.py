"""Waiting for a job to be over."""

from __future__ import annotations

import time

from service.client.errors import JobFailed, JobTimeout
from service.schemas import ENDED, Job, Status

FIRST_SECONDS = 0.1
LONGEST_SECONDS = 2.0
GROWTH = 1.5


class Waiting:
    """Looks at a job again and again, ever less often.

    Parameters
    ----------
    seconds : float or None
        How long at most; None for as long as it takes.
    """

    def __init__(self, seconds: float | None) -> None:
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._pause = FIRST_SECONDS

    def pause(self, job: Job) -> float:
        """Seconds until the next look; 0 where the job is done.

        Raises
        ------
        JobFailed
            It ended otherwise.
        JobTimeout
            The time is over.
        """
        if job.status is Status.DONE:
            return 0.0
        if job.status in ENDED:
            raise JobFailed(job)
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise JobTimeout(f"job {job.id} is {job.status} with {job.frames_done} frames done")
        pause, self._pause = self._pause, min(self._pause * GROWTH, LONGEST_SECONDS)
        return pause
