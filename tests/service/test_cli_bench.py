"""``trackline bench``: it runs the benchmarks of the repository with their own options."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.errors import InvalidInput
from service.cli import app
from service.cli import bench as command
from service.cli.bench import Benchmark


def trackline(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The command line, in a folder that is not the repository."""
    return subprocess.run(
        [sys.executable, "-m", "service.cli", *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(command.ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("benchmark", Benchmark)
def test_every_name_stands_for_a_benchmark_that_is_there(benchmark: Benchmark) -> None:
    assert find_spec(f"benchmarks.{benchmark.module}") is not None
    readme = (command.ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    assert f"| `{benchmark.value}" in readme


def test_options_reach_the_benchmark_and_its_answer_comes_back(tmp_path: Path) -> None:
    done = trackline("bench", "tracker", "--objects", "3", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["3"]["cpu_ms"] > 0


def test_the_status_of_the_benchmark_is_that_of_the_command(tmp_path: Path) -> None:
    done = trackline("bench", "sliding-window", "--nonsense", folder=tmp_path)
    assert done.returncode == 2
    assert "unrecognized arguments: --nonsense" in done.stderr


def test_sliding_and_one_look_are_held_to_the_same_answers(tmp_path: Path) -> None:
    done = trackline("bench", "sliding-window", "--steps", "0,1", "--rounds", "1", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()[1:]]
    assert [(line[0], line[1]) for line in lines] == [("224", "1"), ("256", "4")]


def test_without_a_checkout_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "ROOT", tmp_path)
    answer = CliRunner().invoke(app, ["bench", "nms"])
    assert isinstance(answer.exception, InvalidInput)
    assert "check the repository out" in str(answer.exception)
