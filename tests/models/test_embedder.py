"""What every embedder promises, and what each one looks at."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import ultralytics
from numpy.typing import NDArray

from models import catalog, load_embedder
from models.embedder import EMBEDDERS, Embedder
from models.errors import InvalidInput, UnknownName, WeightsUnavailable
from models.runtime.openvino import OFTEN, OpenVinoRuntime

FLOAT = NDArray[np.float32]


@pytest.fixture(scope="module")
def photograph() -> NDArray[np.uint8]:
    """A street with a bus and people, 810x1080."""
    image = cv2.imread(str(Path(ultralytics.__file__).parent / "assets" / "bus.jpg"))
    assert image is not None
    return np.asarray(image, np.uint8)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((name, runtime), id=f"{name}-{runtime}", marks=pytest.mark.weights)
        for name, runtime in (
            ("osnet-x0.25", "openvino"),
            ("osnet-x0.25", "onnx"),
            ("osnet-x0.25", "torch"),
            ("mobilenet", "openvino"),
            ("mobilenet", "onnx"),
        )
    ]
    + [pytest.param(("colour", "auto"), id="colour")],
)
def embedder(request: pytest.FixtureRequest) -> Iterator[Embedder]:
    name, runtime = request.param
    if name in catalog.names() and catalog.locate(name) is None:
        pytest.skip(f"{catalog.entry(name).file} is not here: trackline models pull {name}")
    loaded = load_embedder(name, runtime)
    yield loaded
    loaded.close()


def boxes(count: int, seed: int = 0) -> NDArray[np.float64]:
    """Boxes over the photograph and its border."""
    random = np.random.default_rng(seed)
    corners = random.uniform(-50, 700, (count, 2))
    return np.concatenate([corners, corners + random.uniform(20, 300, (count, 2))], axis=1)


# Of all


def test_rows_are_unit_float32(embedder: Embedder, photograph: NDArray[np.uint8]) -> None:
    rows = embedder(photograph, boxes(11))
    assert rows.shape == (11, embedder.dim)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_no_boxes_are_no_rows(embedder: Embedder, photograph: NDArray[np.uint8]) -> None:
    assert embedder(photograph, []).shape == (0, embedder.dim)


def test_a_box_without_a_pixel_has_a_row_too(
    embedder: Embedder, photograph: NDArray[np.uint8]
) -> None:
    rows = embedder(photograph, [(-50, 10, -20, 40), (5000, 5000, 6000, 6000), (9, 9, 9, 9)])
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_a_row_does_not_depend_on_the_other_boxes(
    embedder: Embedder, photograph: NDArray[np.uint8]
) -> None:
    everything = boxes(9)
    alone = np.concatenate([embedder(photograph, box[None]) for box in everything])
    for count in (1, 2, 7, 8, 9):
        np.testing.assert_array_equal(embedder(photograph, everything[:count]), alone[:count])
    backwards = embedder(photograph, everything[::-1])
    np.testing.assert_array_equal(backwards[::-1], alone)


def test_threads_at_once_get_what_each_gets_alone(
    embedder: Embedder, photograph: NDArray[np.uint8]
) -> None:
    wanted = [boxes(3 + 3 * thread, seed=thread) for thread in range(3)]
    alone = [embedder(photograph, each) for each in wanted]
    together: dict[int, list[FLOAT]] = {}
    barrier = threading.Barrier(len(wanted), timeout=30)

    def work(number: int) -> None:
        barrier.wait()
        together[number] = [embedder(photograph, wanted[number]) for _ in range(2)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(wanted))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for number, expected in enumerate(alone):
        assert len(together[number]) == 2
        for rows in together[number]:
            np.testing.assert_array_equal(rows, expected)


def test_rows_do_not_change_with_use(embedder: Embedder, photograph: NDArray[np.uint8]) -> None:
    first = embedder(photograph, boxes(11))
    for _ in range(OFTEN):
        embedder(photograph, boxes(9))
    runtime = getattr(embedder, "_runtime", None)
    if isinstance(runtime, OpenVinoRuntime):
        # What is asked of its background thread next comes after any compilation.
        runtime._compiler.submit(lambda: None).result(timeout=60)
    np.testing.assert_array_equal(embedder(photograph, boxes(11)), first)


def test_the_same_thing_a_little_moved_is_nearer_than_another(
    embedder: Embedder, photograph: NDArray[np.uint8]
) -> None:
    person, moved, other = (50, 400, 245, 900), (54, 408, 250, 905), (670, 380, 810, 880)
    rows = embedder(photograph, [person, moved, other])
    assert rows[0] @ rows[1] > 0.9
    assert rows[0] @ rows[2] < rows[0] @ rows[1] - 0.1


def test_wrong_input_is_refused(embedder: Embedder, photograph: NDArray[np.uint8]) -> None:
    with pytest.raises(InvalidInput, match="image: expected uint8"):
        embedder(np.zeros((5, 5), np.uint8), boxes(1))
    with pytest.raises(InvalidInput, match="boxes: expected shape"):
        embedder(photograph, np.zeros((2, 3)))
    with pytest.raises(InvalidInput, match="finite corners"):
        embedder(photograph, [(0, 0, np.nan, 5)])
    with pytest.raises(InvalidInput, match=r"uint8 \[H, W, 3\], got uint8 \[5, 5, 4\]"):
        embedder(np.zeros((5, 5, 4), np.uint8), boxes(1))
    with pytest.raises(InvalidInput, match="got float32"):
        embedder(np.zeros((5, 5, 3), np.float32), boxes(1))


# Of colour


def flat(colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    return np.full((60, 40, 3), colour, np.uint8)


def test_other_colours_are_at_right_angles() -> None:
    embed = load_embedder("colour")
    whole = [(0, 0, 40, 60)]
    red, blue = (embed(flat(colour), whole)[0] for colour in ((0, 0, 200), (200, 0, 0)))
    assert red @ blue == pytest.approx(0)


def test_the_same_colours_at_another_height_look_different() -> None:
    above = np.concatenate([flat((0, 0, 200)), flat((200, 0, 0))])
    embed = load_embedder("colour")
    whole = [(0, 0, 40, 120)]
    same, upside_down = embed(above, whole)[0], embed(above[::-1], whole)[0]
    assert same @ upside_down == pytest.approx(0)


def test_the_middle_of_a_box_counts_more_than_its_edges() -> None:
    embed = load_embedder("colour")
    whole = [(0, 0, 40, 60)]
    middle, edges = flat((0, 0, 200)), flat((200, 0, 0))
    middle[:, :10] = middle[:, 30:] = (200, 0, 0)
    red, blue = (embed(flat(colour), whole)[0] for colour in ((0, 0, 200), (200, 0, 0)))
    rows = embed(middle, whole)[0]
    assert rows @ red > rows @ blue + 0.3
    assert embed(edges, whole)[0] @ blue == pytest.approx(1)


# Of networks


@pytest.mark.weights
@pytest.mark.parametrize("name", ["osnet-x0.25", "mobilenet"])
def test_every_runtime_gives_nearly_the_same_rows(name: str, photograph: NDArray[np.uint8]) -> None:
    if catalog.locate(name) is None:
        pytest.skip(f"{catalog.entry(name).file} is not here: trackline models pull {name}")
    rows = []
    for runtime in ("onnx", "openvino", "torch"):
        embed = load_embedder(name, runtime, precision="f32")
        rows.append(embed(photograph, boxes(5)))
        embed.close()
    np.testing.assert_allclose(rows[1], rows[0], atol=1e-4)
    np.testing.assert_allclose(rows[2], rows[0], atol=1e-4)


# By name


def test_an_unknown_name_gets_the_known_ones() -> None:
    with pytest.raises(UnknownName, match=r"'osnet'.*osnet-x0\.25, mobilenet, colour"):
        load_embedder("osnet")


def test_every_name_but_colour_is_in_the_catalogue() -> None:
    assert set(EMBEDDERS) - {"colour"} == set(catalog.names("embed"))


def test_auto_falls_back_to_colour_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(name: str, progress: object = None) -> Path:
        raise WeightsUnavailable(f"{name}: no source has it")

    monkeypatch.setenv("TRACKLINE_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(catalog, "fetch", refuse)
    with caplog.at_level(logging.WARNING):
        assert load_embedder("auto").name == "colour"
    (record,) = caplog.records
    assert "osnet-x0.25: no source has it" in record.getMessage()


@pytest.mark.weights
def test_auto_is_osnet_where_its_file_is_here() -> None:
    if catalog.locate("osnet-x0.25") is None:
        pytest.skip("osnet_x0_25_msmt17.onnx is not here: trackline models pull osnet-x0.25")
    loaded = load_embedder("auto")
    assert loaded.name == "osnet-x0.25"
    loaded.close()
