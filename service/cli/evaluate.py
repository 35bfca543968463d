"""``trackline eval``: how good results are, measured against the truth."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tracker.evaluate import Scores

group = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group of commands to the application."""
    app.add_typer(group, name="eval", help="Score results against the truth.")


@group.callback()
def evaluate() -> None:
    """Score results against the truth."""


@group.command()
def mot(
    gt_dir: Annotated[
        Path, typer.Argument(help="Holds SEQUENCE/gt/gt.txt, SEQUENCE/gt.txt or SEQUENCE.txt.")
    ],
    results_dir: Annotated[Path, typer.Argument(help="Holds SEQUENCE.txt, MOT rows.")],
    sequence: Annotated[
        list[str] | None,
        typer.Option(help="Score this sequence alone; may be given several times."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON in place of a table.")] = False,
) -> None:
    """HOTA, DetA, AssA, IDF1, MOTA and identity switches of MOTChallenge result files."""
    from tracker.evaluate import evaluate_folders

    scores = evaluate_folders(gt_dir, results_dir, sequence)
    if as_json:
        typer.echo(json.dumps({name: asdict(row) for name, row in scores.items()}, indent=2))
    else:
        typer.echo(table(scores))


def table(scores: dict[str, Scores]) -> str:
    """A line a sequence: shares in percent, then counts."""
    width = max(16, *(len(name) for name in scores))
    lines = [f"{'sequence':{width}s}  HOTA  DetA  AssA  IDF1  MOTA  IDSW    FP    FN"]
    for name, row in scores.items():
        shares = " ".join(
            f"{100 * share:5.1f}" for share in (row.hota, row.deta, row.assa, row.idf1, row.mota)
        )
        lines.append(f"{name:{width}s} {shares} {row.idsw:5d} {row.fp:5d} {row.fn:5d}")
    return "\n".join(lines)
