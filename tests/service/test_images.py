"""Every kind of picture that is taken comes out right, and every bad one is refused in words."""

from __future__ import annotations

import io
import struct
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import ImageOps

from models.types import Image
from service.errors import ServiceError, TooLarge, UnreadableMedia, UnsupportedMedia
from service.pictures.image_header import read_header
from service.pictures.images import decode_image, encode_jpeg, orientation
from tests.service.pictures import (
    RED_BOX,
    encode,
    jpeg,
    jpeg_claiming,
    png_claiming,
    save,
    with_red_box,
)

PIXELS, SIDE = 50_000_000, 32_768
KINDS = ("JPEG", "PNG", "WEBP", "BMP")


def decode(data: bytes) -> Image:
    return decode_image(data, PIXELS, SIDE)


def assert_red_box(image: Image, tolerance: int = 30) -> None:
    """The picture is the one with the red box, as far as its compression allows."""
    wanted = with_red_box().astype(int)
    assert image.shape == wanted.shape
    assert image.dtype == np.uint8
    x1, y1, x2, y2 = RED_BOX
    inside = np.s_[y1 + 8 : y2 - 8, x1 + 8 : x2 - 8]
    assert np.abs(image[inside].astype(int) - wanted[inside]).max() <= tolerance
    assert np.abs(image[70:, 100:].astype(int) - 90).max() <= tolerance


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_decoded_to_blue_green_red(kind: str) -> None:
    assert_red_box(decode(encode(with_red_box(), kind)))


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_lossless_kinds_come_out_exactly(kind: str) -> None:
    np.testing.assert_array_equal(decode(encode(with_red_box(), kind)), with_red_box())


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA"])
def test_palette_grey_and_transparency_become_three_channels(mode: str) -> None:
    picture = Pillow.fromarray(with_red_box()[..., ::-1]).convert(mode)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = np.asarray(picture.convert("RGB"))[..., ::-1]
    np.testing.assert_array_equal(decode(save(picture, "PNG")), expected)


@pytest.mark.parametrize("options", [{"lossless": True}, {"lossless": True, "exif": b"Exif\0\0"}])
def test_each_form_of_webp(options: dict[str, Any]) -> None:
    for image in (with_red_box(), with_red_box(301, 203)):
        np.testing.assert_array_equal(decode(encode(image, "WEBP", **options)), image)


def test_16_bit_grey_becomes_8_bit() -> None:
    ramp = np.linspace(0, 65535, 64 * 32).reshape(32, 64).astype(np.uint16)
    image = decode(save(Pillow.fromarray(ramp), "PNG"))
    np.testing.assert_array_equal(image, np.repeat((ramp >> 8)[..., None], 3, axis=2))


@pytest.mark.parametrize("mode", ["CMYK", "L"])
def test_jpegs_of_other_colour_spaces(mode: str) -> None:
    picture = Pillow.fromarray(with_red_box()[..., ::-1]).convert(mode)
    image = decode(save(picture, "JPEG", quality=95))
    expected = np.asarray(picture.convert("RGB"))[..., ::-1].astype(int)
    assert np.abs(image[20:40, 30:70].astype(int) - expected[20:40, 30:70]).max() <= 30


def test_progressive_jpeg() -> None:
    assert_red_box(decode(jpeg(progressive=True)))


def test_of_an_animation_the_first_frame_is_taken() -> None:
    first = Pillow.fromarray(with_red_box()[..., ::-1])
    second = Pillow.new("RGB", first.size)
    for kind in ("WEBP", "PNG"):
        assert_red_box(decode(save(first, kind, save_all=True, append_images=[second])))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("how", range(1, 9))
def test_the_rotation_of_exif_is_applied(kind: str, how: int) -> None:
    picture = Pillow.fromarray(with_red_box()[..., ::-1])
    exif = Pillow.Exif()
    exif[0x0112] = how
    data = save(picture, kind, exif=exif, **({} if kind == "PNG" else {"quality": 100}))
    with Pillow.open(io.BytesIO(data)) as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))[..., ::-1]
    image = decode(data)
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected.astype(int)).mean() < 2


@given(st.binary(max_size=64))
def test_damaged_exif_never_spoils_a_picture(noise: bytes) -> None:
    assert 1 <= orientation(b"Exif\x00\x00II*\x00" + noise) <= 8


@pytest.mark.parametrize(
    ("data", "error", "reason"),
    [
        (b"", UnreadableMedia, "the body is empty"),
        (b"hello, this is text\n", UnreadableMedia, "this is not a picture"),
        (jpeg()[:900], UnreadableMedia, "cut off"),
        (jpeg()[:-200], UnreadableMedia, "cut off"),
        (jpeg()[:12], UnreadableMedia, "cut off|header"),
        (encode(with_red_box(), "PNG")[:-40], UnreadableMedia, "cut off|damaged"),
        (encode(with_red_box(), "WEBP")[:-40], UnreadableMedia, "cut off"),
        (encode(with_red_box(), "BMP")[:-40], UnreadableMedia, "cut off"),
        (b"\x89PNG\r\n\x1a\n" + bytes(60), UnreadableMedia, "header chunk"),
        (encode(with_red_box(), "GIF"), UnsupportedMedia, "this is GIF"),
        (encode(with_red_box(), "TIFF"), UnsupportedMedia, "this is TIFF"),
        (jpeg()[:2] + b"\xff\xda" + bytes(20), UnreadableMedia, "without a frame header"),
        (jpeg()[:2] + b"\xff\xff\xff", UnreadableMedia, "before its first scan"),
        (b"RIFF\x10\0\0\0WEBPJUNK" + bytes(30), UnreadableMedia, "holds no picture"),
        (b"\0\0\0\x1cftypavif" + bytes(20), UnsupportedMedia, "AVIF"),
        (b"RIFF\x10\0\0\0AVI LIST", UnsupportedMedia, "another kind of RIFF"),
        (jpeg_claiming(60_000, 60_000), TooLarge, "60000x60000"),
        (png_claiming(100_000, 100_000), TooLarge, "100000x100000"),
        (png_claiming(1, 100_000), TooLarge, "1x100000"),
        (png_claiming(0, 10), UnreadableMedia, "no pixels"),
        (png_claiming(4000, 4000), UnreadableMedia, "cut off|damaged"),
        (jpeg_claiming(2000, 2000), UnreadableMedia, "cut off|damaged"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(
    data: bytes, error: type[ServiceError], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        decode(data)


def test_a_jpeg_of_hundreds_of_scans_is_refused_before_it_is_decoded() -> None:
    data = jpeg(progressive=True)
    at = data.index(b"\xff\xda")
    with pytest.raises(UnreadableMedia, match="more than 100 scans"):
        decode(data[:at] + (data[at:-2] * 60) + b"\xff\xd9")


def test_a_jpeg_of_endless_segments_is_given_up() -> None:
    comment = b"\xff\xfe\x00\x02"
    with pytest.raises(UnreadableMedia, match="1000 segments"):
        read_header(b"\xff\xd8" + comment * 100_000 + jpeg()[2:])


def test_stray_bytes_between_segments_do_not_matter() -> None:
    data = jpeg()
    at = data.index(b"\xff\xdb")
    assert_red_box(decode(data[:at] + b"\x00\x01" + data[at:]))


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1)])
def test_the_smallest_and_the_thinnest(size: tuple[int, int]) -> None:
    image = np.full((*size, 3), 7, np.uint8)
    for kind in ("PNG", "BMP"):
        np.testing.assert_array_equal(decode(encode(image, kind)), image)


def test_top_down_bitmaps() -> None:
    data = bytearray(encode(with_red_box(), "BMP"))
    struct.pack_into("<i", data, 22, -120)
    np.testing.assert_array_equal(decode(bytes(data)), with_red_box()[::-1])


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60)
@given(at=st.floats(0, 1), junk=st.binary(min_size=1, max_size=8))
def test_mutations_are_decoded_or_refused_and_nothing_else(
    kind: str, at: float, junk: bytes
) -> None:
    data = bytearray(encode(with_red_box(), kind))
    start = int(at * (len(data) - 1))
    data[start : start + len(junk)] = junk
    try:
        image = decode(bytes(data))
    except ServiceError:
        return
    assert image.ndim == 3


def test_encoded_jpegs_can_be_decoded() -> None:
    assert_red_box(decode(encode_jpeg(with_red_box())))
