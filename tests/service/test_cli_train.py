"""``trackline label`` and ``train``: from a clip to a network of one's own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import yaml

from models.ground_truth import read_ground_truth
from models.training.recipe import NETWORKS
from service.cli.train import Network
from tests.service.clips import clip, picture
from tests.service.test_cli_files import trackline

SMALL = ("--imgsz", "160", "--crop", "64", "--samples", "4", "--batch", "2", "--frozen-epochs", "1")


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set that the detector without weights has made."""
    folder = tmp_path_factory.mktemp("labelled")
    (folder / "clip.mp4").write_bytes(clip("mp4", 20))
    cv2.imwrite(str(folder / "photo.png"), picture(3))
    done = trackline(
        *("label", folder / "clip.mp4", folder / "photo.png", "-o", folder / "data"),
        *("--model", "fake", "--classes", "red", "--merge", "other=green,blue"),
        *("--every", "4", "--val", "0.4"),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("6 pictures, 12 objects: red, other")
    return folder / "data"


def test_label_parts_a_clip_by_time(labelled: Path) -> None:
    parts = {part: read_ground_truth(labelled, split=part) for part in ("train", "val")}
    frames = {part: [str(row.key) for row in truth.pictures] for part, truth in parts.items()}
    assert frames["train"] == [f"000-clip-{n:06d}" for n in (0, 4, 8)] + ["001-photo-000000"]
    assert frames["val"] == [f"000-clip-{n:06d}" for n in (12, 16)]
    truth = parts["val"].pictures[0].truth
    assert sorted(truth.classes.tolist()) == [0, 1]
    red = truth.boxes[truth.classes.tolist().index(0)]
    assert red.tolist() == pytest.approx([34, 20, 64, 60], abs=2)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.mp4"], "nowhere.mp4"),
        (["{photo}", "--classes", "dog"], "'dog'"),
        (["{photo}", "--model", "nothing"], "nothing"),
    ],
)
def test_label_says_what_is_wrong_in_a_line(
    tmp_path: Path, arguments: list[str], says: str
) -> None:
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), picture(3))
    given = [argument.format(photo=photo) for argument in arguments]
    given += [] if "--model" in given else ["--model", "fake"]
    done = trackline("label", *given, "-o", tmp_path / "data")
    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_every_network_can_be_named() -> None:
    assert {network.value for network in Network} == NETWORKS.keys()


def test_train_says_what_is_wrong_in_a_line(labelled: Path, tmp_path: Path) -> None:
    done = trackline("train", "fcn", "--data", labelled, "-o", tmp_path, "--imgsz", "100")
    assert (done.returncode, done.stderr.strip()) == (
        1,
        "trackline: imgsz: a multiple of 32 expected, got 100",
    )
    without = tmp_path / "without"
    without.mkdir()
    data = yaml.safe_load((labelled / "data.yaml").read_text())
    described = {"train": str(labelled / "images/train"), "names": data["names"]}
    (without / "data.yaml").write_text(yaml.safe_dump(described))
    done = trackline("train", "fcn", "--data", without, "-o", tmp_path / "run", *SMALL)
    assert done.returncode == 1
    assert "--val" in done.stderr
    assert trackline("train", "yolo", "--data", labelled).returncode == 2


@pytest.mark.weights
def test_train_is_interrupted_and_goes_on(labelled: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command: list[str | Path] = ["train", "fcn", "--data", labelled, "-o", run, "--epochs", "30"]
    process = subprocess.Popen(
        [sys.executable, "-m", "service.cli", *map(str, command), *SMALL],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        lines = iter(process.stderr.readline, "")
        assert any("backbone frozen" in line for line in lines)
        os.kill(process.pid, signal.SIGINT)
        said = process.stderr.read()
        assert process.wait(60) == 1
    finally:
        process.kill()
        process.stderr.close()
    assert "trackline: interrupted in epoch" in said
    assert "--resume" in said
    assert (tmp_path / "run" / "last.pt").is_file()
    other = trackline(*command[:-1], "2", *SMALL, "--resume")
    assert other.returncode == 1
    assert "epochs was 30 and is 2" in other.stderr


@pytest.mark.weights
def test_train_leaves_a_network(labelled: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = trackline(
        *("train", "fcn", "--data", labelled, "-o", run, "--epochs", "2"), *SMALL, "--bf16"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{run / 'best.safetensors'}: mAP@50")
    names = {"best.safetensors", "last.pt", "history.json", "curves.png"}
    assert {path.name for path in run.iterdir()} == names
    assert done.stderr.count("epoch ") == 2
