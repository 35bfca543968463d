"""Following frames that come one by one: decoded and detected ahead, tracked and answered in order.

Three tasks: one takes frames in, one starts them, one answers. Frames wait only before they are
started, so that there it can be decided which of them are worth it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from contextvars import copy_context
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.types import Detections, Image
from service.decoding.video import VideoEnd, VideoInfo
from service.errors import UnreadableMedia
from service.live.frames import Arrival, Held, Means, Started
from service.live.query import LiveConfig, Mode
from service.tracks import lines
from service.tracks.messages import Messages
from service.tracks.session import FrameTracks, SessionOptions
from tracker.types import Tracks

AHEAD = 2
"""Frames that are decoded or with the detector while only the newest count: more would be old."""

Message = dict[str, Any]
Take = Callable[[], Awaitable[bytes | None]]
Say = Callable[[Message], Awaitable[None]]


class Live:
    """One connection's frames and their tracks.

    Parameters
    ----------
    name : str
        Names the connection among those that share the detector.
    means : Means
        What is used.
    messages : Messages
        Makes the messages.
    config : LiveConfig
        What the caller wants.
    options : SessionOptions
        How objects are found.

    Attributes
    ----------
    next_frame : int
        The first frame that was not answered.
    """

    def __init__(
        self,
        name: str,
        means: Means,
        messages: Messages,
        config: LiveConfig,
        options: SessionOptions,
    ) -> None:
        self.next_frame = 0
        self._name = name
        self._means = means
        self._messages = messages
        self._config = config
        self._options = options
        self._drops = config.mode is Mode.DROP_OLDEST
        ahead = AHEAD if self._drops else options.in_flight
        self._inbox: asyncio.Queue[Arrival | None] = asyncio.Queue(1)
        self._started: asyncio.Queue[Started | None] = asyncio.Queue()
        self._places = asyncio.Semaphore(min(ahead, options.in_flight))
        self._held: deque[Held] = deque()
        self._dropped = 0
        self._size: tuple[int, int] | None = None
        self._names: Mapping[int, str] = {}

    async def run(self, take: Take, say: Say) -> None:
        """Answer frames until there are no more.

        Parameters
        ----------
        take : callable
            Gives the next frame's bytes; None after the last one.
        say : callable
            Sends a message.

        Raises
        ------
        TracklineError
            A frame, the model or the tracker failed.
        Exception
            What ``take`` and ``say`` raise.
        """
        thread = ThreadPoolExecutor(1, f"live-{self._name}")
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(self._take_in(take)),
            asyncio.create_task(self._start()),
            asyncio.create_task(self._answer(thread, say)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            async with AsyncExitStack() as rooms:
                while not self._started.empty():
                    if (started := self._started.get_nowait()) is not None:
                        tasks.append(started.task)
                        rooms.push_async_exit(started.room)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            thread.shutdown(wait=False)

    async def _take_in(self, take: Take) -> None:
        """Number the frames; where only the newest count, drop the one that still waits."""
        number, began = 0, 0.0
        while (data := await take()) is not None:
            now = time.monotonic()
            began = began or now
            seconds = number / self._config.fps if self._config.fps else now - began
            if self._drops and self._inbox.full():
                self._inbox.get_nowait()
                self._dropped += 1
                self._means.stages.dropped_live()
            await self._inbox.put(Arrival(number, seconds, now, data))
            number += 1
        await self._inbox.put(None)

    async def _start(self) -> None:
        """Start the detection of a frame as soon as there is a place for one more."""
        while True:
            await self._places.acquire()
            arrival = await self._inbox.get()
            if arrival is None:
                await self._started.put(None)
                return
            room = AsyncExitStack()
            task = asyncio.create_task(self._detect(arrival, room))
            await self._started.put(Started(arrival, task, room))

    async def _detect(self, arrival: Arrival, room: AsyncExitStack) -> tuple[Image, Detections]:
        options = self._options
        # Room is given in the order it is asked for in, so that no frame waits for a later one.
        await room.enter_async_context(self._means.codec.room.hold(arrival.data))
        submit = partial(
            self._means.detector.submit,
            options=options.detect,
            session=self._name,
            imgsz=options.imgsz,
            deadline=time.monotonic() + options.deadline_seconds,
        )
        decoded, future = await self._means.codec.decode_and_submit(arrival.data, submit)
        self._means.stages.decoded(decoded.ms / 1000, decoded.at, arrival.number)
        inference = await asyncio.wrap_future(future)
        self._means.stages.inferred(inference, arrival.number)
        return decoded.image, inference.detections

    async def _answer(self, thread: ThreadPoolExecutor, say: Say) -> None:
        """Track and answer the frames in order; the tracker has a thread of its own."""
        while (started := await self._started.get()) is not None:
            async with started.room:
                tracks = await self._follow(started, thread, say)
            del started  # a slow reader is not waited for with its pixels in memory
            if tracks is not None:
                await self._give(tracks, say)
        if self._size is None:
            raise UnreadableMedia("pictures were expected before the end, got none")
        loop = asyncio.get_running_loop()
        for late in await loop.run_in_executor(thread, self._means.tracker.flush):
            await self._give(late, say)
        await say(self._messages.of(VideoEnd(damaged=0, complete=True)))

    async def _follow(
        self, started: Started, thread: ThreadPoolExecutor, say: Say
    ) -> Tracks | None:
        """Track a frame; None where the tracker holds its answer back."""
        arrival, image, damage = started.arrival, None, None
        try:
            image, found = await started.task
        except UnreadableMedia as error:
            # Cameras send half a picture now and then: the tracker looks ahead over it.
            found, damage = Detections.empty(self._names), error
        self._names = found.names
        self._places.release()
        if image is not None:
            await self._check_size(arrival, image, say)
        self._held.append(Held(arrival, found, damage))
        if self._size is None:
            # The tracker has seen nothing yet, and how large the frames are is not known.
            return Tracks.empty()
        work = partial(copy_context().run, self._track, arrival, image, found)
        return await asyncio.get_running_loop().run_in_executor(thread, work)

    async def _check_size(self, arrival: Arrival, image: Image, say: Say) -> None:
        """The first frame that can be read says how large all are; the header says it on."""
        height, width = image.shape[:2]
        if self._size is None:
            self._size = (width, height)
            await say(self._messages.of(VideoInfo(width, height, self._config.fps, None)))
        elif self._size != (width, height):
            expected = "x".join(map(str, self._size))
            raise UnreadableMedia(
                f"frame {arrival.number} has {width}x{height} pixels; {expected} were expected, "
                "as the first one has: open another connection for another size"
            )

    def _track(self, arrival: Arrival, image: Image | None, found: Detections) -> Tracks | None:
        began = time.perf_counter()
        tracks = self._means.tracker.update(
            found.boxes,
            found.scores,
            found.classes,
            embeddings=self._embedder(image, found),
            frame=image,
            timestamp=arrival.time,
        )
        self._means.stages.tracked(time.perf_counter() - began, arrival.number)
        return tracks

    def _embedder(
        self, image: Image | None, found: Detections
    ) -> Callable[[NDArray[np.int64]], NDArray[np.float32]] | None:
        embed = self._means.embed
        if embed is None or image is None:
            return None
        return lambda rows: embed(image, found.boxes[rows])

    async def _give(self, tracks: Tracks, say: Say) -> None:
        held = self._held.popleft()
        arrival = held.arrival
        message = self._messages.of(FrameTracks(arrival.number, arrival.time, tracks, held.found))
        if held.damage is not None:
            message["error"] = lines.failure(held.damage)
        latency = time.monotonic() - arrival.at
        self._means.stages.answered_live(latency)
        self.next_frame = arrival.number + 1
        await say(message | {"latency_ms": round(latency * 1000, 2), "dropped": self._dropped})
