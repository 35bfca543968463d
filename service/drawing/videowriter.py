"""Writing an MP4 that every browser plays: H.264, 4:2:0, its index at the front."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np

from models.errors import InvalidInput
from models.types import Image

TIME_BASE = Fraction(1, 90_000)  # the usual clock of video; every common frame rate fits


class VideoWriter:
    """Encodes pictures into an MP4 file, each at the time that it is given.

    Parameters
    ----------
    path : Path
        The file; it is replaced if it is there.
    width, height : int
        Size in pixels of the pictures. The encoder takes even sizes only: an odd one loses its
        last column or row.
    fps : float
        Nominal frames a second, for players that ask.
    """

    def __init__(self, path: Path, width: int, height: int, fps: float) -> None:
        if width < 2 or height < 2:
            raise InvalidInput(f"a video of at least 2x2 pixels is expected, got {width}x{height}")
        self._size = (height - height % 2, width - width % 2)
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        rate = Fraction(fps).limit_denominator(1001)
        stream = self._container.add_stream("libx264", rate=rate, options={"preset": "veryfast"})
        stream.height, stream.width = self._size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = TIME_BASE
        self._stream = stream
        self._intact = True

    def write(self, image: Image, time: float) -> None:
        """Append a picture, uint8 [H, W, 3], shown from ``time`` seconds on.

        Raises
        ------
        OSError
            The disk has no room for it.
        """
        height, width = self._size
        cropped = np.ascontiguousarray(image[:height, :width])
        frame = av.VideoFrame.from_ndarray(cropped, format="bgr24")
        frame.pts = round(time / TIME_BASE)
        frame.time_base = TIME_BASE
        self._mux(frame)

    def close(self) -> None:
        """Write what the encoder still holds, and the index; raises as `write` does."""
        try:
            if self._intact:
                self._mux(None)
        finally:
            self._container.close()

    def _mux(self, frame: av.VideoFrame | None) -> None:
        # To go on after a header that could not be written would end the process (PyAV 18).
        self._intact = False
        self._container.mux(self._stream.encode(frame))
        self._intact = True

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
