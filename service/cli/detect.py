"""``trackline detect``: the objects of picture files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from models.errors import InvalidInput
from service.cli.options import Classes, Iou, MaxDet, ModelThere, Output, Server, split

if TYPE_CHECKING:
    from models.types import Detections, Image

    Detect: TypeAlias = Callable[[bytes, Image], Detections]
    """What finds the objects of a picture, as a file and as pixels."""

DEFAULT_MODEL = "yolo26n"
MOST_PIXELS = 250_000_000
MOST_SIDE = 65_535


class Format(StrEnum):
    """What is written."""

    TABLE = "table"
    JSON = "json"
    IMAGE = "image"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("detect")(detect)


def detect(
    images: Annotated[list[Path], typer.Argument(help="Picture files.", metavar="IMAGE…")],
    model: ModelThere = None,
    conf: Annotated[float, typer.Option(min=0, max=1, help="Least confidence.")] = 0.25,
    iou: Iou = 0.7,
    classes: Classes = None,
    max_det: MaxDet = 300,
    output_format: Annotated[
        Format,
        typer.Option("--format", help="A table, a line of JSON a picture, or pictures drawn on."),
    ] = Format.TABLE,
    output: Output = None,
    server: Server = None,
) -> None:
    """Find the objects of pictures."""
    if output_format is Format.IMAGE and output is None:
        raise typer.BadParameter("pictures need a file or folder: add -o PATH")
    for path in images:
        if not path.is_file():
            raise InvalidInput(f"a picture file is expected, but there is none at {path}")

    options = Options(conf, iou, split(classes), max_det)
    with _here(model, options) if server is None else _there(server, model, options) as detect_one:
        found = _detect(images, detect_one)
        if output_format is Format.IMAGE and output is not None:
            _write_images(found, output, several=len(images) > 1)
        else:
            _write_text(found, output_format, output)


@dataclass(frozen=True, slots=True)
class Options:
    """What is looked for: the parameters of `Detector.predict` and of the server."""

    conf: float
    iou: float
    classes: list[str] | None
    max_det: int


@contextmanager
def _here(model: str | None, options: Options) -> Iterator[Detect]:
    """The detections of a picture, from this process."""
    from models import load_detector

    with closing(load_detector(model or DEFAULT_MODEL)) as detector:
        yield lambda _, image: detector.predict([image], **asdict(options))[0]


@contextmanager
def _there(server: str, model: str | None, options: Options) -> Iterator[Detect]:
    """The same, from a server."""
    from service.cli.remote import client_of
    from service.schemas import detections

    with client_of(server) as client:
        yield lambda data, _: detections(
            client.detect(data, model=model, **asdict(options)).detections
        )


def _detect(images: list[Path], detect_one: Detect) -> Iterator[tuple[Path, Image, Detections]]:
    """Each picture with what was found in it, one at a time."""
    from service.pictures.images import decode_image

    for path in images:
        data = path.read_bytes()
        image = decode_image(data, MOST_PIXELS, MOST_SIDE)
        yield path, image, detect_one(data, image)


def _write_images(
    found: Iterator[tuple[Path, Image, Detections]], output: Path, *, several: bool
) -> None:
    """Write the pictures with their objects drawn: into a folder, or to the one file named."""
    from service.drawing.render import draw_detections
    from service.pictures.images import encode_jpeg

    folder = several or output.is_dir()
    if folder:
        output.mkdir(parents=True, exist_ok=True)
    taken: set[str] = set()
    for path, image, detections in found:
        target = output / f"{_free(path.stem, taken)}.jpg" if folder else output
        target.write_bytes(encode_jpeg(draw_detections(image, detections)))
        typer.echo(f"{target}: {len(detections)} objects", err=True)


def _free(stem: str, taken: set[str]) -> str:
    """A name that no other picture has taken; `photo.png` after `photo.jpg` is `photo-2`."""
    name, number = stem, 1
    while name in taken:
        number += 1
        name = f"{stem}-{number}"
    taken.add(name)
    return name


def _write_text(
    found: Iterator[tuple[Path, Image, Detections]], output_format: Format, output: Path | None
) -> None:
    """Write tables or lines of JSON to the file, or to standard output."""
    as_text = _as_json if output_format is Format.JSON else _as_table
    if output is None:
        for item in found:
            typer.echo(as_text(*item))
        return
    with output.open("w", encoding="utf-8") as file:
        for item in found:
            file.write(as_text(*item) + "\n")


def _as_json(path: Path, image: Image, detections: Detections) -> str:
    import orjson

    from service.schemas import objects

    height, width = image.shape[:2]
    answer = {
        "path": str(path),
        "image": {"width": width, "height": height},
        "detections": objects(detections),
    }
    return orjson.dumps(answer).decode()


def _as_table(path: Path, image: Image, detections: Detections) -> str:
    height, width = image.shape[:2]
    lines = [f"{path}  {width}x{height}  {len(detections)} objects"]
    lines += [
        f"  {detections.name(row):<16} {detections.scores[row]:5.2f}   "
        + " ".join(f"{value:8.1f}" for value in detections.boxes[row])
        for row in range(len(detections))
    ]
    return "\n".join(lines)
