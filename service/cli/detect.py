"""``trackline detect``: the objects of picture files."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import InvalidInput
from service.cli.options import Classes, Iou, MaxDet, Model, Output, split

if TYPE_CHECKING:
    from models.detector import Detector
    from models.types import Detections, Image

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
    model: Model = "yolo26n",
    conf: Annotated[float, typer.Option(min=0, max=1, help="Least confidence.")] = 0.25,
    iou: Iou = 0.7,
    classes: Classes = None,
    max_det: MaxDet = 300,
    output_format: Annotated[
        Format,
        typer.Option("--format", help="A table, a line of JSON a picture, or pictures drawn on."),
    ] = Format.TABLE,
    output: Output = None,
) -> None:
    """Find the objects of pictures."""
    if output_format is Format.IMAGE and output is None:
        raise typer.BadParameter("pictures need a file or folder: add -o PATH")
    for path in images:
        if not path.is_file():
            raise InvalidInput(f"a picture file is expected, but there is none at {path}")

    from models import load_detector

    detector = load_detector(model)
    try:
        wanted = split(classes)
        found = _detect(detector, images, conf, iou, wanted, max_det)
        if output_format is Format.IMAGE and output is not None:
            _write_images(found, output, several=len(images) > 1)
        else:
            _write_text(found, output_format, output)
    finally:
        detector.close()


def _detect(
    detector: Detector,
    images: list[Path],
    conf: float,
    iou: float,
    classes: list[str] | None,
    max_det: int,
) -> Iterator[tuple[Path, Image, Detections]]:
    """Each picture with what was found in it, one at a time."""
    from service.pictures.images import decode_image

    for path in images:
        image = decode_image(path.read_bytes(), MOST_PIXELS, MOST_SIDE)
        (found,) = detector.predict([image], conf=conf, iou=iou, classes=classes, max_det=max_det)
        yield path, image, found


def _write_images(
    found: Iterator[tuple[Path, Image, Detections]], output: Path, *, several: bool
) -> None:
    """Write the pictures with their objects drawn: into a folder, or to the one file named."""
    from service.drawing.render import draw_detections
    from service.pictures.images import encode_jpeg

    folder = several or output.is_dir()
    if folder:
        output.mkdir(parents=True, exist_ok=True)
    for path, image, detections in found:
        target = output / f"{path.stem}.jpg" if folder else output
        target.write_bytes(encode_jpeg(draw_detections(image, detections)))
        typer.echo(f"{target}: {len(detections)} objects", err=True)


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
