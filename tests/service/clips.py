"""Small videos with coloured rectangles that move, made on the spot with PyAV."""

from __future__ import annotations

import io
import struct
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, FPS = 160, 120, 10
GREY = 90
AS_LONG_AS = 60
"""Frames of a clip that is long enough to be answered while it is sent."""

CODECS = {
    "mp4": "libx264",
    "mov": "libx264",
    "matroska": "libx264",
    "webm": "libvpx",
    "avi": "mpeg4",
    "mpegts": "libx264",
    "mjpeg": "mjpeg",
    "gif": "gif",
}
"""A codec for each muxer."""
INDEX_FIRST = {"mp4": {"movflags": "faststart"}, "mov": {"movflags": "faststart"}}
INDEX_LAST: dict[str, str] = {}
PIXELS = {"mjpeg": "yuvj420p", "gif": "rgb8"}


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """Frame ``number``, blue-green-red: a red rectangle goes right, a green one goes down."""
    image = np.full((height, width, 3), GREY, np.uint8)
    x, y = 10 + 2 * (number % 30), 10 + number % 60
    image[20:60, x : x + 30] = (0, 0, 230)
    image[y : y + 30, 110:150] = (0, 220, 0)
    return image


def clip(
    container: str = "mp4",
    frames: int = 20,
    *,
    options: dict[str, str] | None = None,
    times: list[int] | None = None,
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> bytes:
    """A video of `picture`.

    Parameters
    ----------
    container : str
        A key of `CODECS`.
    frames : int
        How many.
    options : dict, optional
        The muxer's; None puts the index first.
    times : list of int, optional
        Milliseconds of each frame, for a variable rate.
    size : tuple of int
        Width and height.
    """
    chosen = INDEX_FIRST.get(container, {}) if options is None else options
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip"
        with av.open(str(path), "w", format=container, options=chosen) as out:
            stream = out.add_stream(CODECS[container], rate=1000 if times else FPS)
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height = size
            stream.pix_fmt = PIXELS.get(container, "yuv420p")
            # The bytes are not to depend on how many cores there are.
            stream.codec_context.thread_count = 1
            stream.codec_context.gop_size = 5
            stream.codec_context.max_b_frames = 0
            if CODECS[container] == "libx264":
                stream.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "18"}
            for number in range(frames):
                frame = av.VideoFrame.from_ndarray(picture(number, *size), "bgr24")
                if times is not None:
                    frame.time_base = Fraction(1, 1000)
                    frame.pts = times[number]
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        return path.read_bytes()


def sound() -> bytes:
    """An MP4 with a second of silence and no picture."""
    target = io.BytesIO()
    with av.open(target, "w", format="mp4", options={"movflags": "empty_moov"}) as out:
        stream = out.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return target.getvalue()


def turned(mp4: bytes) -> bytes:
    """The same MP4, marked to be shown turned clockwise by a quarter (ISO 14496-12, 8.3.2)."""
    matrix = mp4.index(b"tkhd") + 4 + 40
    one = 1 << 16
    quarter = struct.pack(">9i", 0, one, 0, -one, 0, 0, HEIGHT * one, 0, 1 << 30)
    return mp4[:matrix] + quarter + mp4[matrix + len(quarter) :]


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    """The bytes in pieces of ``size``."""
    for start in range(0, len(data), size):
        yield data[start : start + size]
