"""``trackline models``: what is printed where, and the exit status."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from models import catalog
from models.errors import InvalidInput
from service.cli import models as command

CONTENT = b"weights"


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    """The command, with an empty cache and two entries of an operator: one here, one not."""
    monkeypatch.setenv("TRACKLINE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("TRACKLINE_WEIGHTS_PATH", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "here.pt").write_bytes(CONTENT)
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    (tmp_path / "own.toml").write_text(
        "".join(
            f'[entries.{name}]\ntask = "detect"\nsha256 = "{sha256}"\nlicence = "MIT"\n'
            f'classes = ["[bold]van"]\nsources = [{{ path = "{name}.pt" }}]\n'
            for name in ("here", "gone")
        )
    )
    monkeypatch.setenv("TRACKLINE_CATALOG", str(tmp_path / "own.toml"))
    app = typer.Typer()
    command.register(app)
    return app


def run(app: typer.Typer, *arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["models", *arguments])
    return done.exit_code, done.stdout, done.stderr


def test_list_shows_every_name_and_whether_it_is_here(app: typer.Typer) -> None:
    status, out, _ = run(app, "list")
    lines = {line.split()[0]: line for line in out.splitlines()[1:]}
    assert status == 0
    assert set(catalog.names()) <= set(lines)
    assert " here " in lines["here"].removeprefix("here")
    assert " absent " in lines["gone"]
    assert "AGPL-3.0" in lines["yolo26n"]


def test_list_as_json_of_one_task(app: typer.Typer) -> None:
    status, out, _ = run(app, "list", "--task", "embed", "--json")
    assert status == 0
    rows = json.loads(out)
    assert [row["name"] for row in rows] == catalog.names("embed")
    assert all(len(row["sha256"]) == 64 for row in rows)


def test_info_shows_hash_licence_classes_and_sources(app: typer.Typer, tmp_path: Path) -> None:
    status, out, _ = run(app, "info", "here")
    assert status == 0
    assert hashlib.sha256(CONTENT).hexdigest() in out
    assert "MIT" in out
    assert "[bold]van" in out
    assert str(tmp_path / "here.pt") in out.replace("\n", "")


def test_info_as_json_tells_the_same(app: typer.Typer, tmp_path: Path) -> None:
    status, out, _ = run(app, "info", "here", "--json")
    row = json.loads(out)
    assert status == 0
    assert (row["name"], row["state"], row["classes"]) == ("here", "here", ["[bold]van"])
    assert row["path"] == str(tmp_path / "here.pt")


def test_pull_of_a_task_fetches_all_of_it(
    app: typer.Typer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "fetch", lambda name, progress: Path(name))
    status, out, _ = run(app, "pull", "here", "--task", "embed")
    assert status == 0
    assert out.splitlines() == [f"{name}\t{name}" for name in ("here", *catalog.names("embed"))]


@pytest.mark.weights
def test_export_prints_where_each_network_is() -> None:
    names = ("yolo26n", "mobilenet")
    for name in names:
        if catalog.locate(name) is None:
            pytest.skip(f"no {name} here: trackline models pull {name}")
    app = typer.Typer()
    command.register(app)
    status, out, _ = run(app, "export", *names)
    rows = [line.split("\t") for line in out.splitlines()]
    found = [(name, Path(path).suffix) for name, path in rows]
    # In eight bits too, for frames of videos.
    assert (status, found) == (0, [(names[0], ".onnx"), (names[0], ".xml"), (names[1], ".onnx")])
    assert all(Path(path).is_file() for _, path in rows)


def test_pull_prints_where_each_file_is(app: typer.Typer, tmp_path: Path) -> None:
    status, out, _ = run(app, "pull", "here")
    assert (status, out) == (0, f"here\t{tmp_path / 'here.pt'}\n")


def test_pull_fetches_the_others_when_one_is_not_to_be_had(
    app: typer.Typer, tmp_path: Path
) -> None:
    status, out, err = run(app, "pull", "gone", "here")
    assert status == 1
    assert out == f"here\t{tmp_path / 'here.pt'}\n"
    assert "trackline: gone: no source has it" in err


def test_pull_of_nothing_is_wrong_usage(app: typer.Typer) -> None:
    status, out, err = run(app, "pull")
    assert (status, out) == (2, "")
    assert "expected catalogue names" in err


def test_what_is_no_network_is_not_exported(app: typer.Typer) -> None:
    done = CliRunner().invoke(app, ["models", "export", "sample-car-video"])
    assert isinstance(done.exception, InvalidInput)
    assert "it is footage" in str(done.exception)


def test_a_network_that_runs_in_torch_alone_is_not_exported(app: typer.Typer) -> None:
    done = CliRunner().invoke(app, ["models", "export", "ssdlite320"])
    assert isinstance(done.exception, InvalidInput)
    assert "runs in torch alone" in str(done.exception)
