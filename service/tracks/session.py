"""One video on its way from frames to tracks, in one thread: several frames ahead, in order."""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.types import Detections, DetectOptions, Image
from service.decoding.errors import DecoderTimeout
from service.decoding.video import Video, VideoEnd, VideoFrame, VideoInfo
from service.decoding.wake import Wake
from service.errors import QueueFull, ServiceError
from service.http.stages import Stages
from service.inference.items import Inference
from tracker.types import Tracker, Tracks

RETRY_SECONDS = 0.02
WATCH_SECONDS = 1.0

Embed = Callable[[Image, NDArray[np.float32]], NDArray[np.float32]]


class Detect(Protocol):
    """What finds the objects of a frame; `service.inference.batching.Batcher` is one."""

    def submit(
        self,
        image: Image,
        options: DetectOptions,
        *,
        session: str | None = None,
        imgsz: int | None = None,
        deadline: float | None = None,
    ) -> Future[Inference]:
        """Queue an image; never waits."""


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How a video is followed.

    Attributes
    ----------
    detect : DetectOptions
        Thresholds and classes.
    imgsz : int or None
        Side of the network's input.
    in_flight : int
        Frames that are with the detector at once.
    deadline_seconds : float
        Longest stay of a frame with the detector.
    hang_seconds : float
        A decoder that has bytes to decode and room for a frame, and says nothing for so long,
        hangs.
    """

    detect: DetectOptions
    imgsz: int | None = None
    in_flight: int = 4
    deadline_seconds: float = 300.0
    hang_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class FrameTracks:
    """What is known of one frame.

    Attributes
    ----------
    number : int
        From 0.
    time : float
        Seconds after the first frame.
    tracks : Tracks
        The objects, in pixels of the upright picture.
    detections : Detections
        What the detector found; `Tracks.detection` are rows of it.
    """

    number: int
    time: float
    tracks: Tracks
    detections: Detections


class Session:
    """Follows the objects of one video.

    Parameters
    ----------
    name : str
        Names the session among those that share the detector.
    video : Video
        Where frames come from; the session closes it.
    detector : Detect
        Finds the objects of frames.
    tracker : Tracker
        This session's own.
    embed : callable or None
        Embeddings of boxes of an image, asked only for those that the tracker needs.
    options : SessionOptions
        How it is followed.
    stages : Stages or None
        Where the time of each frame is counted.

    Attributes
    ----------
    next_frame : int
        The first frame that no tracks were given for.
    starved : bool
        Set by whoever feeds the decoder: it has decoded all there is, the client sends no more.
    """

    def __init__(
        self,
        name: str,
        video: Video,
        detector: Detect,
        tracker: Tracker,
        embed: Embed | None,
        options: SessionOptions,
        stages: Stages | None = None,
    ) -> None:
        self.name = name
        self.next_frame = 0
        self.starved = False
        self._video = video
        self._detector = detector
        self._tracker = tracker
        self._embed = embed
        self._options = options
        # By appearance tracks are as good where frames are seen in eight bits, by motion alone not.
        self._detect = replace(options.detect, exact=embed is None)
        self._stages = stages
        self._wake = Wake()
        # Of results, and of results and frames.
        self._results, self._both = select.poll(), select.poll()
        self._results.register(self._wake, select.POLLIN)
        self._both.register(self._wake, select.POLLIN)
        self._both.register(video, select.POLLIN)
        self._reason: Exception | None = None
        self._end: VideoEnd | ServiceError | None = None
        self._refused: VideoFrame | None = None
        self._waiting: deque[tuple[VideoFrame, Future[Inference]]] = deque()
        self._held: deque[tuple[VideoFrame, Detections]] = deque()
        self._progress = time.monotonic()

    def cancel(self, reason: Exception) -> None:
        """Make `run` raise ``reason`` as soon as it is at a point to do so. Any thread."""
        if self._reason is None:
            self._reason = reason
        self._wake.set()

    def fed(self) -> None:
        """The decoder has taken some of the video: it does not hang. Any thread."""
        self._progress = time.monotonic()

    def run(self) -> Generator[VideoInfo | FrameTracks | VideoEnd, None, None]:
        """First what the video is, then each frame in order, then how it ended.

        Whatever happens, the decoder is gone and no frame is with the detector afterwards.

        Raises
        ------
        TracklineError
            The video, the model or the tracker failed.
        Exception
            The reason given to `cancel`.
        """
        try:
            while self._end is None or self._waiting:
                heard = self._wait(self._wants_frames, 0.0 if self._ready else self._patience)
                if self._reason is not None:
                    raise self._reason
                if self._refused is not None:
                    frame, self._refused = self._refused, None
                    self._submit(frame)
                elif heard:
                    yield from self._hear()
                elif self._ready:
                    yield from self._track(*self._waiting.popleft())
            for tracks in self._tracker.flush():
                yield self._give(tracks)
            if isinstance(self._end, ServiceError):
                raise self._end
            yield self._end
        finally:
            self.close()

    def close(self) -> None:
        """Stop the decoder and take back what is with the detector; may be called twice."""
        for _, future in self._waiting:
            future.cancel()
        self._waiting.clear()
        self._held.clear()
        self._refused = None
        self._video.close()
        self._wake.close()

    @property
    def _wants_frames(self) -> bool:
        room = len(self._waiting) < self._options.in_flight
        return room and self._end is None and self._refused is None

    @property
    def _ready(self) -> bool:
        """Whether the detector has answered for the frame whose turn it is."""
        return bool(self._waiting) and self._waiting[0][1].done()

    @property
    def _patience(self) -> float:
        return WATCH_SECONDS if self._refused is None else RETRY_SECONDS

    def _wait(self, wanted: bool, seconds: float) -> bool:
        """Wait for a frame, where one is wanted, for a result, or to be cancelled.

        Answers whether the decoder has something to say.
        """
        poll = self._both if wanted else self._results
        ready = {descriptor for descriptor, _ in poll.poll(seconds * 1000)}
        self._wake.clear()
        heard = wanted and self._video.fileno() in ready
        now = time.monotonic()
        if heard or not wanted or self.starved:
            self._progress = now
        elif now - self._progress > self._options.hang_seconds:
            raise DecoderTimeout(
                f"the decoder gave no frame for {self._options.hang_seconds:g} s and was stopped"
            )
        return heard

    def _hear(self) -> Iterator[VideoInfo]:
        """Take what the decoder says; the frames before a failure are still answered."""
        try:
            said = self._video.receive()
        except ServiceError as failure:
            self._end = failure
            return
        if isinstance(said, VideoInfo):
            yield said
        elif isinstance(said, VideoEnd):
            self._end = said
        elif said.image is not None:
            self._submit(said)

    def _submit(self, frame: VideoFrame) -> None:
        """Pass a frame on to the detector; a full queue takes it later, no frame is lost."""
        assert frame.image is not None  # noqa: S101
        options = self._options
        deadline = time.monotonic() + options.deadline_seconds
        try:
            future = self._detector.submit(
                frame.image,
                self._detect,
                session=self.name,
                imgsz=options.imgsz,
                deadline=deadline,
            )
        except QueueFull:
            self._refused = frame
            return
        self._waiting.append((frame, future))
        # The future outlives the session in places; it shall not keep the session's memory.
        wake = self._wake
        future.add_done_callback(lambda _: wake.set())

    def _track(self, frame: VideoFrame, future: Future[Inference]) -> Iterator[FrameTracks]:
        """Follow the objects into the frame; with a delay the answer is for an earlier one."""
        inference = future.result()
        found, began = inference.detections, time.perf_counter()
        tracks = self._tracker.update(
            found.boxes,
            found.scores,
            found.classes,
            embeddings=self._embedder(frame, found),
            frame=frame.image,
            timestamp=frame.time,
        )
        if self._stages is not None:
            took = time.perf_counter() - began
            self._stages.decoded(frame.decode_seconds, frame.decoded_at, frame.number)
            self._stages.inferred(inference, frame.number, ago=took)
            self._stages.tracked(took, frame.number)
        self._video.give_back(frame)
        self._held.append((frame, found))
        if tracks is not None:
            yield self._give(tracks)

    def _embedder(
        self, frame: VideoFrame, found: Detections
    ) -> Callable[[NDArray[np.int64]], NDArray[np.float32]] | None:
        embed, image = self._embed, frame.image
        if embed is None or image is None:
            return None
        return lambda rows: embed(image, found.boxes[rows])

    def _give(self, tracks: Tracks) -> FrameTracks:
        frame, found = self._held.popleft()
        self.next_frame = frame.number + 1
        return FrameTracks(frame.number, frame.time, tracks, found)
