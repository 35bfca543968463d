"""What a decoder process is asked to do; imported on both sides, so it imports nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass

MOST_THREADS = 4


def decoding_threads() -> int:
    """Threads for one decoder on this machine: one for every four cores, at most four.

    The network needs the cores more than the decoder does, and on few of them a second thread
    only adds a frame of delay.
    """
    return max(1, min(MOST_THREADS, (os.cpu_count() or 1) // 4))


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be decoded, and within which limits.

    Attributes
    ----------
    demuxer : str
        FFmpeg's name of the one demuxer that may be used.
    ring_bytes : int
        Size of the shared memory.
    start, end, stride : int
        Frames that are wanted, as in ``frames[start:end:stride]``; end None is the last.
    max_pixels, max_side, max_frames : int
        Limits of one frame, width times height and the longer of them, and of the video.
    max_seconds : float
        Limit of the video's length.
    frame_cpu_s : float
        CPU seconds that one frame may take.
    memory : int
        Bytes of address space.
    threads : int
        Decoding threads.
    """

    demuxer: str
    ring_bytes: int
    start: int = 0
    end: int | None = None
    stride: int = 1
    max_pixels: int = 7680 * 4320
    max_side: int = 7680
    max_frames: int = 1_000_000
    max_seconds: float = 21_600.0
    frame_cpu_s: float = 10.0
    memory: int = 1 << 31
    threads: int = 1

    def wants(self, frame: int) -> bool:
        """Whether that frame is one of those asked for."""
        return frame >= self.start and (frame - self.start) % self.stride == 0
