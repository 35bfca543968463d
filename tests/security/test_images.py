"""Pictures that want more than they give: memory, processor time, or to be something else."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import httpx
import pytest

from models.fake import FakeDetector
from models.types import Image
from service.errors import ServiceError, UnreadableMedia, UnsupportedMedia
from service.pictures.image_header import read_header
from service.pictures.images import decode_image
from service.settings import Settings
from tests.security import bombs
from tests.service.gate import WAIT, Gate
from tests.service.pictures import encode, jpeg, png_claiming, with_red_box
from tests.service.serving import serving
from tests.service.test_http import assert_problem

LIMITS = Settings()
SOON = 1.0
"""Seconds of processor time within which a bomb must be refused; unhindered they take up to 200."""
BODY = LIMITS.max_image_bytes


def decode(data: bytes) -> Image:
    return decode_image(data, LIMITS.max_image_pixels, LIMITS.max_image_side)


REFUSED = {
    "endless fill bytes": lambda: b"\xff\xd8\xff" + b"\xff" * BODY,
    "endless fill bytes before the scan": lambda: bombs.jpeg_with(b"\xff" * BODY),
    "endless stray bytes": lambda: bombs.jpeg_with(b"\xff\x00" * (BODY // 2)),
    "endless comments": lambda: bombs.jpeg_with(b"\xff\xfe\x00\x02" * (BODY // 4)),
    "endless chunks": lambda: bombs.png(8, 8, before=bombs.png_chunk(b"aaAa") * (BODY // 12)),
    "endless chunks at the end": lambda: bombs.png(
        8, 8, after=bombs.png_chunk(b"aaAa") * (BODY // 12)
    ),
    "a comment of 50 MB": lambda: bombs.png_with_text_of(50_000_000),
    "a colour profile of 50 MB": lambda: bombs.png_with_profile_of(50_000_000),
    "scans": lambda: bombs.progressive((64, 64), 5000),
    "scans of a large picture": lambda: bombs.progressive((4000, 4000), 99),
    "run lengths": lambda: bombs.run_length_bmp(32_768, 1500),
    "a large WebP": lambda: bombs.webp_claiming(16_000, 4000),
    "a large PNG": lambda: png_claiming(8000, 8000),
}


@pytest.mark.parametrize("bomb", REFUSED)
def test_a_bomb_is_refused_before_it_costs_anything(bomb: str) -> None:
    data = REFUSED[bomb]()
    began = time.thread_time()
    with pytest.raises(ServiceError):
        decode(data)
    assert time.thread_time() - began < SOON


def test_of_a_long_animation_one_frame_is_decoded() -> None:
    one, many = bombs.webp((400, 400)), bombs.webp((400, 400), frames=200)
    decode(one)
    began = time.thread_time()
    decode(many)
    assert time.thread_time() - began < SOON / 10


def test_large_progressive_pictures_of_common_encoders_are_taken() -> None:
    assert decode(bombs.progressive((2000, 1500), 10)).shape == (1500, 2000, 3)


def test_the_header_is_read_in_the_same_time_however_long_the_file_is() -> None:
    data = jpeg() + bytes(BODY)
    began = time.thread_time()
    for _ in range(100):
        read_header(data)
    assert time.thread_time() - began < 0.1


POLYGLOTS = {
    "a page in a comment": bombs.png(
        8, 8, before=bombs.png_chunk(b"tEXt", b"a\0<script>alert(1)</script>")
    ),
    "a page behind a JPEG": jpeg() + b"<html><script>alert(1)</script></html>",
    "an archive behind a JPEG": jpeg() + b"PK\x03\x04evil.sh",
    "a script in a BMP": encode(with_red_box(), "BMP") + b"*/alert(1)",
}


@pytest.mark.parametrize("polyglot", POLYGLOTS)
def test_of_a_file_that_is_two_things_the_picture_alone_counts(
    client: httpx.Client, polyglot: str
) -> None:
    response = client.post("/v1/detect", content=POLYGLOTS[polyglot])
    assert response.is_success
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "script" not in response.text


@pytest.mark.parametrize("head", [b"<?php", b"#!/bin/sh\n", b"%PDF-1.7\n", b"PK\x03\x04", b"<svg>"])
def test_a_picture_that_begins_as_something_else_is_none(head: bytes) -> None:
    with pytest.raises((UnreadableMedia, UnsupportedMedia)):
        decode(head + jpeg())


FOREIGN_WORDS = ("pillow", "pil.", "libjpeg", "libpng", "corrupt jpeg", "premature", "traceback")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_the_decoders_own_words_never_reach_the_caller(client: httpx.Client, kind: str) -> None:
    whole = encode(with_red_box(), kind)
    for at in range(20, len(whole), max(1, len(whole) // 40)):
        broken = whole[:at] + b"\xa5\x5a\x00\xff" + whole[at + 4 :]
        for data in (broken, whole[:at]):
            response = client.post("/v1/detect", content=data)
            assert response.status_code in (200, 400, 413, 415)
            if not response.is_success:
                said = json.dumps(response.json()).lower()
                assert not any(word in said for word in FOREIGN_WORDS), said


@pytest.fixture
def cramped(gate: Gate) -> Iterator[httpx.Client]:
    """A client of a server that has room for the pixels of one such picture at a time."""
    with (
        serving(
            lambda name: FakeDetector(gate), max_pixels_at_once=20_000, deadline_seconds=0.5
        ) as (address, app),
        httpx.Client(base_url=address, timeout=WAIT) as http,
    ):
        app.state.models.batcher("fake").loaded.result(WAIT)
        yield http


def test_pictures_take_turns_where_their_pixels_would_not_fit_at_once(
    cramped: httpx.Client,
) -> None:
    files = [("image", ("a.jpg", jpeg()))] * 5
    assert len(cramped.post("/v1/detect", files=files).json()["results"]) == 5


def test_a_picture_that_finds_no_room_in_time_is_refused_and_holds_nothing(
    cramped: httpx.Client, gate: Gate
) -> None:
    gate.shut()
    files = [("image", ("a.jpg", jpeg()))] * 2
    assert_problem(cramped.post("/v1/detect", files=files), 503, "deadline-exceeded")
    gate.open()
    assert cramped.post("/v1/detect", content=jpeg()).is_success
