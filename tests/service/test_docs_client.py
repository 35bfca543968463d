"""The Python of ``docs/client.md`` and of the README runs as it stands, on a real server."""

from __future__ import annotations

import re
import runpy
from collections.abc import Mapping
from pathlib import Path

import pytest

from models.fake import FakeDetector
from tests.service.clips import clip
from tests.service.pictures import jpeg
from tests.service.serving import serving

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = "http://127.0.0.1:8000"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
GIVEN = """import numpy as np

boxes, scores, classes = np.array([[10, 10, 50, 90]]), [0.9], [0]
embeddings = np.eye(4, dtype=np.float32)[:1]
"""
"""What the README's tracker is called with."""


class Detector(FakeDetector):
    """The fake detector under classes that the document names."""

    names: Mapping[int, str] = dict(enumerate(("bus", "person", "car", "truck", "cat", "dog")))


@pytest.mark.parametrize("document", ["docs/client.md", "README.md"])
def test_every_block_runs(
    document: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    blocks = BLOCK.findall((ROOT / document).read_text(encoding="utf-8"))
    monkeypatch.chdir(tmp_path)
    Path("street.jpg").write_bytes(jpeg())
    for name in ("street.mp4", "clip.mp4"):
        Path(name).write_bytes(clip("mp4", 20))
    with serving(lambda name: Detector(), jobs_dir=tmp_path / "jobs") as (address, _):
        script = GIVEN + "\n".join(blocks)
        assert ADDRESS in script
        Path("script.py").write_text(script.replace(ADDRESS, address), encoding="utf-8")
        done = runpy.run_path("script.py")
    assert "1, 2" in capsys.readouterr().out
    if "client" in done:
        done["client"].close()
