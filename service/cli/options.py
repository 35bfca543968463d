"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[str, typer.Option(help="A detector of `trackline models list`.")]
ModelThere = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="A detector of `trackline models list`.",
        show_default="yolo26n, or the server's own",
    ),
]
"""Of a command that a server may do the work for."""
Server = Annotated[
    str | None,
    typer.Option(
        envvar="TRACKLINE_SERVER",
        metavar="URL",
        help="Let this server do the work; its key is read from TRACKLINE_API_KEY.",
    ),
]
Iou = Annotated[
    float, typer.Option(min=0, max=1, help="Boxes that overlap a better one by more are dropped.")
]
Classes = Annotated[
    str | None, typer.Option(help="Names or ids that are wanted, comma-separated; all if unset.")
]
MaxDet = Annotated[int, typer.Option(min=1, help="Most objects of one picture.")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="File or folder; standard output if unset.")
]


def split(text: str | None) -> list[str] | None:
    """The parts of a comma-separated text; None where there is none."""
    if text is None:
        return None
    return [part.strip() for part in text.split(",") if part.strip()]
