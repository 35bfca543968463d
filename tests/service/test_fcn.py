"""One's own trained FCNs over HTTP and from the command line."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest

from models.boxes import box_iou
from models.detector import load_detector
from tests.models import trained
from tests.models.drawn import NAMES, discs, picture
from tests.service.gate import WAIT
from tests.service.serving import serving

PNG = {"Content-Type": "image/png"}
START = 300.0


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The catalogue of an operator who has trained a detector and a segmenter."""
    return trained.catalogue(tmp_path_factory.mktemp("own"))


def png(image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    return bytes(cv2.imencode(".png", image)[1])


def load(address: str) -> None:
    loading = httpx.post(f"{address}/v1/models/shapes/load", timeout=START)
    assert loading.is_success, loading.text


def test_they_are_served_as_any_other_model(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKLINE_CATALOG", str(own))
    monkeypatch.setenv("TRACKLINE_CACHE_DIR", str(own.parent / "cache"))
    image, boxes, classes = picture(1, trained.SIDE)
    shown, mask = discs(1)
    with (
        serving(load_detector, models="fake,shapes", segmenters="discs", on_listening=load) as (
            address,
            _,
        ),
        httpx.Client(base_url=address, timeout=WAIT) as http,
    ):
        found = http.post(
            "/v1/detect", params={"model": "shapes", "conf": 0.4}, content=png(image), headers=PNG
        ).json()
        segmented = http.post(
            "/v1/segment", params={"model": "discs"}, content=png(shown), headers=PNG
        ).json()
        listed = http.get("/v1/models/shapes").json()
    assert found["model"] == "shapes"
    rows = [list(item["box"].values()) for item in found["detections"]]
    overlap = box_iou(boxes, np.asarray(rows, np.float32))
    assert overlap.max(axis=1).min() > 0.7
    named = [found["detections"][row]["name"] for row in overlap.argmax(axis=1)]
    assert named == [NAMES[kind] for kind in classes]
    answer = cv2.imdecode(
        np.frombuffer(base64.b64decode(segmented["mask"]), np.uint8), cv2.IMREAD_UNCHANGED
    )
    assert answer is not None
    assert (answer == mask).mean() > 0.9
    assert {item["name"] for item in segmented["classes"]} == {"background", *NAMES}
    assert listed["name"] == "shapes"


def test_the_command_line_takes_them(own: Path, tmp_path: Path) -> None:
    image, boxes, _ = picture(0, trained.SIDE)
    path = tmp_path / "drawn.png"
    path.write_bytes(png(image))
    environment = os.environ | {
        "TRACKLINE_CATALOG": str(own),
        "TRACKLINE_CACHE_DIR": str(own.parent / "cache"),
    }

    def trackline(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "service.cli", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=START,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    exported = Path(trackline("models", "export", "discs").split("\t")[1].strip())
    assert exported.is_file()
    out = trackline("detect", str(path), "--model", "shapes", "--conf", "0.4", "--format", "json")
    rows = [list(item["box"].values()) for item in json.loads(out)["detections"]]
    assert box_iou(boxes, np.asarray(rows, np.float32)).max(axis=1).min() > 0.7
