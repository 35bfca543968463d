"""Calling the server from Python: pictures in one call, videos as a stream of frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

import httpx
import orjson

from models.errors import InvalidInput, TracklineError
from service.duplex import DuplexTransport

Source: TypeAlias = str | Path | bytes
"""A file by its path, or its content."""

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the bytes sent so far, and all that there are to send."""

CHUNK = 1 << 16
CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 120.0


class RequestRefused(TracklineError):
    """The server answered with a problem document (RFC 9457).

    Attributes
    ----------
    status : int
        The HTTP status.
    problem : dict
        The document: ``title``, ``detail``, ``request_id`` and so on.
    """

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.status = status
        self.problem = problem
        detail = problem.get("detail") or problem.get("title") or "no reason given"
        super().__init__(f"the server refused with {status}: {detail}")


class StreamFailed(TracklineError):
    """A track stream ended with an ``error`` line, or was cut before its ``end``."""


class Client:
    """A client of one server.

    Parameters
    ----------
    base_url : str
        Where the server is, for example ``http://127.0.0.1:8000``.
    api_key : str or None
        The key, where the server asks for one.
    timeout : float
        Seconds to wait for the next byte of an answer.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8000",
        *,
        api_key: str | None = None,
        timeout: float = READ_TIMEOUT,
    ) -> None:
        self._http = httpx.Client(
            base_url=base_url,
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(timeout, connect=CONNECT_TIMEOUT),
            transport=DuplexTransport(),
        )

    def __enter__(self) -> Client:
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

    def ready(self) -> bool:
        """Whether the server has a model that answers; False also where no server answers."""
        try:
            return self._http.get("/v2/health/ready").is_success
        except httpx.TransportError:
            return False

    def models(self) -> list[dict[str, Any]]:
        """The catalogue, and what of it is loaded."""
        models: list[dict[str, Any]] = self._answer(self._http.get("/v1/models"))["models"]
        return models

    def detect(self, image: Source, **parameters: Any) -> dict[str, Any]:
        """Find the objects of one picture.

        Parameters
        ----------
        image : path or bytes
            A JPEG, PNG, WebP or BMP.
        **parameters
            The query parameters of ``POST /v1/detect``: ``model``, ``conf``, ``classes`` …

        Returns
        -------
        dict
            The answer of the route: ``detections``, ``image``, ``timing`` …

        Raises
        ------
        RequestRefused
            The server does not take the picture or a parameter.
        """
        return self._answer(self._post_image(image, parameters))

    def annotate(self, image: Source, **parameters: Any) -> bytes:
        """Find the objects of one picture and return it as a JPEG with them drawn."""
        response = self._post_image(image, parameters | {"format": "image"})
        _refuse(response)
        return response.content

    def track(
        self, video: Source, *, progress: Progress | None = None, **parameters: Any
    ) -> TrackStream:
        """Follow the objects of a video; its frames come while it is still being sent.

        Parameters
        ----------
        video : path or bytes
            A video file.
        progress : callable or None
            Called with the bytes sent and the bytes in all.
        **parameters
            The query parameters of ``POST /v1/track``: ``model``, ``conf``, ``tracker`` …

        Returns
        -------
        TrackStream
            Iterate over it for the frames.

        Raises
        ------
        RequestRefused
            The server does not take the video or a parameter.
        """
        body, size = _open(video)
        request = self._http.build_request(
            "POST",
            "/v1/track",
            params=_flat(parameters),
            content=_chunks(body, size, progress),
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Length": str(size),
                "Accept": "application/x-ndjson",
            },
        )
        response = self._http.send(request, stream=True)
        if response.is_error:
            response.read()
            response.close()
        _refuse(response)
        return TrackStream(response)

    def _post_image(self, image: Source, parameters: dict[str, Any]) -> httpx.Response:
        content = image if isinstance(image, bytes) else _existing(image).read_bytes()
        headers = {"Content-Type": "application/octet-stream"}
        return self._http.post(
            "/v1/detect", params=_flat(parameters), content=content, headers=headers
        )

    def _answer(self, response: httpx.Response) -> dict[str, Any]:
        _refuse(response)
        answer: dict[str, Any] = orjson.loads(response.content)
        return answer


class TrackStream:
    """The frames of a track stream, in order.

    Attributes
    ----------
    header : dict
        The first line: model, tracker, size, frame rate, number of frames where it is known.
    end : dict or None
        The last line, once all frames were read: frames, tracks, time, frames a second.
    """

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._lines = response.iter_lines()
        self.end: dict[str, Any] | None = None
        self.header = self._next()
        if self.header["type"] != "header":
            self.close()
            raise StreamFailed(f"a header line was expected first, got {self.header['type']!r}")

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the ``frame`` lines.

        Raises
        ------
        StreamFailed
            The stream ended with an error, or was cut.
        """
        try:
            while (line := self._next())["type"] == "frame":
                yield line
            self.end = line
        finally:
            self.close()

    def close(self) -> None:
        """Leave the stream; the server stops working on it."""
        self._response.close()

    def _next(self) -> dict[str, Any]:
        try:
            text = next(self._lines, None)
        except httpx.TransportError as error:
            raise StreamFailed(f"the stream was cut: {error}") from error
        if text is None:
            raise StreamFailed("the stream was cut before its end")
        line: dict[str, Any] = orjson.loads(text)
        if line["type"] == "error":
            raise StreamFailed(f"{line['message']} ({line['code']}, frame {line['frame']})")
        return line


def _refuse(response: httpx.Response) -> None:
    """Raise what an answer that is no success says."""
    if response.is_success:
        return
    try:
        problem = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        problem = {"detail": response.text[:200]}
    raise RequestRefused(response.status_code, problem)


def _flat(parameters: dict[str, Any]) -> dict[str, str | int | float | bool]:
    """Query parameters; lists become comma-separated, None is left out."""
    flat = {}
    for name, value in parameters.items():
        if value is not None:
            flat[name] = ",".join(map(str, value)) if isinstance(value, list | tuple) else value
    return flat


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if not path.is_file():
        raise InvalidInput(f"a file is expected, but there is none at {path}")
    return path


def _open(video: Source) -> tuple[Iterator[bytes], int]:
    """The content of a video in pieces, and its size in bytes."""
    if isinstance(video, bytes):
        pieces = (video[i : i + CHUNK] for i in range(0, len(video), CHUNK))
        return pieces, len(video)
    path = _existing(video)
    return _read(path), path.stat().st_size


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            yield piece


def _chunks(body: Iterator[bytes], size: int, progress: Progress | None) -> Iterator[bytes]:
    sent = 0
    for piece in body:
        yield piece
        sent += len(piece)
        if progress:
            progress(sent, size)
