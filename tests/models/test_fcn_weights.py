"""Trained FCNs as files: written, read, and refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from models.errors import InvalidInput, ModelError
from models.fcn_spec import FcnSpec, read_spec
from models.fcn_weights import build_fcn, load_fcn, save_fcn

DETECTOR = FcnSpec("detector", "mobilenet", ("person", "vehicle"), stride=16, imgsz=320, width=32)
SEGMENTER = FcnSpec("segmenter", "shufflenet_v2_x0_5", ("nothing", "person"), stride=8, imgsz=256)


@pytest.mark.parametrize("spec", [DETECTOR, SEGMENTER], ids=lambda spec: spec.kind)
def test_a_network_read_again_answers_as_before_within_the_rounding(
    spec: FcnSpec, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    network = build_fcn(spec).eval()
    pixels = torch.randint(0, 256, (1, 64, 96, 3), dtype=torch.uint8)
    path = tmp_path / "fcn.safetensors"
    save_fcn(network, spec, path)
    again, said = load_fcn(path)
    assert said == spec == read_spec(path)
    assert not again.training
    assert all(weight.dtype == torch.float32 for weight in again.parameters())
    with torch.no_grad():
        for before, after in zip(network(pixels), again(pixels), strict=True):
            torch.testing.assert_close(after, before, atol=0.02, rtol=0.02)
    # Once rounded it stays the same, however often it is written.
    save_fcn(again, said, tmp_path / "twice.safetensors")
    assert (tmp_path / "twice.safetensors").read_bytes() == path.read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "fcn.safetensors",
        "twice.safetensors",
    ]


def test_the_detector_on_mobilenet_is_below_ten_megabytes(tmp_path: Path) -> None:
    spec = FcnSpec("detector", "mobilenet", ("person", "vehicle"), stride=16, imgsz=640)
    save_fcn(build_fcn(spec), spec, tmp_path / "fcn.safetensors")
    assert (tmp_path / "fcn.safetensors").stat().st_size < 10e6


def test_files_of_something_else_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "fcn.safetensors"
    with pytest.raises(ModelError, match="expected weights of an FCN"):
        load_fcn(path)
    path.write_bytes(b"PK\x03\x04 no safetensors")
    with pytest.raises(ModelError, match="expected weights of an FCN"):
        load_fcn(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(ModelError, match="expected weights of an FCN"):
        load_fcn(path)


def test_tensors_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "fcn.safetensors"
    save_fcn(build_fcn(DETECTOR), DETECTOR, path)
    tensors = load_file(path)
    del tensors["locate.weight"]
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    save_file(tensors, path, metadata=metadata)
    with pytest.raises(ModelError, match=r"do not fit mobilenet.*locate\.weight"):
        load_fcn(path)


def test_a_kind_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"kind.*'classifier'"):
        FcnSpec("classifier", "mobilenet", ("person",), stride=16, imgsz=320)  # type: ignore[arg-type]
