"""Embedders on real footage: people are told apart after two seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.embedders import embed, rank1, read_truth
from models import catalog, load_embedder


def share_right(name: str, folder: Path) -> float:
    truth = read_truth(folder)
    embedder = load_embedder(name)
    (rows,) = embed(truth, [embedder])
    embedder.close()
    share, queries = rank1(rows, truth, gap=2.0)
    assert queries > 100
    return share


def test_colour_tells_people_apart(mot_dir: Path) -> None:
    assert share_right("colour", mot_dir / "TUD-Stadtmitte") > 0.8


@pytest.mark.weights
def test_osnet_tells_people_apart(mot_dir: Path) -> None:
    if catalog.locate("osnet-x0.25") is None:
        pytest.skip("osnet_x0_25_msmt17.onnx is not here: trackline models pull osnet-x0.25")
    assert share_right("osnet-x0.25", mot_dir / "TUD-Campus") > 0.8
