"""Decoding a video file of one's own, for the command line, the demonstration and jobs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.errors import InvalidInput
from service.decoding.containers import HEAD_BYTES, recognise
from service.decoding.decoders import Decoders
from service.decoding.frames import bytes_for
from service.decoding.task import Job
from service.decoding.video import Video

MOST_PIXELS = 7680 * 4320


@contextmanager
def open_video(path: Path, decoders: Decoders) -> Iterator[Video]:
    """Start a decoder on a file.

    Parameters
    ----------
    path : Path
        The file.
    decoders : Decoders
        Where the decoder process comes from.

    Raises
    ------
    InvalidInput
        There is no such file, or it is not a video of a kind that is taken.
    """
    if not path.is_file():
        raise InvalidInput(f"a video file is expected, but there is none at {path}")
    # Unbuffered: the decoder goes on where the descriptor itself is.
    with path.open("rb", buffering=0) as file:
        container = recognise(file.read(HEAD_BYTES))
        file.seek(0)
        job = Job(container.value, ring_bytes=bytes_for(MOST_PIXELS), max_pixels=MOST_PIXELS)
        video = Video(decoders, job, file.fileno())
        try:
            yield video
        finally:
            video.close()
