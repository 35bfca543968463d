"""The runtimes: one small network, the same numbers in each, whatever else is in flight."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models import runtime as runtimes
from models.errors import InvalidInput, ModelError, RuntimeUnavailable, UnknownName
from models.runtime import Runtime, choose_runtime, load_runtime
from models.runtime.cpu import has_vnni
from models.runtime.export import export_onnx
from models.runtime.openvino import OFTEN, OpenVinoRuntime, _convert_in_place
from models.runtime.torch import TorchRuntime


class TinyNetwork(nn.Module):
    """Two convolutions and two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 32, 3, padding=1)
        self.second = nn.Conv2d(32, 64, 3, padding=1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.second(self.first(images.to(self.first.weight.dtype)).relu())
        return features, features.amax(dim=(2, 3))


class TakesPixels(nn.Module):
    """One convolution of bytes, channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 16, 3, stride=2, padding=1)

    def forward(self, pixels: Tensor) -> tuple[Tensor]:
        return (self.layer(pixels.permute(0, 3, 1, 2).to(self.layer.weight.dtype)),)


@pytest.fixture(scope="module")
def network() -> TinyNetwork:
    """The network, the same in every run."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return TinyNetwork().eval()


@pytest.fixture(scope="module")
def onnx_file(network: TinyNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network as a file."""
    path = tmp_path_factory.mktemp("onnx") / "tiny.onnx"
    axes = {
        "images": {0: "batch", 2: "rows", 3: "columns"},
        "features": {0: "batch", 2: "rows", 3: "columns"},
        "peaks": {0: "batch"},
    }
    export_onnx(network, torch.zeros(1, 3, 8, 16), path, axes=axes, metadata={})
    return path


@pytest.fixture(params=["torch", "onnx", "openvino"])
def load(
    request: pytest.FixtureRequest, network: TinyNetwork, onnx_file: Path
) -> Callable[..., Runtime]:
    """Loads the network in one of the runtimes."""

    def loader(**settings: Any) -> Runtime:
        if request.param == "torch":
            copy = TinyNetwork()
            copy.load_state_dict(network.state_dict())
            return TorchRuntime(copy, **settings)
        return load_runtime(onnx_file, request.param, **settings)

    return loader


def images(count: int = 1, side: int = 16, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(count, 3, side, side)).astype(np.float32)


def test_outputs_are_those_of_the_network(
    load: Callable[..., Runtime], network: TinyNetwork
) -> None:
    loaded = load(precision="f32", threads=2)
    for batch in (images(), images(3), images(2, side=24)):
        with torch.inference_mode():
            expected = network(torch.from_numpy(batch))
        outputs = loaded.run(batch)
        assert [output.dtype for output in outputs] == [np.float32] * 2
        for output, wanted in zip(outputs, expected, strict=True):
            np.testing.assert_allclose(output, wanted.numpy(), rtol=1e-4, atol=1e-4)
    loaded.close()


def test_answer_does_not_depend_on_what_else_is_in_flight(load: Callable[..., Runtime]) -> None:
    loaded = load(threads=2)
    batches = [images(side=48, seed=seed) for seed in range(6)]
    alone = [loaded.run(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(loaded.run, batches * 4))
    for index, outputs in enumerate(together):
        for output, wanted in zip(outputs, alone[index % len(batches)], strict=True):
            np.testing.assert_array_equal(output, wanted)
    loaded.close()


def test_network_compiled_for_a_shape_gives_the_same_numbers(onnx_file: Path) -> None:
    loaded = OpenVinoRuntime(onnx_file, threads=2)
    batch = images(side=48)
    first = loaded.run(batch)
    for _ in range(OFTEN):
        loaded.run(batch)
    # What is asked of the one background thread next comes after the compilation.
    loaded._compiler.submit(lambda: None).result(timeout=60)
    assert list(loaded._fixed) == [batch.shape]
    for output, wanted in zip(loaded.run(batch), first, strict=True):
        np.testing.assert_array_equal(output, wanted)
    assert loaded.run(images())[0].shape == (1, 64, 16, 16)
    loaded.close()


def test_network_that_gives_other_numbers_once_compiled_for_a_shape_is_not_used(
    onnx_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.runtime.openvino._same", lambda answer, expected: False)
    loaded = OpenVinoRuntime(onnx_file, threads=2)
    for _ in range(OFTEN):
        loaded.run(images(side=48))
    loaded._compiler.submit(lambda: None).result(timeout=60)
    assert not loaded._fixed
    loaded.close()


def test_a_network_for_some_shapes_alone_gives_the_same_numbers(onnx_file: Path) -> None:
    batch = images(side=48)
    whole = OpenVinoRuntime(onnx_file, threads=2)
    wanted = whole.run(batch)
    whole.close()
    fixed = OpenVinoRuntime(onnx_file, threads=2, shapes=[batch.shape])
    for output, expected in zip(fixed.run(batch), wanted, strict=True):
        np.testing.assert_array_equal(output, expected)
    with pytest.raises(ModelError, match=r"alone, got \[1, 32, 32, 3\]"):
        fixed.run(np.zeros((1, 32, 32, 3), np.uint8))
    fixed.close()
    with pytest.raises(ModelError, match="has been closed"):
        fixed.run(batch)


def test_networks_beside_each_other_share_their_lanes(
    onnx_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = OpenVinoRuntime(onnx_file, threads=2)
    second = OpenVinoRuntime(onnx_file, threads=2, beside=first)
    inside, most, full, lock = 0, 0, threading.Event(), threading.Lock()

    def hold(*_: Any) -> list[NDArray[Any]]:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        if most == first.slots:
            full.set()
        assert full.wait(60)
        with lock:
            inside -= 1
        return []

    with monkeypatch.context() as patched:
        patched.setattr("models.runtime.openvino._infer", hold)
        started = [loaded.start(images()) for loaded in (first, second) * first.slots]
        for answer in started:
            answer.result(timeout=60)
    assert most == first.slots
    for output, wanted in zip(first.run(images()), second.run(images()), strict=True):
        np.testing.assert_array_equal(output, wanted)
    first.close()
    second.close()


@pytest.mark.parametrize(
    ("flags", "known"),
    [("fpu avx512_vnni sse", True), ("fpu avx_vnni", True), ("fpu avx512f", False), (None, False)],
)
def test_what_the_processor_says_of_bytes_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str | None, known: bool
) -> None:
    said = tmp_path / "cpuinfo"
    if flags is not None:
        said.write_text(f"processor : 0\nflags : {flags}\n")
    monkeypatch.setattr("models.runtime.cpu._CPUINFO", said)
    assert has_vnni() is known


def test_batch_may_be_read_only_or_have_gaps(onnx_file: Path) -> None:
    loaded = OpenVinoRuntime(onnx_file, threads=2)
    expected = loaded.run(images())
    locked, wide = images(), np.repeat(images(), 2, axis=3)
    locked.setflags(write=False)
    for batch in (locked, wide[..., ::2]):
        for output, wanted in zip(loaded.run(batch), expected, strict=True):
            np.testing.assert_array_equal(output, wanted)
    loaded.close()


def test_bytes_become_floats_as_they_lie_with_the_same_numbers(tmp_path: Path) -> None:
    path, shape = tmp_path / "pixels.onnx", (1, 32, 48, 3)
    axes = {"pixels": {1: "rows", 2: "columns"}, "features": {2: "rows", 3: "columns"}}
    example = torch.zeros(1, 8, 16, 3, dtype=torch.uint8)
    export_onnx(TakesPixels(), example, path, axes=axes, metadata={})
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    loaded = [OpenVinoRuntime(path, threads=1, shapes=shapes) for shapes in ((), [shape])]
    whole, fixed = (each.run(pixels)[0] for each in loaded)
    np.testing.assert_array_equal(whole, fixed)
    for each in loaded:
        each.close()
    network = openvino.Core().read_model(path)
    _convert_in_place(network)
    kinds = [node.get_type_name() for node in network.get_ordered_ops()]
    steps = [kind for kind in kinds if kind in ("Convert", "Relu", "Transpose", "Convolution")]
    assert steps == ["Convert", "Relu", "Transpose", "Convolution"]


def test_answers_outlive_the_next_forward(load: Callable[..., Runtime]) -> None:
    loaded = load()
    first = loaded.run(images())
    before = [output.copy() for output in first]
    loaded.run(images(seed=1))
    for output, wanted in zip(first, before, strict=True):
        np.testing.assert_array_equal(output, wanted)
    loaded.close()


def test_start_answers_a_future_for_each(load: Callable[..., Runtime]) -> None:
    loaded = load()
    answers = [loaded.start(images(seed=seed)) for seed in range(5)]
    for seed, answer in enumerate(answers):
        wanted = loaded.run(images(seed=seed))[0]
        np.testing.assert_array_equal(answer.result(timeout=30)[0], wanted)
    loaded.close()


def test_batch_of_a_wrong_shape_fails_alone(load: Callable[..., Runtime]) -> None:
    loaded = load()
    wrong = loaded.start(np.zeros((1, 4, 16, 16), np.float32))
    with pytest.raises(ModelError, match=r"cannot run a batch of float32 \[1, 4, 16, 16\]"):
        wrong.result(timeout=30)
    assert len(loaded.run(images())) == 2
    loaded.close()


def test_closed_network_says_so(load: Callable[..., Runtime]) -> None:
    loaded = load()
    loaded.close()
    with pytest.raises(ModelError, match="has been closed"):
        loaded.run(images())


def test_closing_lets_go_of_the_network() -> None:
    network = TinyNetwork()
    weight = weakref.ref(network.second.weight)
    loaded = TorchRuntime(network)
    del network
    loaded.close()
    gc.collect()
    assert weight() is None


def test_lower_precision_is_close(load: Callable[..., Runtime]) -> None:
    try:
        low = load(precision="bf16")
    except RuntimeUnavailable as error:
        pytest.skip(str(error))
    high = load(precision="f32")
    np.testing.assert_allclose(low.run(images())[0], high.run(images())[0], atol=0.1)
    assert (low.precision, high.precision) == ("bf16", "f32")


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_file_that_is_no_network_is_named(runtime: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"this is not a network")
    with pytest.raises(ModelError, match=r"broken\.onnx: .* cannot run it"):
        load_runtime(path, runtime)


def test_settings_that_make_no_sense_are_named(onnx_file: Path) -> None:
    with pytest.raises(InvalidInput, match="threads: expected at least 1"):
        load_runtime(onnx_file, threads=0)
    with pytest.raises(InvalidInput, match="precision 'int3': one of auto, f32"):
        load_runtime(onnx_file, precision="int3")


def test_onnx_runtime_has_no_bfloat16(onnx_file: Path) -> None:
    with pytest.raises(RuntimeUnavailable, match="ONNX Runtime has f32 on a CPU"):
        load_runtime(onnx_file, "onnx", precision="bf16")


def test_torch_does_not_read_onnx(onnx_file: Path) -> None:
    with pytest.raises(RuntimeUnavailable, match="does not read ONNX; take openvino or onnx"):
        load_runtime(onnx_file, "torch")


@pytest.mark.parametrize(
    ("installed", "cuda", "chosen"),
    [
        ({"openvino", "onnxruntime", "torch"}, True, ("torch", "cuda")),
        ({"openvino", "onnxruntime", "torch"}, False, ("openvino", "cpu")),
        ({"onnxruntime", "torch"}, False, ("onnx", "cpu")),
        ({"torch"}, False, ("torch", "cpu")),
    ],
)
def test_auto_takes_the_fastest_that_is_there(
    installed: set[str], cuda: bool, chosen: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtimes, "find_spec", lambda name: name if name in installed else None)
    monkeypatch.setattr(runtimes, "_has_cuda", lambda: cuda)
    assert choose_runtime() == chosen


@pytest.mark.parametrize(
    ("runtime", "device", "error", "message"),
    [
        ("abacus", "auto", UnknownName, "runtime 'abacus': one of auto, openvino, onnx, torch"),
        ("auto", "tpu", UnknownName, "device 'tpu': one of auto, cpu, cuda expected"),
        ("openvino", "cuda", RuntimeUnavailable, "runs on the CPU; take 'torch' for CUDA"),
        ("auto", "cuda", RuntimeUnavailable, "torch finds no CUDA device"),
        ("openvino", "cpu", RuntimeUnavailable, "is not installed: pip install openvino"),
        ("auto", "cpu", RuntimeUnavailable, "none of the runtimes is installed"),
    ],
)
def test_what_is_not_there_is_named(
    runtime: str,
    device: str,
    error: type[Exception],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runtimes, "find_spec", lambda _: None)
    monkeypatch.setattr(runtimes, "_has_cuda", lambda: False)
    with pytest.raises(error, match=message):
        choose_runtime(runtime, device)


def test_failed_export_leaves_the_old_file(onnx_file: Path, tmp_path: Path) -> None:
    class Broken(nn.Module):
        def forward(self, images: Tensor) -> tuple[Tensor]:
            raise RuntimeError("no such layer")

    path = tmp_path / "kept.onnx"
    path.write_bytes(onnx_file.read_bytes())
    with pytest.raises(RuntimeError, match="no such layer"):
        export_onnx(Broken(), torch.zeros(1), path, axes={"images": {}}, metadata={})
    assert path.read_bytes() == onnx_file.read_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_threads_that_are_first_at_once_do_not_wait_for_each_other() -> None:
    """The binding's first look at NumPy must not be left to two threads: they would hang."""
    code = (
        "import threading, numpy as np\n"
        "from models.runtime.openvino import openvino\n"
        "ready = threading.Barrier(8)\n"
        "def cross():\n"
        "    ready.wait()\n"
        "    openvino.Tensor(np.zeros(4, np.uint8)).data\n"
        "threads = [threading.Thread(target=cross) for _ in range(8)]\n"
        "[thread.start() for thread in threads]; [thread.join() for thread in threads]\n"
    )
    for _ in range(3):
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
