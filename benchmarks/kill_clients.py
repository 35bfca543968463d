"""Clients of a server that is killed under them: what they were told, and whether it was right."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httpx

ANSWER_SECONDS = 60.0
TRACK = "/v1/track?embedder=none"
VIDEOS = "/v1/videos?embedder=none"
_OWN = re.compile(rb'"(session|elapsed_s|fps)":("\w*"|[\d.]+|null)')


class Wrong(Exception):
    """A server answered otherwise than one that nobody disturbs."""


def comparable(lines: bytes) -> bytes:
    """A track stream without what differs from one request to the next."""
    return _OWN.sub(b"", lines)


@dataclass(slots=True)
class Ledger:
    """What clients were told.

    Attributes
    ----------
    accepted : dict
        Number of the video of each job that was accepted, by the job's id.
    seen : dict
        The lines of a job that a reader had when the server was killed, by the job's id.
    unanswered : int
        Videos that were sent and may have become jobs, but nobody was told.
    images, streams : int
        Whole answers.
    """

    accepted: dict[str, int] = field(default_factory=dict)
    seen: dict[str, bytes] = field(default_factory=dict)
    unanswered: int = 0
    images: int = 0
    streams: int = 0


class Clients:
    """Send jobs, images and streams until the server is gone.

    Parameters
    ----------
    address : str
        Of the server.
    videos, expected : sequence of bytes
        What is sent, and the stream of each when nothing is disturbed; see `comparable`.
    image : bytes
        A picture, answered with one detection.
    ledger : Ledger
        Where it is written down what was answered.
    """

    def __init__(
        self,
        address: str,
        videos: Sequence[bytes],
        expected: Sequence[bytes],
        image: bytes,
        ledger: Ledger,
    ) -> None:
        self._address = address
        self._videos = videos
        self._expected = expected
        self._image = image
        self._ledger = ledger
        self._wrong: list[Exception] = []
        loops = (self._jobs, self._images, self._streams)
        self._threads = [threading.Thread(target=self._until_gone, args=(loop,)) for loop in loops]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait until all have noticed that the server is gone.

        Raises
        ------
        Wrong
            A whole answer was not the one that was expected.
        """
        for thread in self._threads:
            thread.join()
        if self._wrong:
            raise self._wrong[0]

    def _until_gone(self, loop: Callable[[httpx.Client], None]) -> None:
        try:
            with httpx.Client(base_url=self._address, timeout=ANSWER_SECONDS) as http:
                loop(http)
        except httpx.TransportError:
            return
        except Exception as error:
            self._wrong.append(error)

    def _jobs(self, http: httpx.Client) -> None:
        """Send every video as a job, then follow the jobs one after the other."""
        sent = []
        for number, video in enumerate(self._videos):
            try:
                answer = http.post(VIDEOS, content=video)
            except httpx.TransportError:
                self._ledger.unanswered += 1
                raise
            if answer.status_code != 202:
                raise Wrong(f"a job was refused: {answer.text}")
            sent.append(answer.json()["id"])
            self._ledger.accepted[sent[-1]] = number
        for job in sent:
            with http.stream("GET", f"/v1/videos/{job}/tracks") as stream:
                self._ledger.seen[job] = b""
                for piece in stream.iter_raw():
                    self._ledger.seen[job] += piece

    def _images(self, http: httpx.Client) -> None:
        while True:
            answer = http.post("/v1/detect", content=self._image)
            if answer.status_code != 200 or len(answer.json()["detections"]) != 1:
                raise Wrong(f"an image was answered with {answer.status_code}: {answer.text}")
            self._ledger.images += 1

    def _streams(self, http: httpx.Client) -> None:
        while True:
            answer = http.post(TRACK, content=self._videos[-1])
            if comparable(answer.content) != self._expected[-1]:
                raise Wrong(f"a stream was answered otherwise: {answer.text[-300:]}")
            self._ledger.streams += 1
