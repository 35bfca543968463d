"""Calling a server from Python: `Client` waits for answers, `AsyncClient` awaits them."""

from __future__ import annotations

from service.client.asynchronous import AsyncClient
from service.client.body import Progress
from service.client.errors import (
    AnswerTimeout,
    ClientError,
    ConnectionLost,
    JobFailed,
    JobTimeout,
    KeyRefused,
    NotThere,
    RequestRefused,
    ServerBusy,
    ServerUnreachable,
    StreamChanged,
    StreamCut,
    StreamFailed,
)
from service.client.live import Live
from service.client.live_async import AsyncLive
from service.client.streams import AsyncTrackStream, TrackStream
from service.client.sync import Client

__all__ = [
    "AnswerTimeout",
    "AsyncClient",
    "AsyncLive",
    "AsyncTrackStream",
    "Client",
    "ClientError",
    "ConnectionLost",
    "JobFailed",
    "JobTimeout",
    "KeyRefused",
    "Live",
    "NotThere",
    "Progress",
    "RequestRefused",
    "ServerBusy",
    "ServerUnreachable",
    "StreamChanged",
    "StreamCut",
    "StreamFailed",
    "TrackStream",
]
