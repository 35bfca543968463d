"""What is fuzzed: each target takes any bytes, and passes unless a parser does what it must not.

A parser may refuse its input with the error that it documents. Any other exception is a finding,
and so is an answer that contradicts itself.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

import numpy as np
from pydantic import ValidationError

from models.entries import read_entries
from models.errors import InvalidInput, TracklineError
from models.fake import FakeDetector
from service.counting.query import LINE_EXAMPLE, ZONE_EXAMPLE, Counting
from service.decoding.containers import HEAD_BYTES, Outline, recognise
from service.errors import ServiceError
from service.http.multipart import boundary_of, part
from service.http.parameters import ImageQuery
from service.live.query import LiveConfig
from service.pictures.image_header import read_header
from service.pictures.images import decode_image, orientation
from service.settings import Settings
from service.tracks.query import TrackQuery
from tracker.mot import read_mot, write_mot

SETTINGS = Settings()
DETECTOR = FakeDetector()
MOST_PIXELS, MOST_SIDE = 1 << 20, 1 << 12


@dataclass(frozen=True, slots=True)
class Target:
    """A parser and what it is fed with at first.

    Attributes
    ----------
    feed : callable
        Takes any bytes; raises where something is wrong with the parser.
    seeds : sequence of bytes
        Good inputs, from which others are made.
    """

    feed: Callable[[bytes], None]
    seeds: Sequence[bytes]


def query(data: bytes) -> None:
    """The options of images and of tracks, as a query string has them."""
    given = dict(parse_qsl(data.decode("latin-1"), keep_blank_values=True))
    for model in (ImageQuery, TrackQuery):
        with suppress(ValidationError, InvalidInput):
            asked = model.model_validate(given)
            asked.options(DETECTOR, SETTINGS)
            if isinstance(asked, TrackQuery):
                asked.session_options(DETECTOR, SETTINGS)
                asked.make_tracker()
                assert TrackQuery.model_validate_json(asked.model_dump_json()) == asked


def live(data: bytes) -> None:
    """The first message of a live connection."""
    with suppress(InvalidInput):
        LiveConfig.parse(data.decode("utf-8", "replace"))


def regions(data: bytes) -> None:
    """Lines and zones as JSON, between them a line break."""
    lines, _, zones = data.decode("utf-8", "replace").partition("\n")
    with suppress(InvalidInput):
        Counting.parse(lines or None, zones or None).counter(640, 480)


def header(data: bytes) -> None:
    """The header of a picture, and the rotation in its EXIF data."""
    assert orientation(data) in range(1, 9)
    with suppress(ServiceError):
        found = read_header(data)
        assert found.width > 0
        assert found.height > 0


def picture(data: bytes) -> None:
    """A whole picture: header, decoder and rotation."""
    with suppress(ServiceError):
        image = decode_image(data, MOST_PIXELS, MOST_SIDE)
        assert image.dtype == np.uint8
        assert image.shape[0] * image.shape[1] <= MOST_PIXELS


def container(data: bytes) -> None:
    """The kind of a video and its outline, which is the same in whatever pieces it comes."""
    with suppress(ServiceError):
        kind = recognise(data[:HEAD_BYTES])
        whole, split = Outline(kind), Outline(kind)
        whole.feed(data)
        step = 1 + len(data) % 97
        for start in range(0, len(data), step):
            split.feed(data[start : start + step])
        for outline in (whole, split):
            assert outline.missing >= 0
        known = [(one.streamable, one.has_index, one.missing) for one in (whole, split)]
        assert known[0] == known[1]


def form(data: bytes) -> None:
    """The type of a form up to the first line break, and its body, in pieces."""
    kind, _, body = data.partition(b"\n")
    with suppress(ServiceError, InvalidInput):
        boundary = boundary_of(kind.decode("latin-1"))
        if boundary is not None:
            asyncio.run(_part_of(body, boundary))


async def _part_of(body: bytes, boundary: bytes) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 13):
            yield body[start : start + 13]

    async for _ in part(chunks(), boundary, "video"):
        pass


def catalogue(data: bytes) -> None:
    """A catalogue file of an operator."""
    with in_file(data) as path, suppress(InvalidInput):
        read_entries(path, {"coco80": ("person",)})


def mot(data: bytes) -> None:
    """A MOT text file; what was read and written is read again as the same."""
    with in_file(data) as path, suppress(InvalidInput):
        rows = read_mot(path)
        assert np.isfinite(rows).all()
        with suppress(TracklineError):
            write_mot(path, rows)
            assert len(read_mot(path)) == len(rows)


@contextmanager
def in_file(data: bytes) -> Iterator[Path]:
    """A file, for parsers that read one."""
    with tempfile.NamedTemporaryFile(buffering=0) as file:
        file.write(data)
        yield Path(file.name)


CATALOGUE = b"""
[classes]
two = ["person", "car"]

[entries.mine]
task = "detect"
file = "mine.pt"
sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
size = 12
licence = "MIT"
classes = "two"
sources = [{ address = "https://example.org/mine.pt" }, { path = "mine.pt" }]

[entries.packed]
task = "segment"
file = "packed.pt"
sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
size = 12
classes = ["person"]
sources = [{ wheel = "package", version = "1.0", member = "package/mine.pt" }]
"""
FORM = (
    b"multipart/form-data; boundary=xx\n"
    b'--xx\r\nContent-Disposition: form-data; name="video"; filename="a"\r\n'
    b"Content-Type: video/mp4\r\n\r\nbytes\r\n--xx--\r\n"
)


def _files() -> tuple[list[bytes], list[bytes]]:
    """Pictures and videos."""
    from benchmarks.fuzz_corpus import PICTURES, VIDEOS, whole

    return [whole(kind) for kind in PICTURES], [whole(kind) for kind in VIDEOS]


PICTURES, VIDEOS = _files()
TARGETS: Mapping[str, Target] = {
    "query": Target(
        query,
        [
            b"conf=0.3&iou=0.5&classes=red,2&max_det=9&agnostic=true&imgsz=320&format=image",
            b"tracker=deepsort&delay=5&reenter=true&stride=2&start=3&end=9&embedder=none",
            f"lines={LINE_EXAMPLE}&zones={ZONE_EXAMPLE}&anchor=centre".encode(),
        ],
    ),
    "live": Target(
        live,
        [
            b'{"mode":"lossless","fps":25,"classes":"red","key":"k"}',
            f'{{"lines":{LINE_EXAMPLE},"zones":{ZONE_EXAMPLE}}}'.encode(),
        ],
    ),
    "regions": Target(regions, [f"{LINE_EXAMPLE}\n{ZONE_EXAMPLE}".encode()]),
    "header": Target(header, [data[:512] for data in PICTURES]),
    "picture": Target(picture, PICTURES),
    "container": Target(container, [data[:4096] for data in VIDEOS]),
    "form": Target(form, [FORM]),
    "catalogue": Target(catalogue, [CATALOGUE]),
    "mot": Target(mot, [b"1,1,10,20,30,40,0.9,-1,-1,-1\n2 1 11 21 30 40\n"]),
}
