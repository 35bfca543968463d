"""The client of one server for asyncio: the same methods as `service.client.sync.Client`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx

from service.client import calls
from service.client.body import AsyncSource, Body, Meter, OnProgress
from service.client.calls import Call, Picture, Result
from service.client.errors import ClientError
from service.client.following import Following
from service.client.live_async import AsyncLive
from service.client.options import Options, refuse, speaking
from service.client.parameters import DetectParameters, LiveParameters, TrackParameters
from service.client.pauses import Pauses, worth_another
from service.client.saving import Draft
from service.client.streams import AsyncTrackStream
from service.client.transports import AsyncTransport
from service.client.waiting import Waiting
from service.schemas import Detected, Info, Job, ModelEntry, QueuedJob, SegmentedPicture

T = TypeVar("T")


class AsyncClient:
    """A client of one server, for one event loop.

    What its methods take and give is what those of `service.client.Client` do.

    Parameters
    ----------
    base_url : str
        Where the server is, for example ``http://127.0.0.1:8000``.
    api_key : str or None
        The key, where the server asks for one.
    timeout : float
        Seconds to wait for the next byte of an answer.
    retries : int
        How often a request is tried again that found no server, or a full queue (429).
    resumes : int
        How often in a row a track stream that broke is taken up again without a new frame.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8000",
        *,
        api_key: str | None = None,
        timeout: float = 120.0,
        retries: int = 3,
        resumes: int = 8,
    ) -> None:
        self._options = Options(base_url, api_key, timeout, retries, resumes)
        self._http = httpx.AsyncClient(
            **self._options.for_httpx, transport=AsyncTransport(self._options)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def detect(self, picture: Picture, **parameters: Unpack[DetectParameters]) -> Detected:
        """Find the objects of a picture."""
        return await self._run(await asyncio.to_thread(calls.detect, picture, parameters))

    async def detect_several(
        self, pictures: Sequence[Picture], **parameters: Unpack[DetectParameters]
    ) -> list[Detected]:
        """Find the objects of several pictures in one request."""
        return await self._run(await asyncio.to_thread(calls.detect_several, pictures, parameters))

    async def annotate(self, picture: Picture, **parameters: Unpack[DetectParameters]) -> bytes:
        """Find the objects of one picture and return it as a JPEG with them drawn."""
        return await self._run(await asyncio.to_thread(calls.annotate, picture, parameters))

    async def segment(self, picture: Picture, *, model: str | None = None) -> SegmentedPicture:
        """Tell what each pixel of a picture belongs to."""
        return await self._run(await asyncio.to_thread(calls.segment, picture, model))

    def track(
        self,
        video: AsyncSource,
        *,
        progress: OnProgress | None = None,
        **parameters: Unpack[TrackParameters],
    ) -> AsyncTrackStream:
        """Follow the objects of a video; its frames come while it is still being sent.

        The server is called once the stream is iterated over, or entered with ``async with``.
        """
        meter = Meter(progress)
        return self._follow(calls.track(Body(video, meter), parameters), meter)

    def live(self, **parameters: Unpack[LiveParameters]) -> AsyncLive:
        """Follow frames that are sent one by one: ``async with client.live(fps=25) as live``."""
        return AsyncLive(self._options, parameters)

    async def submit(
        self,
        video: AsyncSource,
        *,
        progress: OnProgress | None = None,
        **parameters: Unpack[TrackParameters],
    ) -> QueuedJob:
        """Send a video that is followed in the background; takes what `track` takes."""
        return await self._run(calls.submit(Body(video, Meter(progress)), parameters))

    async def jobs(self, limit: int = 100) -> list[Job]:
        """The jobs of this caller, the last one sent first."""
        return await self._run(calls.jobs(limit))

    async def job(self, job: QueuedJob | str) -> Job:
        """How far a job is, or how it ended."""
        return await self._run(calls.job(job))

    async def wait(self, job: QueuedJob | str, timeout: float | None = None) -> Job:
        """Wait until a job is done, also while its server is started anew."""
        waiting = Waiting(timeout)
        while pause := waiting.pause(now := await self._run(calls.job(job), self._options.resumes)):
            await asyncio.sleep(pause)
        return now

    def tracks(
        self, job: QueuedJob | str, from_frame: int = 0, *, progress: OnProgress | None = None
    ) -> AsyncTrackStream:
        """The tracks of a job: those that are there, then those that come."""
        return self._follow(calls.tracks(job, from_frame), Meter(progress))

    async def download(
        self, job: QueuedJob | str, what: Result, to: str | Path, *, refined: bool = False
    ) -> Path:
        """Write a result of a job that is done to a file."""

        async def save(response: httpx.Response) -> Path:
            with Draft(to) as draft:
                async for data in response.aiter_bytes():
                    await asyncio.to_thread(draft.write, data)
            return draft.path

        return await self._use(calls.download(job, what, refined), save, self._options.retries)

    async def delete(self, job: QueuedJob | str) -> None:
        """Cancel a job and remove everything of it."""
        await self._run(calls.delete(job))

    async def models(self) -> list[ModelEntry]:
        """The detectors of the catalogue, and how they run where they are loaded."""
        return await self._run(calls.models())

    async def model(self, name: str) -> ModelEntry:
        """One detector."""
        return await self._run(calls.model(name))

    async def load(self, name: str) -> ModelEntry:
        """Load a detector and wait until it is ready; needs the admin key where keys are set."""
        return await self._run(calls.load(name))

    async def unload(self, name: str) -> ModelEntry:
        """Unload a detector; needs the admin key where keys are set."""
        return await self._run(calls.unload(name))

    async def info(self) -> Info:
        """Version, limits in force, and what is loaded."""
        return await self._run(calls.info())

    async def ready(self) -> bool:
        """Whether the server has a model that answers; False also where no server answers."""
        try:
            await self._run(calls.ready(), 0)
        except ClientError:
            return False
        return True

    async def _run(self, call: Call[T], retries: int | None = None) -> T:
        most = self._options.retries if retries is None else retries

        async def read(response: httpx.Response) -> T:
            return call.read(await response.aread())

        return await self._use(call, read, most)

    async def _use(
        self, call: Call[Any], use: Callable[[httpx.Response], Awaitable[T]], retries: int
    ) -> T:
        """Send a request until there is an answer that can be used, or no more tries."""
        pauses = Pauses(retries)
        while True:
            try:
                async with self._open(call) as response:
                    return await use(response)
            except ClientError as error:
                if not worth_another(error, call):
                    raise
                await asyncio.sleep(pauses.after(error))

    def _follow(self, call: Call[bytes], meter: Meter) -> AsyncTrackStream:
        options = self._options
        return AsyncTrackStream(
            Following(call, meter, options.retries, options.resumes), self._open
        )

    @asynccontextmanager
    async def _open(self, call: Call[Any]) -> AsyncIterator[httpx.Response]:
        """The answer to a request, once its head is there; what is no success is raised."""
        with speaking():
            response = await self._http.send(call.request(self._http), stream=True)
            try:
                if response.is_error:
                    await response.aread()
                refuse(response)
                yield response
            finally:
                await response.aclose()
