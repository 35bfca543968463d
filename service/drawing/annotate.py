"""A video file with the boxes, IDs and trails of its tracks drawn onto its frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from service.decoding.decoders import Decoders
from service.decoding.video import VideoEnd, VideoInfo
from service.decoding.video_file import open_video
from service.drawing.render import TrackPainter
from service.drawing.videowriter import VideoWriter

FALLBACK_FPS = 25.0  # of a file that does not say


def annotate_video(
    path: Path, frames: Iterable[Mapping[str, Any]], out: Path, decoders: Decoders
) -> Iterator[int]:
    """Draw tracks onto the frames that they belong to.

    Parameters
    ----------
    path : Path
        The file that was tracked.
    frames : iterable of mapping
        The ``frame`` lines of its track stream, in order. Frames without a line are left out.
    out : Path
        The MP4 that is written.
    decoders : Decoders
        Where the decoder process comes from.

    Yields
    ------
    int
        The number of each frame once it is written.

    Raises
    ------
    InvalidInput
        The video cannot be decoded.
    """
    tracked = iter(frames)
    line = next(tracked, None)
    painter = TrackPainter()
    with open_video(path, decoders) as video:
        info = video.receive()
        if not isinstance(info, VideoInfo):
            return
        with VideoWriter(out, info.width, info.height, info.fps or FALLBACK_FPS) as writer:
            while line is not None and not isinstance(frame := video.receive(), VideoEnd):
                if isinstance(frame, VideoInfo) or frame.image is None:
                    continue
                if frame.number == line["frame"]:
                    writer.write(painter.draw(frame.image, line["objects"]), frame.time)
                    yield frame.number
                    line = next(tracked, None)
                video.give_back(frame)
