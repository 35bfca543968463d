"""From the bytes of a picture to its pixels, in a small pool of threads.

The header is read first, so that nothing is decoded that is too large. What the decoders say of a
damaged picture stays in the log; the caller gets a sentence of ours.
"""

from __future__ import annotations

import asyncio
import io
import logging
import struct
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import simplejpeg
from PIL import Image as Pillow

from models.types import Image
from service.errors import TooLarge, UnreadableMedia
from service.pictures.image_header import Header, read_header
from service.pictures.room import PixelRoom
from service.settings import Settings

log = logging.getLogger(__name__)

T = TypeVar("T")

# Each picture's size is checked against the settings before Pillow decodes anything of it.
Pillow.MAX_IMAGE_PIXELS = None
# Its formats are imported now, and not while the first caller waits.
Pillow.preinit()

MOST_SCANS = 100
"""Of a progressive JPEG. Encoders write about ten; each costs a pass over the whole picture."""
MOST_SCANS_OF_THE_LARGEST = 20
"""Of one that has all the pixels that are allowed: passes are counted, not scans alone."""
ORIENTATION = 0x0112
JPEG_QUALITY = 90


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture that was decoded.

    Attributes
    ----------
    image : uint8 [H, W, 3]
        Blue, green, red; upright.
    ms : float
        How long it took, in milliseconds.
    at : float
        ``time.monotonic`` when it was done.
    """

    image: Image
    ms: float
    at: float


class ImageCodec:
    """Decodes and encodes pictures in threads of its own.

    Parameters
    ----------
    settings : Settings
        Largest size, and the number of threads.

    Attributes
    ----------
    room : PixelRoom
        To be held for as long as the pixels of a picture are.
    """

    def __init__(self, settings: Settings) -> None:
        self.room = PixelRoom(settings)
        self._settings = settings
        self._pool = ThreadPoolExecutor(settings.decode_threads, "image")

    async def decode(self, data: bytes) -> Decoded:
        """The pixels of a picture.

        Raises
        ------
        UnreadableMedia, UnsupportedMedia, TooLarge
            As for `decode_image`.
        """
        return await self._run(lambda: self._decoded(data))

    async def decode_and_submit(
        self, data: bytes, submit: Callable[[Image], Future[T]]
    ) -> tuple[Decoded, Future[T]]:
        """Like `decode`; then pass the pixels on in the same thread, which saves two switches.

        Parameters
        ----------
        data : bytes
            The file.
        submit : callable
            Answers a future; it is cancelled if the caller is, before it has got it.

        Raises
        ------
        UnreadableMedia, UnsupportedMedia, TooLarge
            As for `decode_image`.
        Exception
            What ``submit`` raises.
        """

        def work() -> tuple[Decoded, Future[T]]:
            decoded = self._decoded(data)
            return decoded, submit(decoded.image)

        decoding = self._pool.submit(work)
        try:
            return await asyncio.wrap_future(decoding)
        except asyncio.CancelledError:
            decoding.add_done_callback(_cancel_submitted)
            raise

    async def encode(self, draw: Callable[[], Image]) -> bytes:
        """What a function draws, as a JPEG; the function runs in the pool too."""
        return await self._run(lambda: encode_jpeg(draw()))

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _decoded(self, data: bytes) -> Decoded:
        began = time.monotonic()
        settings = self._settings
        image = decode_image(data, settings.max_image_pixels, settings.max_image_side)
        ended = time.monotonic()
        return Decoded(image, (ended - began) * 1000, ended)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)


def decode_image(data: bytes, most_pixels: int, most_side: int) -> Image:
    """The pixels of a JPEG, PNG, WebP or BMP.

    The rotation of its EXIF data is applied, transparency is dropped, 16 bits become 8, and of an
    animation the first frame is taken.

    Parameters
    ----------
    data : bytes
        The file.
    most_pixels, most_side : int
        Limits of its size.

    Returns
    -------
    uint8 [H, W, 3]
        Blue, green, red.

    Raises
    ------
    UnreadableMedia
        It is empty, damaged, cut off, or no picture.
    UnsupportedMedia
        It is of a type that is not taken.
    TooLarge
        Its header claims more pixels, or a longer side, than the limits allow.
    """
    header = read_header(data)
    if max(header.width, header.height) > most_side or header.width * header.height > most_pixels:
        raise TooLarge(
            f"a picture of {header.width}x{header.height} pixels is too large: at most "
            f"{most_pixels} pixels and {most_side} on a side are taken"
        )
    try:
        return _decode(data, header, most_pixels)
    except UnreadableMedia:
        raise
    except Exception as error:
        # The decoders raise whatever their C code comes across; all of it means the same here.
        log.info("a %s could not be decoded: %s", header.kind, error)
        raise UnreadableMedia(_reason(header, str(error))) from error


def encode_jpeg(image: Image) -> bytes:
    """A picture as a JPEG."""
    contiguous = np.ascontiguousarray(image)
    encoded: bytes = simplejpeg.encode_jpeg(contiguous, quality=JPEG_QUALITY, colorspace="BGR")
    return encoded


def _decode(data: bytes, header: Header, most_pixels: int) -> Image:
    with Pillow.open(io.BytesIO(data), formats=[header.kind]) as picture:
        if picture.size != (header.width, header.height):
            raise UnreadableMedia(f"the {header.kind} contradicts itself about its size")
        exif = picture.info.get("exif", b"")
        if header.kind == "JPEG":
            _refuse_scans(data, header, most_pixels)
            image = _fast_jpeg(data, header)
            if image is None:
                image = _by_pillow(picture)
        else:
            image = _by_pillow(picture)
    return _turned(image, orientation(exif))


def _refuse_scans(data: bytes, header: Header, most_pixels: int) -> None:
    """Refuse a JPEG that says little and costs much: passes over many pixels."""
    largest = MOST_SCANS_OF_THE_LARGEST * most_pixels // (header.width * header.height)
    most = min(MOST_SCANS, largest)
    if data.count(b"\xff\xda") > most:
        raise UnreadableMedia(f"a JPEG of this size and more than {most} scans is not decoded")


def _fast_jpeg(data: bytes, header: Header) -> Image | None:
    """A JPEG by libjpeg-turbo; None where it is of a kind that needs Pillow, such as CMYK."""
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    if space not in ("YCbCr", "Gray", "RGB"):
        return None
    if (width, height) != (header.width, header.height):
        raise UnreadableMedia("the JPEG contradicts itself about its size")
    try:
        image: Image = simplejpeg.decode_jpeg(data, colorspace="BGR", strict=True)
    except ValueError as error:
        if _is_cut_off(str(error)):
            raise
        # Cameras leave stray bytes between segments; such pictures are whole all the same.
        image = simplejpeg.decode_jpeg(data, colorspace="BGR", strict=False)
    return image


def _by_pillow(picture: Pillow.Image) -> Image:
    if picture.mode.startswith("I"):  # 16 bits a pixel, one channel
        deep = np.asarray(picture).astype(np.int64)
        grey = np.clip(deep >> 8, 0, 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    rgb: Image = np.asarray(picture.convert("RGB"))
    return np.ascontiguousarray(rgb[..., ::-1])


def orientation(exif: bytes) -> int:
    """The rotation that EXIF data asks for, 1 to 8; 1 (none) where they are absent or damaged.

    Only the one tag is looked for, in the first directory, as in the TIFF specification.
    """
    tiff = exif.removeprefix(b"Exif\x00\x00")
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, start)
        for at in range(start + 2, start + 2 + 12 * count, 12):
            tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, at)
            if tag == ORIENTATION:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1


def _turned(image: Image, how: int) -> Image:
    """A picture turned as its EXIF orientation asks for."""
    if how >= 5:
        image = image.transpose(1, 0, 2)
    if how in (3, 4, 7, 8):
        image = image[::-1]
    if how in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


def _is_cut_off(text: str) -> bool:
    return any(sign in text.lower() for sign in ("premature end", "truncated", "unexpected end"))


def _reason(header: Header, text: str) -> str:
    if _is_cut_off(text):
        return f"the {header.kind} is cut off: it ends before the picture is complete"
    return f"the {header.kind} is damaged and cannot be decoded"


def _cancel_submitted(decoding: Future[tuple[Decoded, Future[T]]]) -> None:
    if not decoding.cancelled() and decoding.exception() is None:
        _, submitted = decoding.result()
        submitted.cancel()
