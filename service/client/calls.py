"""What is sent for each method of the clients, and how its answer is read; nothing is sent here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import httpx
import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidInput
from service.client.body import Body, existing
from service.client.parameters import query
from service.schemas import (
    Detected,
    DetectedSeveral,
    Info,
    Job,
    JobList,
    ModelEntry,
    ModelList,
    QueuedJob,
    SegmentedPicture,
)
from service.schemas.shape import Shape

T = TypeVar("T")
S = TypeVar("S", bound=Shape)

Picture: TypeAlias = str | Path | bytes | NDArray[np.uint8]
"""A JPEG, PNG, WebP or BMP by its path or content, or pixels [H, W, 3] blue, green, red."""
Result: TypeAlias = Literal["mot", "csv", "json", "annotated.mp4"]
"""What can be downloaded of a job that is done."""

BYTES = "application/octet-stream"
DUPLEX = "duplex"
"""Extension of the requests whose answer is read while they are sent."""
LONG_SECONDS = 3600.0
"""For answers that the server first has to make: a model that is fetched, a video that is drawn."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request.

    Attributes
    ----------
    method, path : str
        Of the route.
    read : callable
        Makes the result of the body of the answer.
    parameters : mapping
        The query.
    content : bytes or None
        The body.
    files : list of tuple
        Parts of a form, instead of a body.
    body : Body or None
        A video, which is sent while the answer is read.
    timeout : float or None
        Seconds to wait for the next byte of the answer; None for the client's own.
    repeatable : bool
        Whether it does no harm to send it twice.
    """

    method: str
    path: str
    read: Callable[[bytes], T]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    content: bytes | None = None
    files: Sequence[tuple[str, tuple[str, bytes, str]]] = ()
    body: Body | None = None
    timeout: float | None = None
    repeatable: bool = True

    def request(self, http: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """The request, with what the client adds to all of them."""
        headers: dict[str, str] = {}
        extensions: dict[str, Any] = {}
        content: Any = self.content
        if self.body is not None:
            extensions[DUPLEX] = True
            asynchronous = isinstance(http, httpx.AsyncClient)
            content = self.body.apieces() if asynchronous else self.body.pieces()
            if self.body.size is not None:
                headers["Content-Length"] = str(self.body.size)
        if content is not None:
            headers["Content-Type"] = BYTES
        return http.build_request(
            self.method,
            self.path,
            params=query(self.parameters),
            content=content,
            files=self.files or None,
            headers=headers,
            extensions=extensions,
            timeout=self._timeout(http.timeout),
        )

    def _timeout(self, usual: httpx.Timeout) -> httpx.Timeout:
        if self.timeout is None:
            return usual
        return httpx.Timeout(self.timeout, connect=usual.connect, pool=usual.pool)


def detect(picture: Picture, parameters: Mapping[str, Any]) -> Call[Detected]:
    """The objects of one picture."""
    content = encoded(picture)
    return Call("POST", "/v1/detect", _shape(Detected), parameters, content=content)


def detect_several(
    pictures: Sequence[Picture], parameters: Mapping[str, Any]
) -> Call[list[Detected]]:
    """The objects of several pictures."""
    files = [("image", (str(i), encoded(one), BYTES)) for i, one in enumerate(pictures)]
    read = _shape(Detected) if len(files) == 1 else _shape(DetectedSeveral)

    def results(body: bytes) -> list[Detected]:
        answer = read(body)
        return answer.results if isinstance(answer, DetectedSeveral) else [answer]

    return Call("POST", "/v1/detect", results, parameters, files=files)


def annotate(picture: Picture, parameters: Mapping[str, Any]) -> Call[bytes]:
    """A picture with its objects drawn."""
    wanted = {**parameters, "format": "image"}
    return Call("POST", "/v1/detect", bytes, wanted, content=encoded(picture))


def segment(picture: Picture, model: str | None) -> Call[SegmentedPicture]:
    """What each pixel of a picture belongs to."""
    read = _shape(SegmentedPicture)
    return Call("POST", "/v1/segment", read, {"model": model}, content=encoded(picture))


def track(body: Body, parameters: Mapping[str, Any]) -> Call[bytes]:
    """The track stream of a video."""
    return Call("POST", "/v1/track", bytes, parameters, body=body)


def submit(body: Body, parameters: Mapping[str, Any]) -> Call[QueuedJob]:
    """A new job; sent twice, it would be two."""
    read = _shape(QueuedJob)
    return Call("POST", "/v1/videos", read, parameters, body=body, repeatable=False)


def jobs(limit: int) -> Call[list[Job]]:
    """The caller's jobs."""
    return Call("GET", "/v1/videos", lambda body: _shape(JobList)(body).videos, {"limit": limit})


def job(job: QueuedJob | str) -> Call[Job]:
    """One job as it is now."""
    return Call("GET", _path(job), _shape(Job))


def tracks(job: QueuedJob | str, from_frame: int) -> Call[bytes]:
    """The track stream of a job."""
    return Call("GET", f"{_path(job)}/tracks", bytes, {"from_frame": from_frame})


def download(job: QueuedJob | str, what: Result, refined: bool) -> Call[bytes]:
    """A result of a job that is done."""
    name = what if what == "annotated.mp4" else f"tracks.{what}"
    parameters = {"refined": True} if refined else {}
    return Call("GET", f"{_path(job)}/{name}", bytes, parameters, timeout=LONG_SECONDS)


def delete(job: QueuedJob | str) -> Call[None]:
    """The end of a job and of everything of it."""
    return Call("DELETE", _path(job), _nothing, repeatable=False)


def models() -> Call[list[ModelEntry]]:
    """The detectors of the catalogue."""
    return Call("GET", "/v1/models", lambda body: _shape(ModelList)(body).models)


def model(name: str) -> Call[ModelEntry]:
    """One detector."""
    return Call("GET", f"/v1/models/{name}", _shape(ModelEntry))


def load(name: str) -> Call[ModelEntry]:
    """A detector that is to be loaded."""
    path = f"/v1/models/{name}/load"
    return Call("POST", path, _shape(ModelEntry), timeout=LONG_SECONDS)


def unload(name: str) -> Call[ModelEntry]:
    """A detector that is no longer needed."""
    return Call("POST", f"/v1/models/{name}/unload", _shape(ModelEntry))


def info() -> Call[Info]:
    """Version, limits and what is loaded."""
    return Call("GET", "/v1/info", _shape(Info))


def ready() -> Call[bytes]:
    """Whether there is a model that answers."""
    return Call("GET", "/v2/health/ready", bytes)


def encoded(picture: Picture) -> bytes:
    """A picture as a file; pixels become a PNG, which loses nothing of them.

    Raises
    ------
    InvalidInput
        There is no such file, or the array is none of a picture.
    """
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, str | Path):
        return existing(picture).read_bytes()
    return pixels(picture, ".png")


def pixels(image: NDArray[np.uint8], kind: str) -> bytes:
    """Pixels [H, W, 3] as a file of a kind.

    Raises
    ------
    InvalidInput
        The array is none of a picture.
    """
    import cv2

    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise InvalidInput(
            "a picture is expected as uint8 [H, W, 3], blue, green, red; "
            f"got {image.dtype} {list(image.shape)}"
        )
    _, data = cv2.imencode(kind, image)
    return bytes(data)


def _shape(shape: type[S]) -> Callable[[bytes], S]:
    return shape.model_validate_json


def _nothing(body: bytes) -> None:
    """Of an answer without a body."""


def _path(job: QueuedJob | str) -> str:
    return f"/v1/videos/{job if isinstance(job, str) else job.id}"
