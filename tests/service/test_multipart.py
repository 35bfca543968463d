"""One part of a form is picked out while it comes, whatever the pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidInput
from service.errors import UnreadableMedia
from service.http.multipart import MOST_OTHER_BYTES, boundary_of, part
from tests.service.clips import pieces

BOUNDARY = b"frontier"


def form(*parts: tuple[str, bytes], closed: bool = True) -> bytes:
    """A multipart body."""
    body = b""
    for name, content in parts:
        disposition = f'Content-Disposition: form-data; name="{name}"; filename="x.mp4"\r\n\r\n'
        body += b"--" + BOUNDARY + b"\r\n" + disposition.encode() + content + b"\r\n"
    return body + (b"--" + BOUNDARY + b"--\r\n" if closed else b"")


def read(chunks: Iterable[bytes]) -> bytes:
    """The part called ``video`` of a form in chunks."""

    async def source() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    async def collect() -> bytes:
        return b"".join([piece async for piece in part(source(), BOUNDARY, "video")])

    return asyncio.run(collect())


@given(st.binary(max_size=200), st.integers(1, 50))
def test_the_part_is_what_was_sent(content: bytes, size: int) -> None:
    body = form(("note", b"hello"), ("video", content), ("video", b"a second one"))
    assert read(pieces(body, size)) == content


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (form(("video", b"half"), closed=False), "ends in the middle"),
        (b"no form at all", "not a valid multipart form"),
        (form(("other", bytes(MOST_OTHER_BYTES + 1)), ("video", b"x")), "beside its part"),
        (b"--frontier\r\nX: " + b"y" * 9000 + b"\r\n\r\n", "not a valid multipart"),
    ],
)
def test_other_forms_are_refused_with_the_reason(body: bytes, named: str) -> None:
    with pytest.raises(UnreadableMedia, match=named):
        read(pieces(body, 1000))


def test_a_form_without_the_part_is_refused_as_a_parameter_is() -> None:
    with pytest.raises(InvalidInput, match="needs a file part called 'video'"):
        read(pieces(form(("image", b"x")), 1000))


def test_only_multipart_bodies_have_a_boundary() -> None:
    assert boundary_of("video/mp4") is None
    assert boundary_of("") is None
    assert boundary_of('multipart/form-data; boundary="a b"') == b"a b"
    with pytest.raises(UnreadableMedia, match="boundary"):
        boundary_of("multipart/form-data")
