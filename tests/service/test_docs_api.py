"""Every line of curl in ``docs/api.md`` works and is answered as it says there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.fake import FakeDetector
from tests.service.clips import clip
from tests.service.gate import WAIT
from tests.service.pictures import jpeg
from tests.service.serving import serving
from tests.service.test_openapi import ROUTES
from tests.service.test_segment import RedSegmenter
from tests.service.wire import wait_until

ADDRESS = "http://127.0.0.1:8000"
TEXT = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(sh|json|jsonl|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUN = 60.0

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")


class Detector(FakeDetector):
    """The fake detector under classes that the document names."""

    names: Mapping[int, str] = dict(enumerate(("bus", "person", "car", "truck", "cat", "dog")))


def steps() -> Iterator[tuple[str, str, str]]:
    """Every command, with kind and text of the answer below it; empty where there is none."""
    blocks = [*BLOCK.findall(TEXT), ("sh", "")]
    for (kind, command), (kind_below, below) in pairwise(blocks):
        if kind == "sh":
            yield command, *((kind_below, below) if kind_below != "sh" else ("", ""))


def assert_like(said: Any, shown: Any, where: str) -> None:
    """What a server said has all that the document shows, of the same kinds."""
    if isinstance(shown, dict):
        assert isinstance(said, dict), where
        for name, value in shown.items():
            assert name in said, f"{where}.{name} is not there"
            assert_like(said[name], value, f"{where}.{name}")
    elif isinstance(shown, list):
        assert isinstance(said, list), where
        assert bool(said) == bool(shown), where
        for one, other in zip(said, shown, strict=False):
            assert_like(one, other, where)
    elif isinstance(shown, bool | str | None):
        assert type(said) is type(shown), where
    else:
        assert isinstance(said, int | float), where


def routes_of(command: str) -> Iterator[str]:
    """The routes that a command calls."""
    (path,) = re.findall(rf"{ADDRESS}([^\s'\"?]+)", command)
    sends = re.search(r"-F |--data|-T ", command)
    method = re.search(r"-X (\w+)", command)
    yield f"{method[1] if method else 'POST' if sends else 'GET'} {path}"


def test_every_route_has_a_line() -> None:
    shown = {route for command, _, _ in steps() for route in routes_of(command)}
    named = {
        re.sub(r"/models/[^/]+", "/models/{name}", one).replace("$ID", "{job_id}") for one in shown
    }
    assert named == ROUTES


def test_every_line_is_answered_as_it_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.inference.engine.load_segmenter", lambda *_: RedSegmenter())
    (tmp_path / "photo.jpg").write_bytes(jpeg())
    (tmp_path / "street.mp4").write_bytes(clip("mp4", 10))
    (tmp_path / ".curlrc").write_text("silent\nshow-error\n")
    variables = os.environ | {"CURL_HOME": str(tmp_path)}
    with serving(lambda name: Detector(), models="yolo26n", jobs_dir=tmp_path / "jobs") as (
        address,
        _,
    ):
        for command, kind, shown in steps():
            result = subprocess.run(
                ["/bin/bash", "-c", command.replace(ADDRESS, address)],
                cwd=tmp_path,
                env=variables,
                capture_output=True,
                timeout=RUN,
                check=False,
            )
            assert result.returncode == 0, command + result.stderr.decode()
            if "annotated" not in command and "format=image" not in command:
                check(command, result.stdout.decode(), kind, shown)
            if command.endswith("/v1/videos\n"):
                variables["ID"] = json.loads(result.stdout)["id"]
                wait_until(partial(is_begun, f"{address}/v1/videos/{variables['ID']}"))
    assert (tmp_path / "drawn.jpg").read_bytes().startswith(b"\xff\xd8")
    assert b"ftyp" in (tmp_path / "annotated.mp4").read_bytes()[:16]


def is_begun(job: str) -> bool:
    """Whether a job has the figures that it is shown with."""
    return httpx.get(job, timeout=WAIT).json()["frames_total"] is not None


def check(command: str, said: str, kind: str, shown: str) -> None:
    """Compare an answer with what the document shows of it."""
    if kind == "json":
        answer, expected = json.loads(said), json.loads(shown)
        assert ("status" in answer and answer["status"] == 422) == ("conf=2" in command), said
        assert_like(answer, expected, command)
    elif kind == "jsonl":
        lines, expected = (
            [json.loads(line) for line in text.splitlines()] for text in (said, shown)
        )
        for line in expected:
            alike = [one for one in lines if one["type"] == line["type"]]
            assert_like(alike[0], line, command)
        assert alike[0] is lines[-1], "the last line"
    elif kind == "text":
        pattern = re.sub(r"[\d.]+", "#", shown.strip())
        assert pattern in re.sub(r"[\d.]+", "#", said), said[:500]
    else:
        assert not said.startswith('{"type":"urn'), said
