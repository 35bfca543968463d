"""What a real decoder process says of a video, collected."""

from __future__ import annotations

import select
import threading
from contextlib import closing, suppress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from service.decoding.containers import HEAD_BYTES, recognise
from service.decoding.decoders import Decoders
from service.decoding.frames import bytes_for
from service.decoding.task import Job
from service.decoding.video import Video, VideoEnd, VideoFrame, VideoInfo

WAIT = 30.0
RING = bytes_for(640 * 480)


@dataclass
class Decoded:
    """All that a decoder said."""

    info: VideoInfo | None = None
    numbers: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    images: list[NDArray[np.uint8]] = field(default_factory=list)
    end: VideoEnd | None = None


def say(video: Video) -> VideoInfo | VideoFrame | VideoEnd:
    """What the decoder says next, or a failure if it says nothing."""
    assert select.select([video], [], [], WAIT)[0], "the decoder says nothing"
    return video.receive()


def decode(decoders: Decoders, data: bytes, **limits: object) -> Decoded:
    """Everything of a video that is sent through a socket."""
    container = recognise(data[:HEAD_BYTES])
    job = Job(demuxer=container.value, ring_bytes=RING, **limits)  # type: ignore[arg-type]
    with closing(Video(decoders, job)) as video:
        assert video.feed is not None
        feed = video.feed

        def write() -> None:
            with feed, suppress(OSError):
                feed.sendall(data)

        writing = threading.Thread(target=write)
        writing.start()
        try:
            return collect(video)
        finally:
            video.close()
            writing.join(WAIT)


def collect(video: Video) -> Decoded:
    """Everything that a decoder says until its end."""
    all_of_it = Decoded()
    while all_of_it.end is None:
        match say(video):
            case VideoInfo() as info:
                all_of_it.info = info
            case VideoEnd() as end:
                all_of_it.end = end
            case VideoFrame() as frame:
                all_of_it.times.append(frame.time)
                if frame.image is not None:
                    all_of_it.numbers.append(frame.number)
                    all_of_it.images.append(frame.image.copy())
                    video.give_back(frame)
    return all_of_it
