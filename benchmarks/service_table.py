"""The rows of the service's benchmark: what was measured, against what, and what is wanted."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison; the figures are medians of the rounds.

    Attributes
    ----------
    what, against : str
        What was measured, and what it is held against.
    ours, theirs : float or None
        Both, in ``unit``; None where there is nothing of the kind.
    unit : str
        Of both.
    value : float
        What is compared with ``wanted``: as a rule the ratio, taken round by round.
    wanted : float
        The bound.
    at_most : bool
        Whether the bound is an upper one.
    rounds : int
        How often it was measured.
    """

    what: str
    against: str
    ours: float | None
    theirs: float | None
    unit: str
    value: float
    wanted: float
    at_most: bool = False
    rounds: int = 1

    @property
    def reached(self) -> bool:
        """Whether the value is within the bound."""
        return self.value <= self.wanted if self.at_most else self.value >= self.wanted

    def as_json(self) -> dict[str, Any]:
        """The row for the file of figures."""
        return asdict(self) | {"reached": self.reached}


def ratio_row(
    what: str,
    against: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    *,
    unit: str,
    wanted: float,
    at_most: bool = False,
) -> Row:
    """A row of ratios: one a round, so that what slows the machine meets both sides alike."""
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return Row(
        what=what,
        against=against,
        ours=statistics.median(ours),
        theirs=statistics.median(theirs),
        unit=unit,
        value=statistics.median(ratios),
        wanted=wanted,
        at_most=at_most,
        rounds=len(ratios),
    )


def show(rows: Sequence[dict[str, Any]], notes: Sequence[str]) -> None:
    """Print rows, as `Row.as_json` gives them, and what has to be said beside them."""
    table = Table(title="from the socket to the track ID")
    for heading in ("what", "against", "ours", "theirs", "", "value", "wanted", "rounds", ""):
        right = heading in ("ours", "theirs", "value", "wanted", "rounds")
        table.add_column(heading, justify="right" if right else "left")
    for row in rows:
        sign = "≤" if row["at_most"] else "≥"
        table.add_row(
            row["what"],
            row["against"],
            number(row["ours"]),
            number(row["theirs"]),
            row["unit"],
            number(row["value"]),
            f"{sign} {row['wanted']:g}",
            str(row["rounds"]),
            "yes" if row["reached"] else "NO",
        )
    console = Console(width=150, highlight=False)
    console.print(table)
    for note in notes:
        console.print(note)


def number(value: float | None) -> str:
    """A figure with as many places as it needs."""
    if value is None:
        return ""
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
