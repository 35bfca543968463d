"""YOLO checkpoints of every generation, made on the spot with random weights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models import catalog, yolo_export
from models.errors import ModelError
from models.exports import export_path
from models.runtime import load_runtime
from models.runtime.torch import TorchRuntime
from models.types import DetectOptions
from models.yolo import YoloDetector
from models.yolo_head import candidates
from models.yolo_network import load_checkpoint
from tests.models.yolo_oracle import ClassificationModel, DetectionModel, SegmentationModel

DETECTING = ["yolov5nu", "yolov8n", "yolov9t", "yolov10n", "yolo11n", "yolo12n", "yolo26n"]
SEGMENTING = ["yolov8n-seg", "yolo11n-seg", "yolo26n-seg"]
TWO_HEADED = ["yolov10n", "yolo26n", "yolo26n-seg"]


@pytest.fixture(autouse=True)
def same_weights_every_time() -> Iterator[None]:
    """Random weights that are the same in every run."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def checkpoint(folder: Path, name: str) -> tuple[Path, Any]:
    """A checkpoint of an architecture, and the model that is in it."""
    kind = SegmentationModel if name.endswith("-seg") else DetectionModel
    model = kind(f"{name}.yaml", ch=3, nc=3, verbose=False).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d) and module.running_var is not None:
            # Fresh statistics make every layer's output vanish; these keep something to compare.
            module.running_var.fill_(0.3)
    path = folder / f"{name}.pt"
    torch.save({"model": model, "train_args": {"imgsz": 320}}, path)
    return path, model


@pytest.mark.parametrize(
    ("name", "end_to_end"),
    [(name, False) for name in [*DETECTING, *SEGMENTING]] + [(name, True) for name in TWO_HEADED],
)
def test_decoded_answer_is_that_of_the_model_itself(
    name: str, end_to_end: bool, tmp_path: Path
) -> None:
    path, model = checkpoint(tmp_path, name)
    network = load_checkpoint(path, end_to_end=end_to_end)
    assert network.spec.end_to_end == end_to_end
    pixels = torch.randint(0, 256, (1, 96, 128, 3), dtype=torch.uint8)
    if name in TWO_HEADED:
        model.end2end = end_to_end
    with torch.inference_mode():
        _, answer = model(pixels.permute(0, 3, 1, 2).flip(1).float() / 255)
        outputs = [output.numpy() for output in network(pixels)]
    answer = answer.get("one2one" if end_to_end else "one2many", answer)
    spec = network.spec
    (raw,) = YoloDetector(name, spec, TorchRuntime(network)).rows(outputs, 1)
    scores = answer["scores"][0].T.numpy()
    np.testing.assert_allclose(np.concatenate(raw.logits), scores, rtol=1e-3, atol=1e-3)
    everything = DetectOptions(conf=0)
    found = candidates(raw, spec, (96, 128), everything)
    head = model.model[-1]
    head.shape = None
    boxes = head._get_decode_boxes(answer)[0].T
    if not spec.end_to_end:
        half = boxes[:, 2:] / 2
        boxes = torch.cat([boxes[:, :2] - half, boxes[:, :2] + half], dim=1)
    np.testing.assert_allclose(found.boxes, boxes.numpy()[found.rows], rtol=1e-3, atol=1e-2)
    assert spec.imgsz == 320
    assert spec.names == {0: "0", 1: "1", 2: "2"}
    assert spec.task == ("segment" if name in SEGMENTING else "detect")
    if name in SEGMENTING:
        assert raw.prototypes is not None
        np.testing.assert_allclose(raw.prototypes, answer["proto"][0].numpy(), atol=1e-2)


@pytest.mark.parametrize(
    "content",
    [b"", b"not a checkpoint at all", b"PK\x03\x04 half of an archive", b"junk" * 50],
)
def test_damaged_checkpoint_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.pt"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"broken\.pt: expected an Ultralytics checkpoint"):
        load_checkpoint(path)


def test_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Malicious:
        def __reduce__(self) -> Any:
            return (tmp_path.joinpath("ran").touch, ())

    path = tmp_path / "evil.pt"
    torch.save({"model": Malicious()}, path)
    with pytest.raises(ModelError, match="expected an Ultralytics checkpoint"):
        load_checkpoint(path)
    assert not (tmp_path / "ran").exists()


def test_checkpoint_without_a_model_is_named(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(ModelError, match="it holds no model"):
        load_checkpoint(path)


def test_model_of_another_task_is_named(tmp_path: Path) -> None:
    path = tmp_path / "classifier.pt"
    torch.save({"model": ClassificationModel("yolo11n-cls.yaml", nc=3, verbose=False)}, path)
    with pytest.raises(ModelError, match=r"expected one of the heads .*got Classify"):
        load_checkpoint(path)


@pytest.fixture
def catalogued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A catalogue name for a checkpoint made on the spot, with a cache of its own."""
    path, _ = checkpoint(tmp_path, "yolo26n")
    listed = tmp_path / "catalog.toml"
    listed.write_text(
        "[entries.yolo-mine]\n"
        'task = "detect"\n'
        f'file = "{path.name}"\n'
        f'sha256 = "{hashlib.sha256(path.read_bytes()).hexdigest()}"\n'
        'licence = "none"\n'
        "end_to_end = true\n"
        'classes = ["a", "b", "c"]\n'
        f'sources = [{{ path = "{path}" }}]\n'
    )
    monkeypatch.setenv("TRACKLINE_CATALOG", str(listed))
    monkeypatch.setenv("TRACKLINE_CACHE_DIR", str(tmp_path / "cache"))
    return "yolo-mine"


def test_export_takes_any_size_and_batch_and_is_kept(catalogued: str) -> None:
    path, spec = yolo_export.exported(catalogued)
    assert spec.end_to_end
    made = path.stat().st_mtime_ns
    again, stored = yolo_export.exported(catalogued)
    assert (again, again.stat().st_mtime_ns) == (path, made)
    np.testing.assert_array_equal(stored.weights, spec.weights)
    network = load_checkpoint(catalog.fetch(catalogued), end_to_end=True)
    runtime = load_runtime(path, "onnx", threads=1)
    for shape in ((1, 64, 96, 3), (2, 96, 64, 3)):
        pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        with torch.inference_mode():
            expected = network(torch.from_numpy(pixels))
        for output, wanted in zip(runtime.run(pixels), expected, strict=True):
            np.testing.assert_allclose(output, wanted.numpy(), rtol=1e-2, atol=1e-3)
    runtime.close()


def test_damaged_export_is_made_again(catalogued: str) -> None:
    path = export_path(catalogued, yolo_export.EXPORT_VERSION)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half of a network")
    exported, spec = yolo_export.exported(catalogued)
    assert exported == path
    assert spec.names == {0: "0", 1: "1", 2: "2"}
    assert [found.suffix for found in path.parent.iterdir() if not found.name.startswith(".")] == [
        ".onnx"
    ]
