"""Which container a video comes in, told from its first bytes alone.

The demuxer is forced to what is recognised here, so no input can talk FFmpeg into a playlist, a
session description or a list of other files: those are named and refused. For MP4 and MOV the
order of the top-level boxes says whether frames can be decoded while the file still arrives.

Sources: ISO/IEC 14496-12 (boxes), RFC 8794 (EBML), RFC 9559 (Matroska), ISO/IEC 13818-1 (transport
stream packets), Microsoft's AVI RIFF reference with the OpenDML extension, GIF89a.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from service.errors import UnreadableMedia, UnsupportedMedia

HEAD_BYTES = 1024
"""No container here needs more than this to be recognised."""


class Container(enum.Enum):
    """A kind of video file; the value is the name of FFmpeg's demuxer for it."""

    MP4 = "mov"
    MATROSKA = "matroska"
    AVI = "avi"
    MPEG_TS = "mpegts"
    MJPEG = "mjpeg"
    GIF = "gif"


TAKEN = "MP4, MOV, MKV, WebM, AVI, MPEG-TS, MJPEG, GIF"

_MP4_FIRST_BOXES = {b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"}
_LISTS = (
    (b"#EXTM3U", "an HLS playlist"),
    (b"ffconcat", "a concat list"),
    (b"<?xml", "an XML manifest"),
    (b"<MPD", "a DASH manifest"),
    (b"v=0", "a session description (SDP)"),
)
_NOT_TAKEN = (
    (b"FLV\x01", "Flash video"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "Windows Media (ASF)"),
    (b"OggS", "Ogg"),
    (b"\x00\x00\x01\xba", "an MPEG program stream"),
    (b"RIFF", "RIFF, and not AVI"),
    (b"\x89PNG", "a PNG"),
    (b"BM", "a BMP"),
)


def recognise(head: bytes) -> Container:
    """The container that starts with ``head``.

    Parameters
    ----------
    head : bytes
        The first ``HEAD_BYTES`` of the file, or all of it where it is shorter.

    Raises
    ------
    UnsupportedMedia
        A playlist, or a kind of file that is not taken.
    UnreadableMedia
        Bytes that start no kind of file that is known here.
    """
    if head[4:8] in _MP4_FIRST_BOXES:
        return Container.MP4
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return Container.MATROSKA
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return Container.AVI
    if head.startswith((b"GIF87a", b"GIF89a")):
        return Container.GIF
    if head.startswith(b"\xff\xd8\xff"):
        return Container.MJPEG
    if _is_transport_stream(head):
        return Container.MPEG_TS
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for start, what in _LISTS:
        if text.startswith(start):
            raise UnsupportedMedia(
                f"expected a video file ({TAKEN}), got {what}, which names other files; "
                "send the video itself"
            )
    for magic, name in _NOT_TAKEN:
        if head.startswith(magic):
            raise UnsupportedMedia(f"expected a video file ({TAKEN}), got {name}")
    raise UnreadableMedia(f"expected a video file ({TAKEN}); these bytes start none of them")


def _is_transport_stream(head: bytes) -> bool:
    """Whether sync bytes stand a packet apart: 188 bytes, or 192 with a time code before each."""
    for first, step in ((0, 188), (4, 192)):
        syncs = head[first::step][:4]
        if len(syncs) >= 2 and set(syncs) == {0x47}:
            return True
    return len(head) == 188 and head[0] == 0x47


@dataclass(frozen=True, slots=True)
class Element:
    """A top-level piece of a container.

    Attributes
    ----------
    name : bytes
        Box type, chunk id or EBML id.
    size : int or None
        Bytes, header included; None where it lasts to the end of the file.
    """

    name: bytes
    size: int | None


def read_box(data: bytes) -> Element | None:
    """The MP4 box whose header ``data`` starts with; None where more bytes are needed."""
    if len(data) < 8:
        return None
    size, name = int.from_bytes(data[:4], "big"), data[4:8]
    if size == 1:
        if len(data) < 16:
            return None
        size = int.from_bytes(data[8:16], "big")
        return Element(name, size if size >= 16 else None)
    return Element(name, size if size >= 8 else None)


def read_chunk(data: bytes) -> Element | None:
    """The RIFF chunk whose header ``data`` starts with; None where more bytes are needed."""
    if len(data) < 8:
        return None
    size = int.from_bytes(data[4:8], "little")
    # A writer that could not seek back leaves the size open.
    if size in (0, 0xFFFFFFFF):
        return Element(data[:4], None)
    return Element(data[:4], 8 + size + size % 2)


def read_ebml(data: bytes) -> Element | None:
    """The EBML element whose header ``data`` starts with; None where more bytes are needed."""
    if not data:
        return None
    id_length = 9 - data[0].bit_length()
    if id_length > 4:
        return Element(b"", None)
    if len(data) <= id_length:
        return None
    size_length = 9 - data[id_length].bit_length()
    header = id_length + size_length
    if size_length > 8:
        return Element(data[:id_length], None)
    if len(data) < header:
        return None
    bits = 7 * size_length
    size = int.from_bytes(data[id_length:header], "big") & ((1 << bits) - 1)
    unknown = size == (1 << bits) - 1
    return Element(data[:id_length], None if unknown else header + size)


_READERS: dict[Container, Callable[[bytes], Element | None]] = {
    Container.MP4: read_box,
    Container.AVI: read_chunk,
    Container.MATROSKA: read_ebml,
}
_LONGEST_HEADER = 16


class Outline:
    """The top-level structure of a file, followed while its bytes pass by.

    Parameters
    ----------
    container : Container
        What the file is. Transport streams, MJPEG and GIF have no structure of this kind; of
        those nothing is ever missing.
    """

    def __init__(self, container: Container) -> None:
        self.container = container
        self._read = _READERS.get(container)
        self._names: list[bytes] = []
        self._header = b""
        self._left = 0

    def feed(self, data: bytes) -> None:
        """Follow the next bytes of the file, in pieces of any size."""
        position = 0
        while self._read is not None and position < len(data):
            skipped = min(self._left, len(data) - position)
            self._left -= skipped
            position += skipped
            if position == len(data):
                return
            known = len(self._header)
            self._header += data[position : position + _LONGEST_HEADER - known]
            element = self._read(self._header)
            if element is None:
                return
            if len(self._names) < 64:
                self._names.append(element.name)
            if element.size is None:
                self._read = None
                return
            # Some of the header's own bytes may have come in an earlier piece.
            self._left = element.size - known
            self._header = b""

    @property
    def streamable(self) -> bool | None:
        """Whether frames can be decoded before the file is complete; None while unknown.

        Only MP4 and MOV may keep their index (``moov``) behind the pictures (``mdat``).
        """
        if self.container is not Container.MP4:
            return True
        for name in self._names:
            if name == b"moov":
                return True
            if name == b"mdat":
                return False
        return None

    @property
    def has_index(self) -> bool:
        """Whether what a decoder needs to know first has begun to arrive."""
        return self.container is not Container.MP4 or b"moov" in self._names

    @property
    def missing(self) -> int:
        """Bytes that the file announces and that have not come; 0 where it announces nothing."""
        return self._left if self._read is not None else 0
