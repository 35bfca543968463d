"""Pictures that tests send: made here, so that what is in them is known."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image as Pillow

from models.types import Image

RED_BOX = (20, 10, 80, 50)


def with_red_box(width: int = 160, height: int = 120) -> Image:
    """A grey picture with one red rectangle at `RED_BOX`; blue, green, red."""
    image = np.full((height, width, 3), 90, np.uint8)
    x1, y1, x2, y2 = RED_BOX
    image[y1:y2, x1:x2] = (0, 0, 255)
    return image


def encode(image: Image, kind: str, **options: Any) -> bytes:
    """A picture as a file of a kind that Pillow writes."""
    return save(Pillow.fromarray(image[..., ::-1]), kind, **options)


def save(picture: Pillow.Image, kind: str, **options: Any) -> bytes:
    """A Pillow picture as a file."""
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def jpeg(**options: Any) -> bytes:
    """The picture with the red box as a JPEG."""
    return encode(with_red_box(), "JPEG", quality=95, **options)


def jpeg_claiming(width: int, height: int) -> bytes:
    """A small JPEG whose header claims another size."""
    data = bytearray(jpeg())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims any size, with its checksum right."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = b"IDAT" + zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + _chunk(header) + _chunk(content) + _chunk(b"IEND")


def _chunk(typed: bytes) -> bytes:
    return struct.pack(">I", len(typed) - 4) + typed + struct.pack(">I", zlib.crc32(typed))
