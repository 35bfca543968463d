"""One's own trained FCNs by catalogue name, on every runtime."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from models import catalog
from models.boxes import box_iou
from models.detector import load_detector
from models.errors import ModelError, UnknownName, WeightsCorrupt
from models.fcn_detector import load_fcn_detector
from models.runtime import RUNTIMES
from models.segmenter import load_segmenter
from tests.models import trained
from tests.models.drawn import NAMES, discs, picture


@pytest.fixture(scope="module", autouse=True)
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The catalogue of an operator who has trained two FCNs."""
    folder = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACKLINE_CATALOG", str(trained.catalogue(folder)))
        patch.setenv("TRACKLINE_CACHE_DIR", str(folder / "cache"))
        yield folder


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_detector_finds_what_it_has_learnt_on_every_runtime(runtime: str) -> None:
    detector = load_detector("shapes", runtime, "cpu")
    assert (detector.name, detector.task, detector.runtime) == ("shapes", "detect", runtime)
    assert dict(detector.names) == dict(enumerate(NAMES))
    assert detector.imgsz == trained.SIDE
    for seed in range(trained.PICTURES):
        image, boxes, classes = picture(seed, trained.SIDE)
        (found,) = detector.predict([image], conf=0.4)
        overlap = box_iou(boxes, found.boxes)
        assert overlap.max(axis=1).min() > 0.7
        assert found.classes[overlap.argmax(axis=1)].tolist() == classes.tolist()
    detector.close()


def test_runtimes_agree_on_every_box() -> None:
    image = picture(1, 200)[0]
    answers = []
    for runtime in RUNTIMES:
        detector = load_fcn_detector("shapes", runtime=runtime, device="cpu", precision="f32")
        answers.append(detector.predict([image], conf=0.05, iou=0.6, imgsz=192)[0])
        detector.close()
    assert len(answers[0]) > 2
    for other in answers[1:]:
        np.testing.assert_allclose(other.boxes, answers[0].boxes, atol=0.05)
        np.testing.assert_allclose(other.scores, answers[0].scores, atol=1e-3)
        assert other.classes.tolist() == answers[0].classes.tolist()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_segmenter_names_the_class_of_every_pixel_on_every_runtime(runtime: str) -> None:
    segmenter = load_segmenter("discs", runtime, "cpu")
    assert dict(segmenter.names) == {0: "background", 1: "red", 2: "green"}
    image, mask = discs(2)
    found = segmenter.segment(image)
    assert found.dtype == np.uint8
    for label in (1, 2):
        shared = ((found == label) & (mask == label)).sum()
        assert shared / ((found == label) | (mask == label)).sum() > 0.6
    # A picture of another size and aspect is answered pixel by pixel, too.
    wide = np.concatenate([image, np.full((96, 37, 3), 110, np.uint8)], axis=1)
    assert segmenter.segment(wide).shape == (96, 133)
    segmenter.close()


def test_it_is_exported_once() -> None:
    load_detector("shapes", "onnx").close()
    exports = catalog.cache_dir() / "exports"
    (path,) = exports.glob("shapes-*.onnx")
    before = path.stat().st_mtime_ns
    load_detector("shapes", "openvino").close()
    assert path.stat().st_mtime_ns == before


def test_what_was_exported_runs_where_there_is_no_torch() -> None:
    load_detector("shapes", "openvino", "cpu").close()
    load_segmenter("discs", "onnx", "cpu").close()
    code = (
        "import sys; sys.modules['torch'] = None; import numpy as np;"
        "from models.detector import load_detector; from models.segmenter import load_segmenter;"
        "image = np.zeros((64, 96, 3), np.uint8);"
        "load_detector('shapes', 'openvino').predict([image]);"
        "load_segmenter('discs', 'onnx').segment(image)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_wrong_task_is_named(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownName, match="no detector: its task is semantic"):
        load_detector("discs")
    swapped = own / "swapped.toml"
    text = (own / "own.toml").read_text()
    swapped.write_text(text.replace('"semantic"', '"detect"').replace("discs", "swapped", 1))
    monkeypatch.setenv("TRACKLINE_CATALOG", str(swapped))
    with pytest.raises(ModelError, match="holds a segmenter: its task is 'semantic'"):
        load_detector("swapped")


def test_a_file_with_another_hash_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKLINE_CATALOG", str(trained.catalogue(tmp_path)))
    with (tmp_path / "shapes.safetensors").open("ab") as file:
        file.write(b"more")
    with pytest.raises(WeightsCorrupt, match="expected"):
        load_detector("shapes")
