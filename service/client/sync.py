"""The client of one server, for programs that wait for each answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx

from service.client import calls
from service.client.body import Body, Meter, OnProgress, Source
from service.client.calls import Call, Picture, Result
from service.client.errors import ClientError
from service.client.following import Following
from service.client.live import Live
from service.client.options import Options, refuse, speaking
from service.client.parameters import DetectParameters, LiveParameters, TrackParameters
from service.client.pauses import Pauses, worth_another
from service.client.saving import Draft
from service.client.streams import TrackStream
from service.client.transports import Transport
from service.client.waiting import Waiting
from service.schemas import Detected, Info, Job, ModelEntry, QueuedJob, SegmentedPicture

T = TypeVar("T")


class Client:
    """A client of one server; its methods may be called from several threads.

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
        self._http = httpx.Client(**self._options.for_httpx, transport=Transport(self._options))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def detect(self, picture: Picture, **parameters: Unpack[DetectParameters]) -> Detected:
        """Find the objects of a picture.

        Parameters
        ----------
        picture : path, bytes or array
            A JPEG, PNG, WebP or BMP, or pixels uint8 [H, W, 3] in the order blue, green, red.
        **parameters
            Those of ``POST /v1/detect``: ``model``, ``conf``, ``classes`` …

        Raises
        ------
        RequestRefused
            The server does not take the picture or a parameter.
        """
        return self._run(calls.detect(picture, parameters))

    def detect_several(
        self, pictures: Sequence[Picture], **parameters: Unpack[DetectParameters]
    ) -> list[Detected]:
        """Find the objects of several pictures in one request; takes what `detect` takes."""
        return self._run(calls.detect_several(pictures, parameters))

    def annotate(self, picture: Picture, **parameters: Unpack[DetectParameters]) -> bytes:
        """Find the objects of one picture and return it as a JPEG with them drawn."""
        return self._run(calls.annotate(picture, parameters))

    def segment(self, picture: Picture, *, model: str | None = None) -> SegmentedPicture:
        """Tell what each pixel of a picture belongs to."""
        return self._run(calls.segment(picture, model))

    def track(
        self,
        video: Source,
        *,
        progress: OnProgress | None = None,
        **parameters: Unpack[TrackParameters],
    ) -> TrackStream:
        """Follow the objects of a video; its frames come while it is still being sent.

        Where the connection breaks, a video by path or content is sent again, and its frames go on
        where they had stopped: see `service.client.following`.

        Parameters
        ----------
        video : path, bytes or iterable of bytes
            A video file.
        progress : callable or None
            Called with a `Progress` for every piece that is sent and every frame that comes.
        **parameters
            Those of ``POST /v1/track``: ``model``, ``conf``, ``tracker``, ``lines`` …

        Raises
        ------
        RequestRefused
            The server does not take the video or a parameter.
        """
        meter = Meter(progress)
        return self._follow(calls.track(Body(video, meter), parameters), meter)

    def live(self, **parameters: Unpack[LiveParameters]) -> Live:
        """Follow frames that are sent one by one: ``with client.live(fps=25) as live``."""
        return Live(self._options, parameters)

    def submit(
        self,
        video: Source,
        *,
        progress: OnProgress | None = None,
        **parameters: Unpack[TrackParameters],
    ) -> QueuedJob:
        """Send a video that is followed in the background; takes what `track` takes."""
        return self._run(calls.submit(Body(video, Meter(progress)), parameters))

    def jobs(self, limit: int = 100) -> list[Job]:
        """The jobs of this caller, the last one sent first."""
        return self._run(calls.jobs(limit))

    def job(self, job: QueuedJob | str) -> Job:
        """How far a job is, or how it ended."""
        return self._run(calls.job(job))

    def wait(self, job: QueuedJob | str, timeout: float | None = None) -> Job:
        """Wait until a job is done, also while its server is started anew.

        Raises
        ------
        JobFailed
            It ended otherwise.
        JobTimeout
            It was not over within ``timeout`` seconds.
        """
        waiting = Waiting(timeout)
        while pause := waiting.pause(now := self._run(calls.job(job), self._options.resumes)):
            time.sleep(pause)
        return now

    def tracks(
        self, job: QueuedJob | str, from_frame: int = 0, *, progress: OnProgress | None = None
    ) -> TrackStream:
        """The tracks of a job: those that are there, then those that come."""
        return self._follow(calls.tracks(job, from_frame), Meter(progress))

    def download(
        self, job: QueuedJob | str, what: Result, to: str | Path, *, refined: bool = False
    ) -> Path:
        """Write a result of a job that is done to a file.

        Parameters
        ----------
        job : Job or str
            The job, or its id.
        what : str
            ``mot``, ``csv``, ``json`` or ``annotated.mp4``.
        to : path
            The file; it is there only once it is complete.
        refined : bool
            Tracks that are linked and smoothed with all of the video in view.
        """

        def save(response: httpx.Response) -> Path:
            with Draft(to) as draft:
                for data in response.iter_bytes():
                    draft.write(data)
            return draft.path

        return self._use(calls.download(job, what, refined), save, self._options.retries)

    def delete(self, job: QueuedJob | str) -> None:
        """Cancel a job and remove everything of it."""
        self._run(calls.delete(job))

    def models(self) -> list[ModelEntry]:
        """The detectors of the catalogue, and how they run where they are loaded."""
        return self._run(calls.models())

    def model(self, name: str) -> ModelEntry:
        """One detector."""
        return self._run(calls.model(name))

    def load(self, name: str) -> ModelEntry:
        """Load a detector and wait until it is ready; needs the admin key where keys are set."""
        return self._run(calls.load(name))

    def unload(self, name: str) -> ModelEntry:
        """Unload a detector; needs the admin key where keys are set."""
        return self._run(calls.unload(name))

    def info(self) -> Info:
        """Version, limits in force, and what is loaded."""
        return self._run(calls.info())

    def ready(self) -> bool:
        """Whether the server has a model that answers; False also where no server answers."""
        try:
            self._run(calls.ready(), 0)
        except ClientError:
            return False
        return True

    def _run(self, call: Call[T], retries: int | None = None) -> T:
        most = self._options.retries if retries is None else retries
        return self._use(call, lambda response: call.read(response.read()), most)

    def _use(self, call: Call[Any], use: Callable[[httpx.Response], T], retries: int) -> T:
        """Send a request until there is an answer that can be used, or no more tries."""
        pauses = Pauses(retries)
        while True:
            try:
                with self._open(call) as response:
                    return use(response)
            except ClientError as error:
                if not worth_another(error, call):
                    raise
                time.sleep(pauses.after(error))

    def _follow(self, call: Call[bytes], meter: Meter) -> TrackStream:
        options = self._options
        return TrackStream(Following(call, meter, options.retries, options.resumes), self._open)

    @contextmanager
    def _open(self, call: Call[Any]) -> Iterator[httpx.Response]:
        """The answer to a request, once its head is there; what is no success is raised."""
        with speaking():
            response = self._http.send(call.request(self._http), stream=True)
            try:
                if response.is_error:
                    response.read()
                refuse(response)
                yield response
            finally:
                response.close()
