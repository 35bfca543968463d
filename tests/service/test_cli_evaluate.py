"""``trackline eval mot``: the table, JSON, and one clear line for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.errors import InvalidInput
from service.cli import app


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Truth and results of two sequences; in the second the identity changes half way."""
    truth, results = tmp_path / "truth", tmp_path / "results"
    results.mkdir()
    for name, second_half in (("one", 1), ("two", 2)):
        (truth / name).mkdir(parents=True)
        rows = [f"{t},{{}},{5 * t},0,20,50,1" for t in range(1, 11)]
        gt = "\n".join(row.format(1) for row in rows)
        found = "\n".join(row.format(1 if t < 5 else second_half) for t, row in enumerate(rows))
        (truth / name / "gt.txt").write_text(gt)
        (results / f"{name}.txt").write_text(found)
    return truth, results


def test_a_row_for_each_sequence_and_one_for_all(folders: tuple[Path, Path]) -> None:
    answer = CliRunner().invoke(app, ["eval", "mot", *map(str, folders)])
    assert answer.exit_code == 0
    header, *lines = answer.stdout.splitlines()
    assert header.split() == [
        "sequence",
        "HOTA",
        "DetA",
        "AssA",
        "IDF1",
        "MOTA",
        "IDSW",
        "FP",
        "FN",
    ]
    assert [line.split()[0] for line in lines] == ["one", "two", "COMBINED"]
    assert lines[0].split()[1:] == ["100.0"] * 5 + ["0"] * 3
    assert lines[1].split()[4:] == ["50.0", "90.0", "1", "0", "0"]


def test_json_has_shares_and_counts(folders: tuple[Path, Path]) -> None:
    command = ["eval", "mot", *map(str, folders), "--json", "--sequence", "two"]
    answer = json.loads(CliRunner().invoke(app, command).stdout)
    assert list(answer) == ["two", "COMBINED"]
    assert answer["two"]["idf1"] == 0.5
    assert answer["two"]["idsw"] == 1


def test_a_broken_line_is_named(folders: tuple[Path, Path]) -> None:
    (folders[1] / "two.txt").write_text("1,1,0,0,20\n")
    answer = CliRunner().invoke(app, ["eval", "mot", *map(str, folders)])
    assert isinstance(answer.exception, InvalidInput)
    assert "two.txt, line 1" in str(answer.exception)
