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
# One byte is enough to find a marker: a repeated one would be tried again from each of its places.
_MARKER = re.compile(rb"\xff([^\x00\xff])", re.DOTALL)
_MOST_SEGMENTS = 1000
_MOST_STRAY = 1 << 16  # bytes between two segments of a JPEG; cameras leave a few
_MOST_CHUNKS = 20_000  # of a PNG; at the 8 KiB that encoders put into one, these are 160 MiB
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_CORE_HEADER = 12  # bytes of the oldest bitmap header, whose sizes are 16-bit
_RUN_LENGTHS = (1, 2)  # compressions of bitmaps whose few bytes can take seconds to unfold


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
        It is empty or no picture, or its header is damaged or incomplete.
    """
    if not data:
        raise UnreadableMedia("the body is empty; the bytes of a picture were expected")
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
    """Walk from marker to marker until the first scan; on the way the frame says its size."""
    at, header = 2, None
    for _ in range(_MOST_SEGMENTS):
        found = _MARKER.search(data, at, at + _MOST_STRAY)
        if found is None and at + _MOST_STRAY < len(data):
            raise UnreadableMedia(f"a JPEG with {_MOST_STRAY} stray bytes in a row is not read")
        if found is None:
            raise UnreadableMedia("the JPEG is cut off: it ends before its first scan")
        marker, at = found[1][0], found.end()
        if marker == _START_OF_SCAN and header is not None:
            return header
        if marker in (_START_OF_SCAN, _END_OF_IMAGE):
            raise UnreadableMedia("a JPEG without a frame header is no picture")
        if marker in _START_OF_FRAME:
            height, width = struct.unpack_from(">HH", data, at + 3)
            header = header or Header("JPEG", width, height)
        if marker not in _STANDALONE:
            at += struct.unpack_from(">H", data, at)[0]
    raise UnreadableMedia(f"a JPEG with over {_MOST_SEGMENTS} segments before a scan is not read")


def _png(data: bytes) -> Header:
    """Read the header chunk, and count the others."""
    if data[12:16] != b"IHDR":
        raise UnreadableMedia("a PNG must begin with its header chunk, this one does not")
    width, height = struct.unpack_from(">II", data, 16)
    at = 8
    for _ in range(_MOST_CHUNKS):
        if at + 12 > len(data):
            return Header("PNG", width, height)
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    raise UnreadableMedia(f"a PNG of over {_MOST_CHUNKS} chunks is not read")


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
        width, height, _, _, compression = struct.unpack_from("<iiHHI", data, 18)
        if compression in _RUN_LENGTHS:
            raise UnsupportedMedia("a BMP in run-length encoding is not taken; save it as PNG")
    return Header("BMP", width, abs(height))


_READERS = {
    b"\xff\xd8\xff": _jpeg,
    b"\x89PNG\r\n\x1a\n": _png,
    b"RIFF": _webp,
    b"BM": _bmp,
}
