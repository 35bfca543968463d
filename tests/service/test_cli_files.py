"""``trackline detect`` and ``track`` on files, with the detector that needs no weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from tests.service.clips import clip, picture


def trackline(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), picture(3))
    return path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip("mp4", 12))
    return path


def test_detect_prints_a_table(photo: Path) -> None:
    done = trackline("detect", photo, "--model", "fake")
    assert done.returncode == 0, done.stderr
    assert "2 objects" in done.stdout
    assert {"red", "green"} <= set(done.stdout.split())


def test_detect_prints_a_line_of_json_for_each_picture(photo: Path) -> None:
    done = trackline("detect", photo, photo, "--model", "fake", "--format", "json")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [len(answer["detections"]) for answer in answers] == [2, 2]
    assert answers[0]["image"] == {"width": 160, "height": 120}


@pytest.mark.parametrize("command", ["detect", "track"])
def test_a_file_that_cannot_be_written_is_one_clear_line(
    photo: Path, video: Path, tmp_path: Path, command: str
) -> None:
    out = tmp_path / "not-there" / "out"
    sent = photo if command == "detect" else video
    done = trackline(command, sent, "--model", "fake", "-o", out)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"trackline: {out}: No such file or directory"
    assert "Traceback" not in done.stderr


def test_detect_draws(photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "drawn"
    done = trackline("detect", photo, photo, "--model", "fake", "--format", "image", "-o", out)
    assert done.returncode == 0, done.stderr
    drawn = cv2.imread(str(out / "photo.jpg"))
    assert drawn is not None
    assert drawn.shape == (120, 160, 3)


def test_track_writes_what_the_server_would_stream(video: Path) -> None:
    done = trackline("track", video, "--model", "fake", "--embedder", "none")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["type"] for line in lines] == ["header", *["frame"] * 12, "end"]
    assert lines[-1]["tracks"] == 2


def test_track_writes_mot_and_csv_and_a_video(video: Path, tmp_path: Path) -> None:
    mot, drawn = tmp_path / "tracks.txt", tmp_path / "drawn.mp4"
    common = ("track", video, "--model", "fake", "--embedder", "colour", "-o", mot)
    done = trackline(*common, "--format", "mot", "--save-video", drawn)
    assert done.returncode == 0, done.stderr
    rows = [line.split(",") for line in mot.read_text().splitlines()]
    assert {len(row) for row in rows} == {10}
    assert rows[0][:2] == ["1", "1"]
    assert drawn.stat().st_size > 1000
    done = trackline(*common, "--format", "csv")
    assert mot.read_text().splitlines()[0].startswith("frame,time,track_id,")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("detect", "nothing.jpg"), "there is none at nothing.jpg"),
        (("detect", "pyproject.toml", "--model", "fake"), "not a picture"),
        (("track", "nothing.mp4", "--model", "fake", "--embedder", "none"), "nothing.mp4"),
        (("track", "pyproject.toml", "--model", "fake", "--embedder", "none"), "video"),
        (("detect", "pyproject.toml", "--model", "nope"), "nope"),
    ],
)
def test_a_failure_is_one_line_and_status_1(arguments: tuple[str, ...], said: str) -> None:
    done = trackline(*arguments)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert said in line


@pytest.mark.parametrize(
    "arguments",
    [("detect",), ("detect", "a.jpg", "--conf", "3"), ("detect", "a", "--format", "image")],
)
def test_wrong_usage_is_status_2(arguments: tuple[str, ...]) -> None:
    assert trackline(*arguments).returncode == 2


def test_pictures_of_the_same_name_are_all_drawn(photo: Path, tmp_path: Path) -> None:
    other = photo.with_suffix(".jpg")
    cv2.imwrite(str(other), picture(3))
    out = tmp_path / "drawn"
    command = ("detect", photo, other, "--model", "fake", "--format", "image", "-o", out)
    assert trackline(*command).returncode == 0
    assert sorted(path.name for path in out.iterdir()) == ["photo-2.jpg", "photo.jpg"]


def test_a_video_that_could_not_be_written_is_not_followed_first(
    video: Path, tmp_path: Path
) -> None:
    drawn = tmp_path / "nowhere" / "drawn.mp4"
    done = trackline("track", video, "--model", "fake", "--save-video", drawn)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"there is no folder {drawn.parent}" in done.stderr


def test_refined_tracks_have_every_frame_once(video: Path) -> None:
    done = trackline("track", video, "--model", "fake", "--embedder", "colour", "--refine")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["type"] for line in lines] == ["header", *["frame"] * 12, "end"]
    assert [line["frame"] for line in lines[1:-1]] == list(range(12))
    assert {item["track_id"] for item in lines[6]["objects"]} == {1, 2}


def test_more_objects_than_are_refined_are_an_error(
    video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKLINE_MAX_REFINED_OBJECTS", "5")
    done = trackline("track", video, "--model", "fake", "--embedder", "none", "--refine")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "at most 5 are refined here (TRACKLINE_MAX_REFINED_OBJECTS)" in done.stderr


def test_refining_and_delaying_at_once_is_refused(video: Path) -> None:
    done = trackline("track", video, "--model", "fake", "--refine", "--delay", "3")
    assert done.returncode == 1
    assert "give one of them" in done.stderr
