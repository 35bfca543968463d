"""A job's video on its way from the request into the job's folder."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import time
from pathlib import Path

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from service.decoding.errors import StorageFailed
from service.jobs.folder import INCOMING, JobFolder
from service.jobs.jobs import Jobs
from service.jobs.store import JobRecord
from service.tracks.query import TrackQuery
from service.tracks.upload import ClientGone, Upload, VideoUpload

ID_BYTES = 16


async def take_in(
    jobs: Jobs, receive: Receive, boundary: bytes | None, query: TrackQuery, owner: str
) -> JobRecord:
    """Store the video of a request and queue a job for it; a part of a video leaves nothing.

    Parameters
    ----------
    jobs : Jobs
        The queue; a place in it must be held.
    receive : callable
        The request's ASGI ``receive``.
    boundary : bytes or None
        Of a multipart form; None for a raw body.
    query : TrackQuery
        How it is followed; model and embedder by name.
    owner : str
        Who sent it.

    Raises
    ------
    ServiceError
        It is no video that is taken, is over a limit, or finds no room on the disk.
    ClientDisconnect
        The client left.
    """
    job_id = secrets.token_hex(ID_BYTES)
    incoming = JobFolder(jobs.root / (INCOMING + job_id))
    record = None
    try:
        source = await VideoUpload.begin(Upload(receive), boundary)
        file = await asyncio.to_thread(_begin, incoming)
        try:
            await source.save(file)
            await asyncio.to_thread(os.fsync, file)
            size = os.fstat(file).st_size
        finally:
            os.close(file)
        record = JobRecord(job_id, owner, query.model_dump_json(), time.time(), size)
        await asyncio.to_thread(jobs.add, record, incoming)
    except ClientGone as gone:
        raise ClientDisconnect from gone
    finally:
        await asyncio.to_thread(_discard, incoming.path)
    return record


def _begin(incoming: JobFolder) -> int:
    try:
        incoming.path.mkdir(mode=0o700)
        return os.open(incoming.video, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageFailed("the disk of the server has no room for the video") from error


def _discard(path: Path) -> None:
    """Remove the folder, unless the job has taken it."""
    if path.exists():
        shutil.rmtree(path)
