"""``--server``: the same output as without, from a server that does the work."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import pytest
from typer.testing import CliRunner

from models import catalog, load_detector
from service.cli import app
from service.client import Client, KeyRefused
from tests.service.clips import clip, picture
from tests.service.serving import serving
from tests.service.test_cli_files import trackline
from tests.service.test_detect_real import wait_ready
from tests.service.test_track_counts import ROOM, UPRIGHT

KEY = "a-key-of-enough-letters"
MOTORWAY_FRAMES = 40
VARYING = ("session", "elapsed_s", "fps")
"""What is of one run alone; the frame rate of a header is not."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(jobs_dir=tmp_path_factory.mktemp("jobs")) as (address, _):
        yield address


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip("mp4", 30))
    return path


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"photo{number}.png" for number in (3, 9)]
    for number, path in enumerate(paths):
        cv2.imwrite(str(path), picture(7 * number))
    return paths


def run(*arguments: object) -> str:
    """What the command prints."""
    done = CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def comparable(output: str) -> list[dict[str, Any]]:
    """The lines of a stream without what is of one run alone."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in output.splitlines()]
    for line in (lines[0], lines[-1]):
        for name in VARYING:
            if line["type"] == "end" or name == "session":
                line.pop(name, None)
    return lines


@pytest.mark.parametrize("form", ["table", "json"])
def test_the_objects_of_pictures(address: str, photos: list[Path], form: str) -> None:
    command = ("detect", *photos, "--model", "fake", "--format", form, "--classes", "red")
    assert run(*command, "--server", address) == run(*command)


def test_pictures_with_their_objects_drawn(
    address: str, photos: list[Path], tmp_path: Path
) -> None:
    for folder, more in ((tmp_path / "here", ()), (tmp_path / "there", ("--server", address))):
        run("detect", *photos, "--model", "fake", "--format", "image", "-o", folder, *more)
    for photo in photos:
        here, there = (tmp_path / place / f"{photo.stem}.jpg" for place in ("here", "there"))
        assert here.read_bytes() == there.read_bytes()


@pytest.mark.parametrize(
    "options",
    [
        ("--embedder", "colour"),
        ("--embedder", "colour", "--refine"),
        ("--tracker", "bytetrack"),
        ("--embedder", "none", "--delay", "3", "--conf", "0.5", "--classes", "green"),
        ("--embedder", "none", "--lines", json.dumps([UPRIGHT]), "--zones", json.dumps([ROOM])),
        ("--embedder", "none", "--lines", json.dumps([UPRIGHT]), "--refine"),
    ],
    ids=["plain", "refined", "without appearance", "delayed", "counted", "counted refined"],
)
def test_the_tracks_of_a_video(address: str, video: Path, options: tuple[str, ...]) -> None:
    command = ("track", video, "--model", "fake", *options)
    assert comparable(run(*command, "--server", address)) == comparable(run(*command))


@pytest.mark.parametrize("form", ["mot", "csv"])
@pytest.mark.parametrize("refine", [(), ("--refine",)], ids=["at once", "refined"])
def test_tracks_as_rows(address: str, video: Path, form: str, refine: tuple[str, ...]) -> None:
    command = ("track", video, "--model", "fake", "--embedder", "colour", "--format", form, *refine)
    assert run(*command, "--server", address) == run(*command)


def test_the_server_of_the_environment_draws_and_keeps_no_job(
    address: str, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKLINE_SERVER", address)
    drawn, rows = tmp_path / "drawn.mp4", tmp_path / "rows.txt"
    run("track", video, "--refine", "--save-video", drawn, "--format", "mot", "-o", rows)
    assert rows.read_text()
    with Client(address) as client:
        assert client.jobs() == []
    assert drawn.read_bytes()[4:8] == b"ftyp"


def test_the_key_is_that_of_the_environment(
    photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(api_keys=[KEY]) as (address, _):
        with pytest.raises(KeyRefused):
            run("detect", photos[0], "--server", address)
        monkeypatch.setenv("TRACKLINE_API_KEY", KEY)
        assert "red" in run("detect", photos[0], "--server", address)


def test_what_the_server_refuses_is_one_line_and_status_1(address: str, video: Path) -> None:
    done = trackline("track", video, "--server", address, "--model", "nope")
    assert done.returncode == 1
    (line,) = [one for one in done.stderr.splitlines() if one.startswith("trackline: ")]
    assert "refused with 404: no model nope" in line
    assert done.stdout == ""


@pytest.fixture(scope="module")
def motorway(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first frames of the motorway clip, its pictures as they are."""
    whole = catalog.locate("sample-car-video")
    if whole is None:
        pytest.skip("no sample-car-video here: trackline models pull sample-car-video")
    path = tmp_path_factory.mktemp("clip") / "motorway.mp4"
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        video = source.streams.video[0]
        copy = target.add_stream_from_template(video)
        for packet in islice(source.demux(video), MOTORWAY_FRAMES):
            packet.stream = copy
            target.mux(packet)
    return path


@pytest.mark.weights
def test_the_motorway_by_a_real_network(motorway: Path, tmp_path: Path) -> None:
    real = {"models": "yolo26n", "embedder": "auto", "jobs_dir": tmp_path}
    with serving(partial(load_detector, videos=True), wait_ready, **real) as (url, _):
        for more in ((), ("--refine",), ("--classes", "car,truck")):
            lines = comparable(run("track", motorway, "--server", url, *more))
            assert lines == comparable(run("track", motorway, *more))
            assert lines[-1]["frames"] == MOTORWAY_FRAMES
            assert lines[-1]["tracks"] > 5
