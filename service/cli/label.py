"""``trackline label``: a data set to train on, made of videos and pictures by a teacher."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import InvalidInput
from service.cli.options import split

if TYPE_CHECKING:
    from models.types import Image

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("label")(label)


def label(
    videos: Annotated[list[Path], typer.Argument(metavar="VIDEO…", help="Videos and pictures.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the data set.")],
    model: Annotated[
        str, typer.Option(help="The teacher; a -seg one gives outlines too.")
    ] = "yolo26l",
    classes: Annotated[
        str | None, typer.Option(help="Classes that are labelled, comma-separated; all if unset.")
    ] = None,
    merge: Annotated[
        list[str] | None,
        typer.Option(help="One class of several: vehicle=car,bus,truck.", metavar="NAME=CLASSES"),
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Every n-th frame of a video.")] = 5,
    conf: Annotated[float, typer.Option(min=0, max=1, help="Least confidence.")] = 0.4,
    imgsz: Annotated[
        int | None, typer.Option(min=32, help="Side of the teacher's input, in pixels.")
    ] = None,
    val: Annotated[
        float, typer.Option(min=0, max=0.9, help="Last share of each video: what is measured.")
    ] = 0.2,
) -> None:
    """Label videos and pictures with what a detector finds, as a YOLO data set."""
    from models import load_detector
    from models.training.labels import Classes, YoloFolder
    from service.cli.progress import counted
    from service.pictures.images import encode_jpeg

    for path in videos:
        if not path.is_file():
            raise InvalidInput(f"a video or picture is expected, but there is none at {path}")
    teacher = load_detector(model)
    try:
        named = Classes.of(teacher.names, split(classes), dict(map(_merged, merge or [])))
        folder = YoloFolder(output, named.names)
        objects = pictures = 0
        for number, path in enumerate(videos):
            stems = []
            for frame, image in counted(_frames(path, every), f"labelling {path.name}", None):
                (found,) = teacher.predict(
                    [image], conf=conf, classes=list(named.numbers), imgsz=imgsz
                )
                found = named.relabelled(found)
                stems.append(f"{number:03d}-{path.stem}-{frame:06d}")
                folder.add(stems[-1], encode_jpeg(image), found, image.shape[:2])
                objects += len(found)
            measured = round(len(stems) * val)
            folder.measure(stems[len(stems) - measured :])
            pictures += len(stems)
    finally:
        teacher.close()
    typer.echo(f"{output}: {pictures} pictures, {objects} objects: {', '.join(named.names)}")


def _merged(text: str) -> tuple[str, list[str]]:
    name, equals, parts = text.partition("=")
    if not (name and equals and parts):
        raise typer.BadParameter(f"--merge: NAME=CLASS,CLASS,… expected, got {text!r}")
    return name, split(parts) or []


def _frames(path: Path, every: int) -> Iterator[tuple[int, Image]]:
    """Every n-th frame of a video with its number, or a picture."""
    from service.decoding.decoders import Decoders
    from service.decoding.video import VideoEnd, VideoInfo
    from service.decoding.video_file import open_video

    if path.suffix.lower() in PICTURES:
        from models.training.samples import read_picture

        yield 0, read_picture(path)
        return
    with Decoders() as decoders, open_video(path, decoders) as video:
        while not isinstance(frame := video.receive(), VideoEnd):
            if isinstance(frame, VideoInfo) or frame.image is None:
                continue
            if frame.number % every == 0:
                yield frame.number, frame.image
            video.give_back(frame)
