"""``make demo``: what it prints and draws, and what it says where the server does not start."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import av
import httpx
import pytest
from rich.console import Console

from models import catalog
from models.fake import FakeDetector
from service import demo
from tests.service.clips import clip
from tests.service.gate import WAIT
from tests.service.serving import serving

FRAMES = 12


class Vehicles(FakeDetector):
    """The fake detector under classes that the demonstration asks for."""

    names: Mapping[int, str] = dict(enumerate(demo.VEHICLES))


@contextmanager
def quick(console: Console) -> Iterator[str]:
    """A server whose network need not be loaded."""
    with serving(lambda name: Vehicles()) as (address, _):
        yield address


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it draws is not to lie in the repository."""
    monkeypatch.chdir(tmp_path)


def test_a_photograph_and_a_video_are_shown_and_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    video = tmp_path / "clip.mp4"
    video.write_bytes(clip("mp4", FRAMES))
    monkeypatch.setattr(demo, "server", quick)
    monkeypatch.setattr(catalog, "fetch", lambda name: video)
    assert demo.main() == 0
    said = capsys.readouterr().out
    assert "POST /v1/detect  bus.jpg, fake" in said
    assert [line.split()[:2] for line in said.splitlines() if line.startswith("frame ")] == [
        ["frame", str(number)] for number in range(FRAMES)
    ]
    assert f"{FRAMES} frames, 2 tracks" in said
    assert (tmp_path / "out" / "bus.jpg").read_bytes().startswith(b"\xff\xd8")
    with av.open(str(tmp_path / "out" / "motorway.mp4")) as drawn:
        assert len(list(drawn.decode(video=0))) == FRAMES


def test_a_server_that_does_not_start_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert demo.main() == 1
    assert "The demonstration failed: the server did not become ready" in capsys.readouterr().out


@pytest.mark.weights
def test_its_server_is_ready_while_it_is_needed_and_gone_afterwards() -> None:
    if catalog.locate("yolo26n") is None:
        pytest.skip("no yolo26n here: trackline models pull yolo26n")
    with demo.server(Console(quiet=True)) as address:
        assert httpx.get(f"{address}/v2/models/yolo26n/ready", timeout=WAIT).is_success
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{address}/v2/health/live", timeout=WAIT)
