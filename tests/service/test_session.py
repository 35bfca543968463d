"""Sessions by themselves: cancelled, refused and left waiting, they end and lose no frame."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from models.embed_colour import ColourEmbedder
from models.fake import FakeDetector
from models.types import DetectOptions, Image
from service.decoding.decoders import Decoders
from service.decoding.errors import DecoderTimeout
from service.decoding.frames import bytes_for
from service.decoding.task import Job
from service.decoding.video import Video
from service.errors import QueueFull
from service.inference.batching import Batcher
from service.inference.items import Inference
from service.tracks.session import FrameTracks, Session, SessionOptions
from tests.service.clips import HEIGHT, WIDTH, clip
from tests.service.gate import WAIT, Gate
from tests.service.serving import serving
from tests.service.test_track_faults import is_idle
from tests.service.wire import wait_until
from tracker.presets import make_tracker


def test_a_decoder_that_stands_still_is_given_up() -> None:
    with Decoders() as decoders, serving() as (_, app):
        video = Video(decoders, Job(demuxer="mov", ring_bytes=bytes_for(WIDTH * HEIGHT)))
        assert video.feed is not None
        os.kill(video.pid, signal.SIGSTOP)
        session = Session(
            "still",
            video,
            app.state.models.batcher("fake"),
            make_tracker("sort"),
            None,
            SessionOptions(DetectOptions(), hang_seconds=0.2),
        )
        with video.feed, closing(session), pytest.raises(DecoderTimeout, match="no frame"):
            list(session.run())


def test_a_cancelled_session_stops_wherever_it_is() -> None:
    data = clip("mp4", 12)
    gate = Gate()
    with Decoders() as decoders, serving(lambda name: FakeDetector(gate)) as (_, app):
        video = Video(decoders, Job(demuxer="mov", ring_bytes=bytes_for(WIDTH * HEIGHT)))
        assert video.feed is not None
        with video.feed:
            video.feed.sendall(data)
        batcher = app.state.models.batcher("fake")
        options = SessionOptions(DetectOptions())
        session = Session("gone", video, batcher, make_tracker("sort"), None, options)
        gate.shut()

        def cancel() -> None:
            gate.wait_entered()
            session.cancel(Gone())

        canceller = threading.Thread(target=cancel)
        canceller.start()
        with pytest.raises(Gone):
            assert not [said for said in session.run() if isinstance(said, FrameTracks)]
        canceller.join(WAIT)
        assert not Path(f"/proc/{video.pid}").exists()
        gate.open()
        wait_until(lambda: is_idle(app))


def whole_video(decoders: Decoders, frames: int) -> Video:
    """A video that has been sent to its decoder from beginning to end."""
    video = Video(decoders, Job(demuxer="mov", ring_bytes=bytes_for(WIDTH * HEIGHT)))
    assert video.feed is not None
    with video.feed:
        video.feed.sendall(clip("mp4", frames))
    return video


class Busy:
    """A detector whose queue is full every other time."""

    def __init__(self, batcher: Batcher) -> None:
        self._batcher = batcher
        self._asked = 0

    def submit(self, image: Image, options: DetectOptions, **how: Any) -> Future[Inference]:
        """Queue an image, or refuse it."""
        self._asked += 1
        if self._asked % 2:
            raise QueueFull("the queue is full")
        return self._batcher.submit(image, options, **how)


class Watched:
    """A detector that notes whether the network of images was wanted."""

    def __init__(self, batcher: Batcher) -> None:
        self._batcher = batcher
        self.exact: set[bool] = set()

    def submit(self, image: Image, options: DetectOptions, **how: Any) -> Future[Inference]:
        """Queue an image."""
        self.exact.add(options.exact)
        return self._batcher.submit(image, options, **how)


@pytest.mark.parametrize("embedder", [None, ColourEmbedder()], ids=["motion", "appearance"])
def test_a_cheaper_network_will_do_where_appearance_tells_objects_apart(
    embedder: ColourEmbedder | None,
) -> None:
    with Decoders() as decoders, serving() as (_, app):
        video = whole_video(decoders, 3)
        watched = Watched(app.state.models.batcher("fake"))
        options = SessionOptions(DetectOptions())
        list(Session("s", video, watched, make_tracker("deepsort"), embedder, options).run())
    assert watched.exact == {embedder is None}


def test_a_full_queue_loses_no_frame() -> None:
    with Decoders() as decoders, serving() as (_, app):
        video = whole_video(decoders, 12)
        busy = Busy(app.state.models.batcher("fake"))
        options = SessionOptions(DetectOptions())
        session = Session("busy", video, busy, make_tracker("sort"), None, options)
        frames = [said.number for said in session.run() if isinstance(said, FrameTracks)]
    assert frames == list(range(12))


class Gone(Exception):
    """Why a test cancels a session."""
