"""``trackline track``: the tracks of a video file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from service.cli.options import Classes, Model, Output, split
from service.tracks.formats import Format, write


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("track")(track)


def track(
    video: Annotated[Path, typer.Argument(help="A video file.")],
    model: Model = "yolo26n",
    conf: Annotated[float, typer.Option(min=0, max=1, help="Least confidence.")] = 0.1,
    classes: Classes = None,
    tracker: Annotated[
        str, typer.Option(help="deepsort, deepsort-paper, sort, bytetrack or botsort.")
    ] = "deepsort",
    embedder: Annotated[
        str, typer.Option(help="osnet-x0.25, mobilenet, colour, auto, or none.")
    ] = "auto",
    delay: Annotated[
        int, typer.Option(min=0, help="Answer so many frames later, smoothed and filled.")
    ] = 0,
    output_format: Annotated[
        Format,
        typer.Option("--format", help="A line of JSON a frame, MOTChallenge rows, or a table."),
    ] = Format.NDJSON,
    output: Output = None,
    save_video: Annotated[
        Path | None, typer.Option(help="Also write an MP4 with boxes, IDs and trails.")
    ] = None,
    refine: Annotated[
        bool, typer.Option("--refine", help="Link and smooth the tracks once all are known.")
    ] = False,
    lines: Annotated[
        str | None, typer.Option(help="Lines whose crossings are counted, as JSON.")
    ] = None,
    zones: Annotated[
        str | None, typer.Option(help="Zones whose visits are counted, as JSON.")
    ] = None,
) -> None:
    """Follow the objects of a video."""
    from service.cli.progress import counted, counted_frames
    from service.decoding.decoders import Decoders
    from service.drawing.annotate import annotate_video
    from service.tracks import local

    wanted = split(classes)
    request = local.Request(
        video, model, conf, wanted, tracker, embedder, delay, refine, lines, zones
    )
    frames: list[dict[str, Any]] = []
    with Decoders() as decoders:
        with local.follow(request, decoders, counted_frames) as messages, _sink(output) as sink:
            for message in write(sink, messages, output_format):
                if save_video is not None and message["type"] == "frame":
                    frames.append(message)
        if save_video is not None:
            drawn = annotate_video(video, frames, save_video, decoders)
            for _ in counted(drawn, "drawing", len(frames)):
                pass


@contextmanager
def _sink(output: Path | None) -> Iterator[IO[str]]:
    """The file, or standard output."""
    if output is None:
        yield sys.stdout
        return
    with output.open("w", encoding="utf-8", newline="") as file:
        yield file
