"""What can be wrong with a video, as refusals of the service.

::

    UnreadableMedia          400
    ├── UnreadableVideo      its beginning cannot be read
    ├── NoFrames             it has no picture that can be decoded
    ├── TruncatedVideo       it ends before it is complete
    ├── DamagedVideo         from some frame on it cannot be decoded
    ├── DecoderFailed        the decoder died on it
    └── DecoderTimeout       a frame took longer than allowed
    TooLarge                 413
    ├── FrameTooLarge        pixels over the limit
    └── VideoTooLong         frames or seconds over the limit
    StorageFailed            507  the disk does not take an upload, or not give it back
"""

from __future__ import annotations

from service.errors import ServiceError, TooLarge, UnreadableMedia


class UnreadableVideo(UnreadableMedia):
    """The beginning of the video cannot be read."""

    code = "unreadable-video"


class NoFrames(UnreadableMedia):
    """The video has no picture that can be decoded."""

    code = "no-frames"


class TruncatedVideo(UnreadableMedia):
    """The video ends before it is complete."""

    code = "truncated-video"


class DamagedVideo(UnreadableMedia):
    """From some frame on the video cannot be decoded."""

    code = "damaged-video"


class DecoderFailed(UnreadableMedia):
    """The decoder died on the video, or was killed."""

    code = "decoder-failed"


class DecoderTimeout(UnreadableMedia):
    """A frame took longer to decode than is allowed."""

    code = "decoder-timeout"


class FrameTooLarge(TooLarge):
    """The frames have more pixels than are taken."""

    code = "frame-too-large"


class VideoTooLong(TooLarge):
    """The video has more frames or seconds than are taken."""

    code = "video-too-long"


class StorageFailed(ServiceError):
    """The disk does not take what must lie on it before it is decoded, or not give it back."""

    status, code = 507, "storage-failed"


TOLD_BY_DECODERS: dict[str, type[ServiceError]] = {
    kind.code: kind
    for kind in (UnreadableVideo, NoFrames, DamagedVideo, FrameTooLarge, VideoTooLong)
}
"""Of what a decoder says, only these codes are believed."""
