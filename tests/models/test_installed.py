"""An installation without torch says so of the networks that need it, and what to do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from models import catalog, load_detector
from models.errors import RuntimeUnavailable
from models.exports import export_once
from models.segmenter import load_segmenter


@pytest.mark.parametrize(
    ("load", "name", "module"),
    [
        pytest.param(load_detector, "ssdlite320", "zoo", id="detector"),
        pytest.param(load_segmenter, "fcn-resnet50", "zoo_segmenter", id="segmenter"),
    ],
)
def test_a_network_that_runs_in_torch_alone_asks_for_it(
    monkeypatch: pytest.MonkeyPatch, load: Callable[[str], object], name: str, module: str
) -> None:
    monkeypatch.delitem(sys.modules, f"models.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(RuntimeUnavailable, match=f"^{name}: needs the package torch, .*full image"):
        load(name)


def test_an_export_that_is_not_there_asks_for_what_makes_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def write(weights: Path, path: Path) -> None:
        import ultralytics  # noqa: F401

    monkeypatch.setattr(catalog, "cache_dir", lambda: tmp_path)
    monkeypatch.setattr(catalog, "fetch", lambda name: tmp_path / name)
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    with pytest.raises(RuntimeUnavailable, match=r"^yolo26n: needs the package ultralytics, "):
        export_once("yolo26n", 1, write)
