"""What the first bytes of a picture say: its type and its size, before anything is decoded.

The formats: ISO/IEC 10918-1 (JPEG) annex B, the PNG specification section 11.2.2, RFC 9649 (WebP)
section 2, and the header structures of the Windows bitmap.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from service.errors import UnreadableMedia, UnsupportedMedia

TAKEN = "JPEG, PNG, WebP and BMP are taken"

# Types that are recognised only to be refused by name.
_NOT_TAKEN = (
    (b"GIF8", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"%PDF", "PDF"),
    (b"\x00\x00\x01\x00", "ICO"),
    (b"8BPS", "Photoshop"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x1aE\xdf\xa3", "Matroska"),
    (b"<svg", "SVG"),
)
_MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
_MOST_SEGMENTS = 1000
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_CORE_HEADER = 12  # bytes of the oldest bitmap header, whose sizes are 16-bit


@dataclass(frozen=True, slots=True)
class Header:
    """Type and size of a picture as its header claims them.

    Attributes
    ----------
    kind : str
        JPEG, PNG, WEBP or BMP.
    width, height : int
        In pixels, before any rotation.
    """

    kind: str
    width: int
    height: int


def read_header(data: bytes) -> Header:
    """Type and size of a picture.

    Raises
    ------
    UnsupportedMedia
        It is of a type that is not taken.
    UnreadableMedia
        It is no picture, or its header is damaged or incomplete.
    """
    for magic, read in _READERS.items():
        if data.startswith(magic):
            try:
                header = read(data)
            except struct.error as error:
                raise UnreadableMedia("the picture ends before its header does") from error
            if header.width < 1 or header.height < 1:
                raise UnreadableMedia(f"a {header.kind} of no pixels is no picture")
            return header
    for magic, name in _NOT_TAKEN:
        if data.startswith(magic):
            raise UnsupportedMedia(f"{TAKEN}, this is {name}")
    if data[4:8] == b"ftyp":
        raise UnsupportedMedia(f"{TAKEN}, this is HEIF, AVIF or MP4")
    raise UnreadableMedia(f"this is not a picture: {TAKEN}")


def _jpeg(data: bytes) -> Header:
    """Walk from marker to marker until the one that starts the frame."""
    at = 2
    for _ in range(_MOST_SEGMENTS):
        found = _MARKER.search(data, at)
        if found is None:
            raise UnreadableMedia("the JPEG is cut off: it ends before its size is said")
        marker, at = found[1][0], found.end()
        if marker in _START_OF_FRAME:
            height, width = struct.unpack_from(">HH", data, at + 3)
            return Header("JPEG", width, height)
        if marker in (_START_OF_SCAN, _END_OF_IMAGE):
            raise UnreadableMedia("a JPEG without a frame header is no picture")
        if marker not in _STANDALONE:
            at += struct.unpack_from(">H", data, at)[0]
    raise UnreadableMedia(f"a JPEG with over {_MOST_SEGMENTS} segments before its size is not read")


def _png(data: bytes) -> Header:
    if data[12:16] != b"IHDR":
        raise UnreadableMedia("a PNG must begin with its header chunk, this one does not")
    width, height = struct.unpack_from(">II", data, 16)
    return Header("PNG", width, height)


def _webp(data: bytes) -> Header:
    size, form, chunk = struct.unpack_from("<I4s4s", data, 4)
    if form != b"WEBP":
        raise UnsupportedMedia(f"{TAKEN}, this is another kind of RIFF file")
    if size + 8 > len(data):
        raise UnreadableMedia("the WebP is cut off: it ends before the picture is complete")
    if chunk == b"VP8X":
        low = struct.unpack_from("<HBHB", data, 24)
        return Header("WEBP", (low[0] | low[1] << 16) + 1, (low[2] | low[3] << 16) + 1)
    if chunk == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return Header("WEBP", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if chunk == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return Header("WEBP", width & 0x3FFF, height & 0x3FFF)
    raise UnreadableMedia("the WebP holds no picture")


def _bmp(data: bytes) -> Header:
    (size,) = struct.unpack_from("<I", data, 14)
    if size == _CORE_HEADER:
        width, height = struct.unpack_from("<HH", data, 18)
    else:
        # A negative height says that the rows go from the top down.
        width, height = struct.unpack_from("<ii", data, 18)
    return Header("BMP", width, abs(height))


_READERS = {
    b"\xff\xd8\xff": _jpeg,
    b"\x89PNG\r\n\x1a\n": _png,
    b"RIFF": _webp,
    b"BM": _bmp,
}
