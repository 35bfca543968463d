"""The server's side of one video that is decoded in a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import orjson

from models.types import Image
from service.decoding.decoders import Decoders
from service.decoding.errors import TOLD_BY_DECODERS, DecoderFailed, DecoderTimeout
from service.decoding.frames import Ring, create_ring
from service.decoding.task import Job
from service.errors import ServiceError

LONGEST_MESSAGE = 4096


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What is known of a video once its first frame is decoded.

    Attributes
    ----------
    width, height : int
        Pixels of the upright picture.
    fps : float or None
        Nominal frames a second, where the file says it.
    frames : int or None
        How many frames there are, where the file says it.
    """

    width: int
    height: int
    fps: float | None
    frames: int | None


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """A decoded frame.

    Attributes
    ----------
    number : int
        From 0.
    time : float
        Seconds after the first frame.
    image : uint8 [H, W, 3] or None
        In shared memory, overwritten once the frame is released; None where the frame was not
        among those asked for.
    slot : int or None
        Where in the ring the image is.
    decode_seconds : float
        What its decoding took, without any waiting.
    decoded_at : float
        ``time.monotonic`` when it was decoded.
    """

    number: int
    time: float
    image: Image | None
    slot: int | None
    decode_seconds: float
    decoded_at: float


@dataclass(frozen=True, slots=True)
class VideoEnd:
    """The video is over.

    Attributes
    ----------
    damaged : int
        Packets that could not be decoded and were left out.
    complete : bool
        Whether all of the file was decoded, and not only the frames that were asked for.
    """

    damaged: int
    complete: bool


class Video:
    """One video and the process that decodes it; for one thread alone.

    Parameters
    ----------
    decoders : Decoders
        Where the process comes from.
    job : Job
        What is to be decoded.
    file : int, optional
        Descriptor of a file on disk. Without one the bytes are to be written to ``feed``.

    Attributes
    ----------
    pid : int
        The decoder process.
    feed : socket or None
        Where the bytes of the file go; closing it ends the file. It is the caller's to close.
    """

    def __init__(self, decoders: Decoders, job: Job, file: int | None = None) -> None:
        self._decoders = decoders
        self._status: int | None = None
        with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
            control, their_control = socket.socketpair()
            ours.enter_context(control)
            theirs.enter_context(their_control)
            self.feed: socket.socket | None = None
            if file is None:
                self.feed, source = socket.socketpair()
                ours.enter_context(self.feed)
                file = theirs.enter_context(source).fileno()
            ring = create_ring(job.ring_bytes)
            theirs.callback(os.close, ring)
            self._ring = Ring(ring, job.ring_bytes)
            self.pid = decoders.fork(job, (their_control.fileno(), file, ring))
            ours.pop_all()
        self._control = Connection(control.detach())

    def fileno(self) -> int:
        """Readable when `receive` would not wait."""
        return self._control.fileno()

    def receive(self) -> VideoInfo | VideoFrame | VideoEnd:
        """What the decoder says next; waits for it.

        Raises
        ------
        UnreadableMedia, TooLarge
            The video cannot be decoded or is over a limit, or the decoder died.
        """
        try:
            message = orjson.loads(self._control.recv_bytes(LONGEST_MESSAGE))
            return self._understood(message)
        except ServiceError:
            raise
        except (EOFError, OSError, ValueError, KeyError, TypeError) as error:
            raise self._post_mortem() from error

    def _understood(self, message: dict[str, Any]) -> VideoInfo | VideoFrame | VideoEnd:
        match message["type"]:
            case "header":
                info = VideoInfo(*(message[key] for key in ("width", "height", "fps", "frames")))
                self._ring.shape_as(info.width, info.height)
                return info
            case "frame":
                number, seconds, slot = message["frame"], message["time"], message["slot"]
                image = None if slot is None else self._ring.image(slot)
                took, at = float(message["took"]), float(message["at"])
                return VideoFrame(number, seconds, image, slot, took, at)
            case "end":
                return VideoEnd(message["damaged"], message["complete"])
            case _:
                raise TOLD_BY_DECODERS[message["code"]](message["message"])

    def give_back(self, frame: VideoFrame) -> None:
        """Let the decoder overwrite the frame's image."""
        if frame.slot is not None:
            # A decoder that is done or dead takes nothing back; `receive` tells which.
            with contextlib.suppress(OSError):
                self._control.send_bytes(bytes([frame.slot]))

    def _post_mortem(self) -> ServiceError:
        status = self.close()
        if status == -signal.SIGXCPU:
            return DecoderTimeout("a frame took longer to decode than is allowed")
        return DecoderFailed(f"the decoder died on this video (exit status {status})")

    def close(self) -> int:
        """Stop the decoder, whatever it does, and answer its exit status; may be called twice."""
        if self._status is None:
            self._control.close()
            self._ring.close()
            self._status = self._decoders.release(self.pid)
        return self._status
