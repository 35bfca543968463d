"""The ring of shared memory through which a decoder hands its frames to the server.

The memory is an anonymous file: no name, so nothing is left behind whatever dies. Its size is
sealed before the decoder sees it, so a decoder gone wrong cannot shrink it under the server.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import sys
import tempfile

import numpy as np
from numpy.typing import NDArray

CHANNELS = 3
MOST_SLOTS = 8
LEAST_SLOTS = 2


def slots_for(size: int, width: int, height: int) -> int:
    """How many frames of ``width`` x ``height`` a ring of ``size`` bytes holds at once."""
    return min(MOST_SLOTS, size // (width * height * CHANNELS))


def bytes_for(pixels: int) -> int:
    """The size of a ring that holds at least two frames of ``pixels`` pixels."""
    return LEAST_SLOTS * pixels * CHANNELS


def create_ring(size: int) -> int:
    """A file descriptor of ``size`` bytes of shared memory, which use no memory until written."""
    if sys.platform != "linux":
        with tempfile.TemporaryFile() as file:
            os.ftruncate(file.fileno(), size)
            return os.dup(file.fileno())
    descriptor = os.memfd_create("frames", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size)
    seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


class Ring:
    """One end of the ring.

    The memory stays mapped for as long as an image of it is referenced anywhere, even after
    `close`, and goes with the last one.

    Parameters
    ----------
    descriptor : int
        From `create_ring`; may be closed afterwards.
    size : int
        Bytes of the ring.
    """

    def __init__(self, descriptor: int, size: int) -> None:
        self._memory = np.frombuffer(mmap.mmap(descriptor, size), np.uint8)
        self._shape = (0, 0, CHANNELS)

    def shape_as(self, width: int, height: int) -> int:
        """Divide the ring into slots of that many pixels; answers how many there are.

        Raises
        ------
        ValueError
            Fewer than two fit.
        """
        slots = slots_for(len(self._memory), width, height)
        if slots < LEAST_SLOTS:
            raise ValueError(f"{len(self._memory)} bytes hold {slots} frames of {width}x{height}")
        self._shape = (height, width, CHANNELS)
        return slots

    def image(self, slot: int) -> NDArray[np.uint8]:
        """The pixels of a slot, not copied: uint8 [H, W, 3], blue, green, red."""
        length = self._shape[0] * self._shape[1] * CHANNELS
        start = slot * length
        return self._memory[start : start + length].reshape(self._shape)

    def close(self) -> None:
        """Let go of the memory, of which images that are still referenced keep their share."""
        self._memory = np.zeros(0, np.uint8)
