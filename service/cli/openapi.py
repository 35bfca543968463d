"""``trackline openapi``: the description of the HTTP API, as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("openapi")(openapi)


def openapi(
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write; else standard output.")
    ] = None,
) -> None:
    """Write the OpenAPI description that a server has at /openapi.json."""
    import orjson

    from service.app import create_app
    from service.settings import Settings

    text = orjson.dumps(create_app(Settings()).openapi(), option=orjson.OPT_INDENT_2).decode()
    if output is None:
        typer.echo(text)
    else:
        output.write_text(text + "\n", encoding="utf-8")
