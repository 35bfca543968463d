"""``trackline models``: what the catalogue has, and fetching, showing and exporting it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from models.errors import InvalidInput, WeightsError

if TYPE_CHECKING:
    from models.sources import Progress

models_app = typer.Typer(help="The catalogue of weights and sample footage.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Task = Annotated[
    str | None, typer.Option(help="Only this task: detect, segment, semantic, embed or footage.")
]
Names = Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Catalogue names.")]


def register(app: typer.Typer) -> None:
    """Add the group of commands to the application."""
    app.add_typer(models_app, name="models")


@models_app.command("list")
def list_models(task: Task = None, as_json: AsJson = False) -> None:
    """Show every name, and whether its file is on this machine."""
    from models import catalog

    rows = [_describe(name) for name in catalog.names(task)]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    columns = {
        "name": [row["name"] for row in rows],
        "task": [row["task"] for row in rows],
        "size": [_megabytes(row["size"]) for row in rows],
        "licence": [row["licence"] for row in rows],
        "file": [row["state"] for row in rows],
        "notes": [row["notes"] for row in rows],
    }
    _print_table(columns)


@models_app.command("info")
def info(
    name: Annotated[str, typer.Argument(help="A catalogue name.")], as_json: AsJson = False
) -> None:
    """Show everything the catalogue says of one name: hash, licence, classes, sources."""
    row = _describe(name)
    if as_json:
        typer.echo(json.dumps(row, indent=2))
        return
    shown = {**row, "classes": ", ".join(row["classes"]) or "none"}
    shown["sources"] = "\n".join(row["sources"])
    shown["size"] = _megabytes(row["size"])
    _print_table({"": list(shown), name: [str(value or "") for value in shown.values()]})


@models_app.command("pull")
def pull(
    names: Names = None,
    task: Task = None,
    everything: Annotated[bool, typer.Option("--all", help="The whole catalogue.")] = False,
) -> None:
    """Fetch files into the cache and verify them; print where each one is."""
    from models import catalog

    wanted = list(names or [])
    if everything or task is not None:
        wanted += catalog.names(task)
    if not wanted:
        raise typer.BadParameter("expected catalogue names, --task or --all")
    for name in wanted:
        catalog.entry(name)
    failures: list[str] = []
    for name in dict.fromkeys(wanted):
        try:
            with _progress_bar(name) as progress:
                path = catalog.fetch(name, progress)
        except WeightsError as error:
            # The other names are still worth having; the command fails at its end.
            failures.append(str(error))
        else:
            typer.echo(f"{name}\t{path}")
    for failure in failures:
        sys.stderr.write(f"trackline: {failure}\n")
    if failures:
        raise typer.Exit(1)


@models_app.command("export")
def export(names: Annotated[list[str], typer.Argument(metavar="NAME...")]) -> None:
    """Write the networks to files, as the runtimes read them; print where each one is."""
    for name in names:
        for path in _export(name):
            typer.echo(f"{name}\t{path}")


def _export(name: str) -> list[Path]:
    from models import catalog

    entry = catalog.entry(name)
    fcn = entry.file.endswith(".safetensors")
    if not fcn and entry.task not in ("detect", "segment", "embed"):
        raise InvalidInput(f"{name}: expected a detector or an embedder, it is {entry.task}")
    if entry.network:
        raise InvalidInput(f"{name}: {entry.network} runs in torch alone, there is no export of it")
    with _progress_bar(name) as progress:
        catalog.fetch(name, progress)
    if fcn:
        from models import fcn_runtime

        return [fcn_runtime.exported(name)]
    if entry.task == "embed":
        from models import embed_network

        return [embed_network.exported(name)]
    from models import yolo_export, yolo_int8

    exports = [yolo_export.exported, *([yolo_int8.quantised] if entry.int8 else [])]
    return [exported(name)[0] for exported in exports]


def _describe(name: str) -> dict[str, Any]:
    from models import catalog

    known = catalog.entry(name)
    state = catalog.state(name)
    return {
        "name": name,
        "task": known.task,
        "state": state,
        "path": str(catalog.locate(name)) if state == "here" else None,
        "file": known.file,
        "sha256": known.sha256,
        "size": known.size,
        "licence": known.licence,
        "classes": list(known.classes),
        "notes": known.notes,
        "sources": [str(source) for source in known.sources],
    }


def _megabytes(size: int | None) -> str:
    return "" if size is None else f"{size / 1e6:.1f} MB"


def _print_table(columns: dict[str, list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in columns:
        table.add_column(title, overflow="fold")
    for row in zip(*columns.values(), strict=True):
        table.add_row(*map(Text, row))
    Console().print(table)


@contextmanager
def _progress_bar(name: str) -> Iterator[Progress]:
    """A bar on stderr, so that what is printed to stdout can be piped."""
    from rich import progress as bars
    from rich.console import Console

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.DownloadColumn(),
        bars.TransferSpeedColumn(),
        bars.TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    quiet = not console.is_terminal
    with bars.Progress(*columns, console=console, transient=True, disable=quiet) as bar:
        task = bar.add_task(name, total=None)

        def update(source: str, done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total, description=f"{name} from {source}")

        yield update
