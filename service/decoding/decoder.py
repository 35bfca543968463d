"""Decodes one video in a process of its own; runs in children of the fork server alone.

Imports PyAV and NumPy and nothing of the service that is heavy. It gets three descriptors (control,
input, shared memory), and may open no other. What it says on the control connection is JSON, one
object a message; what it hears there are the numbers of slots that are free again.

::

    {"type": "header", "width", "height", "fps", "frames"}
    {"type": "frame", "frame", "time", "slot", "took", "at"}
    {"type": "end", "damaged", "complete"} or {"type": "error", "code", "message"}

A frame's ``slot`` is null where it was decoded and not asked for; ``took`` are the seconds of its
decoding, without any waiting, and ``at`` is when it was done, on the clock of all processes.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from multiprocessing.connection import Connection
from typing import Any, NoReturn

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from service.decoding.confine import allow_cpu
from service.decoding.frames import Ring
from service.decoding.task import Job

DEFAULT_FPS = 25.0
"""Assumed only for the times of frames that have neither timestamps nor a rate."""
MOST_STREAMS = 32
OPEN_OPTIONS = {
    # What is looked at before the first frame: enough for every stream's parameters, and little
    # enough that a slow upload is answered early.
    "probesize": "1048576",
    "analyzeduration": "500000",
    "protocol_whitelist": "",
}


class Refused(Exception):
    """The video cannot be decoded, or not within the limits."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Source:
    """The input as the demuxer reads it; seekable only where it is a file."""

    def __init__(self, descriptor: int, seekable: bool) -> None:
        self._descriptor = descriptor
        self._seekable = seekable

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes, as soon as there are any; none at the end."""
        return os.read(self._descriptor, size)

    def seek(self, offset: int, whence: int) -> int:
        """Move within the file."""
        return os.lseek(self._descriptor, offset, whence)

    def tell(self) -> int:
        """Position within the file."""
        return os.lseek(self._descriptor, 0, os.SEEK_CUR)

    def seekable(self) -> bool:
        """Whether `seek` may be called."""
        return self._seekable


def decode(control: Connection, source: Source, ring: Ring, job: Job) -> None:
    """Decode the video and say how it ended, whichever way it did."""
    try:
        decoding = _Decoding(control, ring, job)
        complete = decoding.run(source)
        _say(control, type="end", damaged=decoding.damaged, complete=complete)
    except Refused as refusal:
        _say(control, type="error", code=refusal.code, message=str(refusal))
    except MemoryError:
        text = f"decoding needs more than the {job.memory >> 20} MiB that a decoder may use"
        _say(control, type="error", code="frame-too-large", message=text)


def _say(control: Connection, **message: Any) -> None:
    control.send_bytes(json.dumps(message).encode())


@dataclass(slots=True)
class _Decoding:
    """One video on its way through the decoder."""

    control: Connection
    ring: Ring
    job: Job
    reformatter: VideoReformatter = field(default_factory=VideoReformatter)
    free: list[int] = field(default_factory=list)
    width: int = 0
    height: int = 0
    frames: int = 0
    damaged: int = 0
    time: float = 0.0
    took: float = 0.0
    first_time: float | None = None
    frame_duration: float = 1 / DEFAULT_FPS

    def run(self, source: Source) -> bool:
        """Decode all of it, or what was asked for; answers whether it was all."""
        allow_cpu(self.job.frame_cpu_s)
        container = _open(source, self.job.demuxer)
        stream = _video_stream(container)
        self._check_size(stream.codec_context.width, stream.codec_context.height)
        stream.codec_context.thread_count = self.job.threads
        stream.thread_type = "AUTO"
        for frame in self._decoded(container, stream):
            if self.frames == 0:
                self._announce(frame, stream)
            self._hand_over(frame)
            self.frames += 1
            if self.frames == self.job.end:
                return False
            allow_cpu(self.job.frame_cpu_s)
        if self.frames == 0:
            raise Refused("no-frames", "the video has no frame that can be decoded")
        return True

    def _decoded(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        """The frames in order; a packet that cannot be decoded is counted and left out."""
        tail_is_damaged = False
        for packet in self._packets(container, stream):
            began = time.monotonic()
            try:
                frames = stream.codec_context.decode(packet)
            except MemoryError:
                raise
            except FFmpegError:
                self.damaged += 1
                tail_is_damaged = True
                continue
            finally:
                self.took += time.monotonic() - began
            tail_is_damaged = tail_is_damaged and not frames
            yield from frames
        if tail_is_damaged and self.frames:
            raise Refused(
                "damaged-video", f"the video cannot be decoded after frame {self.frames - 1}"
            )

    def _packets(
        self, container: InputContainer, stream: VideoStream
    ) -> Iterator[Packet[VideoStream] | None]:
        """The packets, and at last None, which makes the decoder give out what it holds back."""
        try:
            for packet in container.demux(stream):
                if packet.size:
                    yield packet
        except FFmpegError:
            self.damaged += 1
        yield None

    def _announce(self, frame: VideoFrame, stream: VideoStream) -> None:
        self.width, self.height = frame.width, frame.height
        if _quarter_turns(frame) % 2:
            self.width, self.height = frame.height, frame.width
        self._check_size(self.width, self.height)
        count = stream.frames or None
        rate = _rate(stream)
        if rate:
            self.frame_duration = 1 / rate
        if count is not None and count > self.job.max_frames:
            raise Refused("video-too-long", self._too_many(count))
        _say(
            self.control,
            type="header",
            width=self.width,
            height=self.height,
            fps=rate,
            frames=count,
        )
        self.free = list(range(self.ring.shape_as(self.width, self.height)))

    def _too_many(self, frames: int) -> str:
        return f"at most {self.job.max_frames} frames are taken, the video has {frames} or more"

    def _check_size(self, width: int, height: int) -> None:
        job = self.job
        if width * height > job.max_pixels or max(width, height) > job.max_side:
            raise Refused(
                "frame-too-large",
                f"frames of at most {job.max_pixels} pixels and sides of at most {job.max_side} "
                f"are taken, got {width}x{height}",
            )

    def _hand_over(self, frame: VideoFrame) -> None:
        """Write the frame into a free slot, where it is wanted, and say so."""
        if self.frames >= self.job.max_frames:
            raise Refused("video-too-long", self._too_many(self.frames + 1))
        self._check_size(frame.width, frame.height)
        self._advance(frame)
        slot = None
        if self.job.wants(self.frames):
            slot = self.free.pop(0) if self.free else self.control.recv_bytes(1)[0]
            began = time.monotonic()
            self._write(frame, slot)
            self.took += time.monotonic() - began
        took, self.took = self.took, 0.0
        _say(
            self.control,
            type="frame",
            frame=self.frames,
            time=self.time,
            slot=slot,
            took=took,
            at=time.monotonic(),
        )

    def _advance(self, frame: VideoFrame) -> None:
        """Set the time: seconds after the first frame, always growing."""
        stamp = None if frame.pts is None or frame.time_base is None else float(frame.time)
        if stamp is not None and self.first_time is None:
            self.first_time = stamp - (self.frames * self.frame_duration)
        if self.frames:
            earliest = self.time
            self.time += self.frame_duration
            if stamp is not None and self.first_time is not None:
                since = round(stamp - self.first_time, 6)
                self.time = since if since > earliest else self.time
        if self.time > self.job.max_seconds:
            raise Refused("video-too-long", f"at most {self.job.max_seconds:g} seconds are taken")

    def _write(self, frame: VideoFrame, slot: int) -> None:
        """Copy the frame's pixels, upright and of the first frame's size, into the slot."""
        turns = _quarter_turns(frame)
        width, height = (self.height, self.width) if turns % 2 else (self.width, self.height)
        threads = self.job.threads  # as many as cores, unless it is told: they wake for nothing
        picture = self.reformatter.reformat(frame, width, height, "bgr24", threads=threads)
        plane = picture.planes[0]
        shape, strides = (height, width, 3), (plane.line_size, 3, 1)
        pixels = np.ndarray(shape, np.uint8, memoryview(plane), strides=strides)
        np.copyto(self.ring.image(slot), np.rot90(pixels, turns) if turns else pixels)


def _open(source: Source, demuxer: str) -> InputContainer:
    try:
        return av.open(
            source,
            mode="r",
            format=demuxer,
            # No container within it may be opened by another demuxer, as AVI does with subtitles.
            options=OPEN_OPTIONS | {"format_whitelist": demuxer},
            metadata_errors="replace",
            io_open=_refuse_other_files,
        )
    except MemoryError:
        raise
    except (FFmpegError, ValueError, UnicodeError) as error:
        raise Refused(
            "unreadable-video",
            "the video cannot be read: it is damaged, or its beginning is missing",
        ) from error


def _refuse_other_files(*_: object, **__: object) -> NoReturn:
    raise Refused("unreadable-video", "the video names another file; only one file can be sent")


def _video_stream(container: InputContainer) -> VideoStream:
    if len(container.streams) > MOST_STREAMS:
        raise Refused("unreadable-video", f"at most {MOST_STREAMS} streams are taken")
    for stream in container.streams.video:
        # A cover picture is no video.
        known = getattr(stream, "codec_context", None) is not None
        if known and not stream.disposition & Disposition.attached_pic:
            return stream
    raise Refused("no-frames", "the file has no video stream that can be decoded here")


def _rate(stream: VideoStream) -> float | None:
    rate: Fraction | None = stream.average_rate or stream.guessed_rate
    return round(float(rate), 6) if rate else None


def _quarter_turns(frame: VideoFrame) -> int:
    """Quarter turns counter-clockwise that put the frame upright, from its display matrix."""
    return round(frame.rotation / 90) % 4
