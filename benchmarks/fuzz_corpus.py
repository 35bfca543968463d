"""Damaged pictures and videos: small files of every kind that is taken, changed by a seeded dice.

Every file has a number and can be made again alone: ``damaged(number)``.
"""

from __future__ import annotations

import io
import random
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

WIDTH, HEIGHT = 96, 64
FRAMES = 8
HEADER = 96
"""Bytes at the start of a file in which most of its header's fields are."""
EXTREMES = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\x01")
EXIF_TURNED = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06"

PICTURES: Mapping[str, tuple[str, str, dict[str, object]]] = {
    "jpeg": ("RGB", "JPEG", {}),
    "jpeg-progressive": ("RGB", "JPEG", {"progressive": True}),
    "jpeg-turned": ("RGB", "JPEG", {"exif": EXIF_TURNED + bytes(6)}),
    "jpeg-grey": ("L", "JPEG", {}),
    "jpeg-cmyk": ("CMYK", "JPEG", {}),
    "png": ("RGB", "PNG", {}),
    "png-palette": ("P", "PNG", {}),
    "png-deep": ("I;16", "PNG", {}),
    "png-alpha": ("RGBA", "PNG", {}),
    "webp": ("RGB", "WEBP", {}),
    "webp-lossless": ("RGBA", "WEBP", {"lossless": True}),
    "bmp": ("RGB", "BMP", {}),
    "bmp-palette": ("P", "BMP", {}),
}
"""Mode of the pixels, format and options of Pillow."""
VIDEOS: Mapping[str, tuple[str, str, str, dict[str, str]]] = {
    "mp4": ("mp4", "libx264", "yuv420p", {"movflags": "faststart"}),
    "mp4-index-last": ("mp4", "libx264", "yuv420p", {}),
    "mp4-fragmented": ("mp4", "libx264", "yuv420p", {"movflags": "frag_keyframe+empty_moov"}),
    "mov": ("mov", "mpeg4", "yuv420p", {"movflags": "faststart"}),
    "mkv": ("matroska", "libx264", "yuv420p", {}),
    "webm": ("webm", "libvpx", "yuv420p", {}),
    "avi": ("avi", "mpeg4", "yuv420p", {}),
    "ts": ("mpegts", "libx264", "yuv420p", {}),
    "mjpeg": ("mjpeg", "mjpeg", "yuvj420p", {}),
    "gif": ("gif", "gif", "rgb8", {}),
}
"""Muxer, codec, pixel format and the muxer's options."""
KINDS = (*PICTURES, *VIDEOS)


@dataclass(frozen=True, slots=True)
class Damaged:
    """A file that was changed.

    Attributes
    ----------
    number : int
        Which one.
    kind : str
        The key of `PICTURES` or `VIDEOS` that it was.
    changes : tuple of str
        What was done to it.
    data : bytes
        What it is now.
    """

    number: int
    kind: str
    changes: tuple[str, ...]
    data: bytes

    @property
    def is_video(self) -> bool:
        """Whether it was a video."""
        return self.kind in VIDEOS


def damaged(number: int, seed: int = 0) -> Damaged:
    """The file of a number: one to three changes to a whole one; the kinds take turns."""
    rng = random.Random(f"{seed}-{number}")  # noqa: S311
    kind = KINDS[number % len(KINDS)]
    names = tuple(rng.choice(tuple(CHANGES)) for _ in range(rng.choice((1, 1, 2, 3))))
    data = whole(kind)
    for name in names:
        data = CHANGES[name](data, rng)
    return Damaged(number, kind, names, data)


@cache
def whole(kind: str) -> bytes:
    """A file of a kind as it should be."""
    return _picture(*PICTURES[kind]) if kind in PICTURES else _video(*VIDEOS[kind])


def moving(frames: int) -> bytes:
    """A whole MP4 of so many frames, in which a rectangle goes right again and again."""
    return _video(*VIDEOS["mp4"], frames)


def _scene(number: int) -> NDArray[np.uint8]:
    """Frame ``number``, red-green-blue: noise, a ramp, and a red rectangle that moves."""
    image = np.random.default_rng(3).integers(60, 90, (HEIGHT, WIDTH, 3), np.uint8)
    image[..., 1] += np.arange(WIDTH, dtype=np.uint8) // 2
    image[20:50, 8 + 4 * number : 38 + 4 * number] = (230, 10, 10)
    return image


def _picture(mode: str, form: str, options: dict[str, object]) -> bytes:
    out = io.BytesIO()
    picture = Pillow.fromarray(_scene(0))
    if mode == "I;16":
        picture = Pillow.fromarray(_scene(0)[..., 0].astype(np.uint16) << 8)
    elif mode != "RGB":
        picture = picture.convert(mode)
    picture.save(out, form, **options)
    return out.getvalue()


def _video(
    muxer: str, codec: str, pixels: str, options: dict[str, str], frames: int = FRAMES
) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video"
        with av.open(str(path), "w", format=muxer, options=options) as out:
            stream = out.add_stream(codec, rate=10)
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
            stream.codec_context.gop_size = 4
            for number in range(frames):
                scene = _scene(number % FRAMES)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(scene, "rgb24")))
            out.mux(stream.encode(None))
        return path.read_bytes()


def _flip_bits(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 4, 16, 64))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _set_field(data: bytes, rng: random.Random) -> bytes:
    """Put an extreme value of one to eight bytes into the header."""
    size = rng.choice((1, 2, 4, 8))
    at = rng.randrange(min(HEADER, len(data)))
    return data[:at] + rng.choice(EXTREMES) * size + data[at + size :]


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randint(1, len(data))]


def _leave_out(data: bytes, rng: random.Random) -> bytes:
    start, end = _piece(data, rng)
    return data[:start] + data[end:] or data


def _repeat(data: bytes, rng: random.Random) -> bytes:
    start, end = _piece(data, rng)
    return data[:start] + data[start:end] * rng.choice((2, 3, 20)) + data[end:]


def _blank(data: bytes, rng: random.Random) -> bytes:
    start, end = _piece(data, rng)
    return data[:start] + bytes(end - start) + data[end:]


def _splice(data: bytes, rng: random.Random) -> bytes:
    """Go on with the rest of a file that may be of another kind."""
    other = whole(rng.choice(KINDS))
    return data[: rng.randint(1, len(data))] + other[rng.randrange(len(other)) :]


def _piece(data: bytes, rng: random.Random) -> tuple[int, int]:
    start = rng.randrange(len(data))
    return start, min(len(data), start + rng.randint(1, 1 + len(data) // 4))


CHANGES: Mapping[str, Callable[[bytes, random.Random], bytes]] = {
    "bits": _flip_bits,
    "field": _set_field,
    "cut": _cut,
    "left out": _leave_out,
    "repeated": _repeat,
    "blanked": _blank,
    "spliced": _splice,
}
