"""The way of ``--server``: a server does the work, and what is written is the same."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from service.client import Client
from service.client.parameters import TrackParameters
from service.schemas import QueuedJob
from service.tracks.formats import Message, Watch
from service.tracks.local import Request

KEY_VARIABLE = "TRACKLINE_API_KEY"


def client_of(server: str) -> Client:
    """A client of a server; the key is never an argument, which others could see."""
    return Client(server, api_key=os.environ.get(KEY_VARIABLE))


def follow(client: Client, request: Request, watch: Watch) -> Iterator[Message]:
    """Send the file; gives the messages of its track stream.

    Refined tracks are those of a job, which is removed afterwards.

    Parameters
    ----------
    client : Client
        Of the server.
    request : Request
        What is to be followed.
    watch : callable
        Passes on the messages as they come, before they are refined, and may count them.
    """
    parameters: TrackParameters = {
        "model": request.model,
        "conf": request.conf,
        "classes": request.classes,
        "tracker": request.tracker,
        "embedder": request.embedder,
        "delay": request.delay,
        "lines": request.lines,
        "zones": request.zones,
    }
    if request.refine:
        return _refined(client, client.submit(request.video, **parameters), watch)
    return watch(map(orjson.loads, client.track(request.video, **parameters).lines()))


def _refined(client: Client, job: QueuedJob, watch: Watch) -> Iterator[Message]:
    try:
        for _ in watch(map(orjson.loads, client.tracks(job).lines())):
            pass
        client.wait(job)
        with TemporaryDirectory() as folder:
            path = client.download(job, "json", Path(folder) / "tracks.json", refined=True)
            document: dict[str, Any] = orjson.loads(path.read_bytes())
    finally:
        client.delete(job)
    yield document["header"]
    yield from document["frames"]
    yield document["end"]
