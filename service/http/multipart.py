"""One part of a multipart form, as a stream: nothing of it is kept."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from email.message import Message

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser

from models.errors import InvalidInput
from service.errors import UnreadableMedia

MOST_OTHER_BYTES = 65536
MOST_PARTS = 20


def boundary_of(content_type: str) -> bytes | None:
    """The boundary of a ``multipart/form-data`` body; None where the body is none.

    Raises
    ------
    UnreadableMedia
        It is one and names no boundary.
    """
    message = Message()
    message["Content-Type"] = content_type
    if message.get_content_type() != "multipart/form-data":
        return None
    boundary = message.get_param("boundary")
    if not isinstance(boundary, str) or not 1 <= len(boundary) <= 70 or not boundary.isascii():
        raise UnreadableMedia("multipart/form-data needs a boundary of 1 to 70 characters")
    return boundary.encode()


async def part(
    chunks: AsyncIterator[bytes], boundary: bytes, name: str
) -> AsyncGenerator[bytes, None]:
    """The content of the first part called ``name``, in pieces, while it comes.

    Raises
    ------
    UnreadableMedia
        The body is not multipart, or ends too early.
    InvalidInput
        It has no such part.
    """
    reader = _Reader(boundary, name)
    async for chunk in chunks:
        for piece in reader.feed(chunk):
            yield piece
    if not reader.found:
        raise InvalidInput(f"the form needs a file part called {name!r}, it has none")
    if not reader.complete:
        raise UnreadableMedia(f"the form ends in the middle of its part {name!r}")


class _Reader:
    """Follows the form and picks out the part."""

    def __init__(self, boundary: bytes, name: str) -> None:
        self._name = name
        self._pieces: list[bytes] = []
        self._field = self._value = b""
        self._disposition = ""
        self._other_bytes = 0
        self._parts = 0
        self._inside = False
        self.found = False
        self.complete = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begins,
                "on_header_field": self._on_field,
                "on_header_value": self._on_value,
                "on_header_end": self._header_ends,
                "on_headers_finished": self._headers_end,
                "on_part_data": self._on_data,
                "on_part_end": self._part_ends,
            },
        )

    def feed(self, chunk: bytes) -> list[bytes]:
        """The pieces of the part that are in the next bytes of the form."""
        try:
            self._parser.write(chunk)
        except MultipartParseError as error:
            raise UnreadableMedia("the body is not a valid multipart form") from error
        pieces, self._pieces = self._pieces, []
        return pieces

    def _part_begins(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise UnreadableMedia(f"the form may have at most {MOST_PARTS} parts")
        self._disposition = ""

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_ends(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = self._value.decode("latin-1")
        self._field = self._value = b""

    def _headers_end(self) -> None:
        message = Message()
        message["Content-Disposition"] = self._disposition
        name = message.get_param("name", header="content-disposition")
        self._inside = name == self._name and not self.found
        self.found = self.found or self._inside

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._inside:
            self._pieces.append(data[start:end])
            return
        self._other_bytes += end - start
        if self._other_bytes > MOST_OTHER_BYTES:
            raise UnreadableMedia(
                f"the form may have at most {MOST_OTHER_BYTES} bytes beside its part {self._name!r}"
            )

    def _part_ends(self) -> None:
        self.complete = self.complete or self._inside
        self._inside = False
