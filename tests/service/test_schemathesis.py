"""Schemathesis over the whole description: no failure of the server, no answer but as described.

``make schemathesis`` asks for more examples than a usual run.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from models.fake import FakeDetector
from tests.service.serving import serving
from tests.service.test_segment import RedSegmenter

SCHEMATHESIS = (sys.executable, "-m", "schemathesis.cli")
EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "3")
ADMIN = "5d0c8a1e7b3f4692"
HERE = Path(__file__).resolve().parent
LOADING = ("--include-path-regex", "/(load|unload)$")


class Detector(FakeDetector):
    """The fake detector under the classes that the examples name."""

    names: Mapping[int, str] = dict(enumerate(("person", "bus", "car", "truck", "cat", "dog")))


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server where only the admin's key loads and unloads."""
    monkeypatch.setattr("service.inference.engine.load_segmenter", lambda *_: RedSegmenter())
    with serving(
        lambda name: Detector(), models="yolo26n", admin_key=ADMIN, jobs_dir=tmp_path / "jobs"
    ) as (address, _):
        yield address


def run(address: str, folder: Path, *arguments: str) -> None:
    """Run it on a server, in a folder that it may write to; fails with what it has found."""
    config = ("--config-file", str(HERE / "schemathesis.toml"))
    much = ("--max-examples", EXAMPLES, "--seed", "1", "--no-color")
    result = subprocess.run(
        [*SCHEMATHESIS, *config, "run", f"{address}/openapi.json", *much, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(HERE.parent.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-20_000:] + result.stderr[-5_000:]


def test_every_route_answers_as_it_is_described(address: str, tmp_path: Path) -> None:
    run(address, tmp_path)


def test_loading_and_unloading_answer_as_they_are_described(address: str, tmp_path: Path) -> None:
    run(address, tmp_path, *LOADING, "--header", f"Authorization: Bearer {ADMIN}")
