"""``trackline track``: the tracks of a video file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Annotated

import typer

from models.errors import InvalidInput
from service.cli.options import Classes, ModelThere, Output, Server, split
from service.tracks.formats import Format, Lines, Message, write

if TYPE_CHECKING:
    from service.tracks.local import Request


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("track")(track)


def track(
    video: Annotated[Path, typer.Argument(help="A video file.")],
    model: ModelThere = None,
    conf: Annotated[float, typer.Option(min=0, max=1, help="Least confidence.")] = 0.1,
    classes: Classes = None,
    tracker: Annotated[
        str, typer.Option(help="deepsort, deepsort-paper, sort, bytetrack or botsort.")
    ] = "deepsort",
    embedder: Annotated[
        str | None,
        typer.Option(
            help="osnet-x0.25, mobilenet, colour, auto, or none.",
            show_default="auto where the tracker asks for it, or the server's own",
        ),
    ] = None,
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
    server: Server = None,
) -> None:
    """Follow the objects of a video."""
    if refine and delay:
        raise InvalidInput("refine and delay both smooth the tracks: give one of them")
    if save_video is not None and not save_video.parent.is_dir():
        raise InvalidInput(f"{save_video}: there is no folder {save_video.parent} to write it to")
    from service.tracks.lines import ndjson
    from service.tracks.local import Request

    request = Request(
        video, model, conf, split(classes), tracker, embedder, delay, refine, lines, zones
    )
    follow = _here(request) if server is None else _there(request, server)
    with TemporaryDirectory() as folder:
        drawn = Path(folder) / "frames.ndjson"
        frames = 0
        with follow as messages, _sink(output) as sink, drawn.open("wb") as kept:
            for message in write(sink, messages, output_format):
                if save_video is not None and message["type"] == "frame":
                    kept.write(ndjson(message))
                    frames += 1
        if save_video is not None:
            _draw(video, Lines(drawn), frames, save_video)


@contextmanager
def _here(request: Request) -> Iterator[Iterator[Message]]:
    """The messages of the track stream, from this process."""
    import cv2

    from service.cli.progress import counted_frames
    from service.decoding.decoders import Decoders
    from service.tracks.local import follow

    cv2.setNumThreads(1)  # as in the server
    with Decoders() as decoders, follow(request, decoders, counted_frames) as messages:
        yield messages


@contextmanager
def _there(request: Request, server: str) -> Iterator[Iterator[Message]]:
    """The same, from a server."""
    from service.cli.progress import counted_frames
    from service.cli.remote import client_of, follow

    with client_of(server) as client:
        yield follow(client, request, counted_frames)


def _draw(video: Path, lines: Lines, frames: int, out: Path) -> None:
    """Write the video with the tracks drawn."""
    from service.cli.progress import counted
    from service.decoding.decoders import Decoders
    from service.drawing.annotate import annotate_video

    with Decoders() as decoders:
        for _ in counted(annotate_video(video, lines, out, decoders), "drawing", frames):
            pass


@contextmanager
def _sink(output: Path | None) -> Iterator[IO[str]]:
    """The file, or standard output."""
    if output is None:
        yield sys.stdout
        return
    with output.open("w", encoding="utf-8", newline="") as file:
        yield file
