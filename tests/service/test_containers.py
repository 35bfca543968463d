"""Containers are told from their first bytes, whatever stands in them and however they come."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.decoding.containers import (
    HEAD_BYTES,
    Container,
    Outline,
    read_box,
    read_chunk,
    read_ebml,
    recognise,
)
from service.errors import UnreadableMedia, UnsupportedMedia
from tests.service.clips import INDEX_LAST, clip, pieces

EXPECTED = {
    "mp4": Container.MP4,
    "mov": Container.MP4,
    "matroska": Container.MATROSKA,
    "webm": Container.MATROSKA,
    "avi": Container.AVI,
    "mpegts": Container.MPEG_TS,
    "mjpeg": Container.MJPEG,
    "gif": Container.GIF,
}


@pytest.mark.parametrize("kind", EXPECTED)
def test_real_files_are_recognised(kind: str) -> None:
    assert recognise(clip(kind, 2)[:HEAD_BYTES]) is EXPECTED[kind]


@pytest.mark.parametrize(
    ("head", "named"),
    [
        (b"#EXTM3U\n#EXT-X-VERSION:3\nfile:///etc/passwd", "HLS playlist"),
        (b"\xef\xbb\xbf#EXTM3U\n", "HLS playlist"),  # with a byte order mark
        (b"  \nffconcat version 1.0\nfile x.mp4", "concat list"),
        (b"v=0\no=- 0 0 IN IP4 127.0.0.1", "session description"),
        (b"<?xml version='1.0'?><MPD/>", "XML manifest"),
        (b"<MPD></MPD>", "DASH manifest"),
        (b"\x89PNG\r\n\x1a\n", "a PNG"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "RIFF, and not AVI"),
        (b"FLV\x01\x05", "Flash video"),
        (b"OggS\0", "Ogg"),
    ],
)
def test_lists_of_other_files_and_other_kinds_of_files_are_not_taken(
    head: bytes, named: str
) -> None:
    with pytest.raises(UnsupportedMedia, match=named):
        recognise(head)


@pytest.mark.parametrize(
    "head",
    [
        b"just some text, not a video",
        b"G" * 100,  # sync bytes, and not a packet apart
    ],
)
def test_other_bytes_cannot_be_read(head: bytes) -> None:
    with pytest.raises(UnreadableMedia, match="start none of them"):
        recognise(head)


@given(st.binary(max_size=HEAD_BYTES))
def test_any_bytes_are_recognised_or_refused(head: bytes) -> None:
    with contextlib.suppress(UnsupportedMedia, UnreadableMedia):
        assert recognise(head) in Container


@pytest.mark.parametrize("kind", EXPECTED)
@pytest.mark.parametrize("size", [1, 7, 4096])
def test_the_outline_does_not_depend_on_the_pieces(kind: str, size: int) -> None:
    data = clip(kind, 3)
    outline = Outline(EXPECTED[kind])
    for piece in pieces(data, size):
        outline.feed(piece)
    assert outline.streamable is True
    assert outline.missing == 0


@pytest.mark.parametrize("kind", ["mp4", "avi", "matroska"])
def test_a_file_that_is_cut_lacks_what_was_cut(kind: str) -> None:
    data = clip(kind, 5)
    outline = Outline(EXPECTED[kind])
    outline.feed(data[: len(data) * 2 // 3])
    assert outline.missing > 0


def test_an_index_at_the_end_is_seen_at_the_pictures() -> None:
    data = clip("mp4", 3, options=INDEX_LAST)
    outline = Outline(Container.MP4)
    seen = []
    for piece in (data[:4], data[4:64], data[64:]):
        outline.feed(piece)
        seen.append((outline.streamable, outline.has_index))
    assert seen == [(None, False), (False, False), (False, True)]


@st.composite
def _boxes(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """Some MP4 boxes with short and long sizes, and their names."""
    data, names = b"", []
    for _ in range(draw(st.integers(1, 6))):
        name = draw(st.sampled_from([b"ftyp", b"free", b"moov", b"mdat", b"moof", b"skip"]))
        body = draw(st.binary(max_size=40))
        if draw(st.booleans()):
            data += (len(body) + 8).to_bytes(4, "big") + name + body
        else:
            data += (1).to_bytes(4, "big") + name + (len(body) + 16).to_bytes(8, "big") + body
        names.append(name)
    return data, names


@given(_boxes(), st.data())
def test_the_first_of_index_and_pictures_decides(
    made: tuple[bytes, list[bytes]], draws: st.DataObject
) -> None:
    data, names = made
    cuts = sorted(draws.draw(st.lists(st.integers(0, len(data)), max_size=8)))
    outline = Outline(Container.MP4)
    for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True):
        outline.feed(data[start:stop])
    decisive = [name for name in names if name in (b"moov", b"mdat")]
    assert outline.streamable == (decisive[0] == b"moov" if decisive else None)
    assert outline.missing == 0


@given(_boxes(), st.data())
def test_what_is_missing_is_what_the_cut_box_announced(
    made: tuple[bytes, list[bytes]], draws: st.DataObject
) -> None:
    data, _ = made
    cut = draws.draw(st.integers(0, len(data)))
    outline = Outline(Container.MP4)
    outline.feed(data[:cut])
    rest = Outline(Container.MP4)
    rest.feed(data[:cut] + bytes(outline.missing))
    assert rest.missing == 0
    assert outline.missing <= len(data) - cut


@pytest.mark.parametrize("read", [read_box, read_chunk, read_ebml])
@given(data=st.binary(max_size=24))
def test_headers_of_any_bytes_are_read_or_wait_for_more(read, data: bytes) -> None:  # type: ignore[no-untyped-def]
    element = read(data)
    if element is None:
        assert len(data) < 16
    else:
        assert element.size is None or element.size >= 2


@given(st.binary(max_size=300), st.sampled_from(list(Container)))
def test_the_outline_of_any_bytes_is_followed_without_error(
    data: bytes, container: Container
) -> None:
    outline = Outline(container)
    outline.feed(data)
    assert outline.missing >= 0
