"""Pictures of few bytes that are meant to cost much, made here."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image as Pillow

from tests.service.pictures import jpeg

START_OF_SCAN = b"\xff\xda"


def png_chunk(kind: bytes, content: bytes = b"") -> bytes:
    """A chunk with its checksum right."""
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png(width: int, height: int, *, before: bytes = b"", after: bytes = b"") -> bytes:
    """A black PNG, with chunks of one's own before and after its pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes((3 * width + 1) * height), 9)
    chunks = png_chunk(b"IHDR", header) + before + png_chunk(b"IDAT", pixels) + after
    return b"\x89PNG\r\n\x1a\n" + chunks + png_chunk(b"IEND")


def png_with_text_of(size: int) -> bytes:
    """A PNG whose compressed comment unfolds to ``size`` bytes."""
    return png(8, 8, before=png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(size), 9)))


def png_with_profile_of(size: int) -> bytes:
    """A PNG whose compressed colour profile unfolds to ``size`` bytes."""
    return png(8, 8, before=png_chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(size), 9)))


def jpeg_with(filling: bytes) -> bytes:
    """A JPEG with something between its header and its first scan."""
    whole = jpeg()
    at = whole.index(START_OF_SCAN)
    return whole[:at] + filling + whole[at:]


def progressive(size: tuple[int, int], scans: int) -> bytes:
    """A progressive JPEG of one colour with so many scans, most of them the same one again."""
    target = io.BytesIO()
    Pillow.new("RGB", size).save(target, "JPEG", progressive=True, quality=10)
    head, first, *rest = target.getvalue().split(START_OF_SCAN)
    more = [first] * (scans - 1 - len(rest))
    return START_OF_SCAN.join([head, first, *more, *rest])


def run_length_bmp(width: int, height: int) -> bytes:
    """A BMP in run-length encoding: each row is one pixel and an end of line."""
    rows = b"\x01\x00\x00\x00" * height
    palette = bytes(1024)
    start = 14 + 40 + len(palette)
    file = struct.pack("<2sIHHI", b"BM", start + len(rows), 0, 0, start)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(rows), 0, 0, 256, 0)
    return file + info + palette + rows


def webp(size: tuple[int, int], *, frames: int = 1) -> bytes:
    """A lossless WebP of one colour, or an animation of several."""
    target = io.BytesIO()
    more = [Pillow.new("RGB", size, (number, 0, 0)) for number in range(1, frames)]
    Pillow.new("RGB", size).save(target, "WEBP", lossless=True, save_all=True, append_images=more)
    return target.getvalue()


def webp_claiming(width: int, height: int) -> bytes:
    """A small WebP whose header claims another size."""
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    frames = webp((8, 8))[12:]
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + size + frames
    return b"RIFF" + struct.pack("<I", len(body)) + body
