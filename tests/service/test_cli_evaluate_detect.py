"""``trackline eval detect``: a detector and a file of results scored, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from models.errors import InvalidInput
from service.cli import app

COLOURS = {"red": (0, 0, 255), "blue": (255, 0, 0)}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three pictures, in the form of YOLO: red and blue, red alone, nothing."""
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    boxes = {"both": {"red": (10, 10, 50, 50), "blue": (60, 20, 90, 80)}}
    boxes |= {"one": {"red": (20, 30, 70, 60)}, "none": {}}
    for stem, objects in boxes.items():
        image = np.full((100, 100, 3), 128, np.uint8)
        for colour, (x1, y1, x2, y2) in objects.items():
            image[y1:y2, x1:x2] = COLOURS[colour]
        cv2.imwrite(str(tmp_path / "images" / f"{stem}.png"), image)
        lines = [
            f"{list(COLOURS).index(colour)} {(x1 + x2) / 200} {(y1 + y2) / 200} "
            f"{(x2 - x1) / 100} {(y2 - y1) / 100}\n"
            for colour, (x1, y1, x2, y2) in objects.items()
        ]
        (tmp_path / "labels" / f"{stem}.txt").write_text("".join(lines))
    (tmp_path / "data.yaml").write_text("val: images\nnames: [red, blue]\n")
    return tmp_path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["eval", "detect", *map(str, arguments)])


def test_a_detector_that_finds_all_has_a_hundred_percent(data: Path) -> None:
    answer = run(data, "--model", "fake")
    assert answer.exit_code == 0, answer.output
    header, *lines = answer.stdout.splitlines()
    assert header.split() == ["class", "mAP@50", "mAP@75", "mAP@50:95", "objects"]
    assert [line.split() for line in lines] == [
        ["all", "100.0", "100.0", "100.0", "3"],
        ["red", "100.0", "100.0", "100.0", "2"],
        ["blue", "100.0", "100.0", "100.0", "1"],
    ]
    assert "detecting" in answer.stderr


def test_json_has_shares(data: Path) -> None:
    (data / "labels/one.txt").write_text("0 0.9 0.9 0.1 0.1\n")
    answer = json.loads(run(data, "--model", "fake", "--json").stdout)
    assert answer["images"] == 3
    assert answer["classes"]["blue"] == {"ap50": 1, "ap75": 1, "ap50_95": 1, "objects": 1}
    assert answer["classes"]["red"]["ap50"] < 1
    assert answer["map50"] == (1 + answer["classes"]["red"]["ap50"]) / 2


def test_results_are_scored_without_a_detector(data: Path) -> None:
    rows = [
        {"image_id": "both", "category_id": 0, "bbox": [10, 10, 40, 40], "score": 0.9},
        {"image_id": "one", "category_id": 0, "bbox": [20, 30, 50, 30], "score": 0.8},
    ]
    (data / "found.json").write_text(json.dumps(rows))
    both = json.loads(run(data, "--results", data / "found.json", "--json").stdout)
    assert (both["classes"]["red"]["ap50"], both["classes"]["blue"]["ap50"]) == (1, 0)
    red = run(data, "--results", data / "found.json", "--json", "--classes", "red")
    assert json.loads(red.stdout)["map50"] == 1


def test_a_class_that_the_detector_does_not_know_is_named(data: Path) -> None:
    (data / "data.yaml").write_text("val: images\nnames: [red, wolf]\n")
    answer = run(data, "--model", "fake")
    assert isinstance(answer.exception, InvalidInput)
    assert "does not know the labelled classes wolf; it knows red, green" in str(answer.exception)
    assert run(data, "--model", "fake", "--classes", "red").exit_code == 0


def test_pictures_that_are_missing_or_of_another_size_are_named(data: Path) -> None:
    entry = {"id": 1, "file_name": "both.png", "width": 100, "height": 90}
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 40, 40]}
    truth = {"images": [entry], "categories": [{"id": 1, "name": "red"}], "annotations": [box]}
    (data / "truth.json").write_text(json.dumps(truth))
    answer = run(data / "truth.json", "--model", "fake")
    assert "both.png: labelled at 100x90 pixels, the picture has 100x100" in str(answer.exception)
    (data / "images/both.png").unlink()
    answer = run(data / "truth.json", "--model", "fake", "--images", data / "images")
    assert isinstance(answer.exception, InvalidInput)
    assert "both.png: a labelled image is missing" in str(answer.exception)
