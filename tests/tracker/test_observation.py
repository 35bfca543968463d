"""What cannot be used is refused, with what was expected, what came and the row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.errors import InvalidInput
from tracker import DeepSort
from tracker.observation import observe

BOX = [10.0, 20.0, 50.0, 120.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"boxes": [BOX, [0, 0, np.nan, 5]], "scores": [0.9, 0.9]}, "boxes: .*finite.*row 1"),
        ({"boxes": [[0, 0, np.inf, 5]], "scores": [0.9]}, "boxes: .*finite.*row 0"),
        ({"boxes": [BOX, [9, 0, 3, 5]], "scores": [0.9, 0.9]}, "boxes: .*x1 <= x2.*row 1"),
        ({"boxes": [[1, 2, 3]], "scores": [0.9]}, r"boxes: .*\[N, 4\].*got \[1, 3\]"),
        ({"boxes": [BOX], "scores": [0.9, 0.8]}, r"scores: expected shape \[1\].*got \[2\]"),
        ({"boxes": [BOX, BOX], "scores": [0.9, 1.2]}, "scores: .*0 to 1, got 1.2 in row 1"),
        ({"boxes": [BOX], "scores": [-0.1]}, "scores: .*0 to 1, got -0.1 in row 0"),
        ({"boxes": [BOX] * 3, "scores": [1.0, 0.0, 1.2]}, "scores: .*got 1.2 in row 2"),
        ({"boxes": [BOX] * 3, "scores": [1.0, 0.0, -1]}, "scores: .*got -1.0 in row 2"),
        ({"boxes": [BOX], "scores": [np.nan]}, "scores: .*got nan in row 0"),
        ({"boxes": [BOX], "scores": [0.9], "classes": [1, 2]}, "classes: expected shape"),
        ({"boxes": [BOX], "scores": [0.9], "classes": [0.5]}, "classes: .*whole.*row 0"),
        ({"boxes": [BOX], "scores": [0.9], "embeddings": np.ones(3)}, "embeddings: .*row a box"),
        (
            {"boxes": [BOX, BOX], "scores": [0.9, 0.9], "embeddings": [[1, 0], [np.nan, 1]]},
            "embeddings: .*finite.*row 1",
        ),
        (
            {"boxes": [BOX], "scores": [0.9], "frame": np.zeros((4, 4), np.uint8)},
            "frame: .*H, W, 3",
        ),
    ],
)
def test_refuses(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        DeepSort().update(**arguments)


def test_refuses_embeddings_whose_width_changes() -> None:
    tracker = DeepSort()
    tracker.update([BOX], [0.9], embeddings=np.ones((1, 8)))
    with pytest.raises(InvalidInput, match="width 8 as in the frames before, got 4"):
        tracker.update([BOX], [0.9], embeddings=np.ones((1, 4)))


@pytest.mark.parametrize("timestamp", [1.0, 0.5])
def test_refuses_time_that_does_not_go_on(timestamp: float) -> None:
    tracker = DeepSort()
    tracker.update([BOX], [0.9], timestamp=1.0)
    with pytest.raises(InvalidInput, match=r"timestamp: expected seconds later than 1\.0"):
        tracker.update([BOX], [0.9], timestamp=timestamp)


def test_refuses_time_that_is_not_finite() -> None:
    with pytest.raises(InvalidInput, match="timestamp: expected finite"):
        DeepSort().update([BOX], [0.9], timestamp=float("nan"))


@pytest.mark.parametrize("empty", [[], np.zeros((0, 4)), np.zeros((0, 4), np.float32)])
def test_no_box_in_any_form(empty: Any) -> None:
    assert len(observe(empty, [])) == 0


def test_a_callable_is_asked_once_for_each_row() -> None:
    asked: list[int] = []

    def embed(rows: np.ndarray) -> list[list[float]]:
        asked.extend(rows.tolist())
        return [[float(row == d) for d in range(4)] for row in rows]

    appearance = observe([BOX] * 4, [0.9] * 4, embeddings=embed).appearance
    assert appearance is not None
    appearance.rows(np.array([2, 1]))
    np.testing.assert_array_equal(appearance.rows(np.array([1, 3, 3])), np.eye(4)[[1, 3, 3]])
    assert sorted(asked) == [1, 2, 3]


def test_a_refused_frame_leaves_the_tracker_as_it_was() -> None:
    tracker, twin = DeepSort(), DeepSort()
    for each in (tracker, twin):
        each.update([BOX], [0.9], timestamp=0.0)

    def broken(rows: np.ndarray) -> np.ndarray:
        raise RuntimeError("the embedder is gone")

    with pytest.raises(RuntimeError, match="embedder is gone"):
        tracker.update([[300, 20, 340, 120]], [0.9], embeddings=broken, timestamp=0.04)
    a, b = (each.update([BOX], [0.9], timestamp=0.04) for each in (tracker, twin))
    assert a is not None
    assert b is not None
    np.testing.assert_array_equal(a.boxes, b.boxes)
    np.testing.assert_array_equal(a.ids, b.ids)


def test_scores_of_nothing_and_of_certainty_are_taken() -> None:
    assert observe([BOX] * 2, [0.0, 1.0]).scores.tolist() == [0.0, 1.0]
    assert observe([BOX], [0.0]).scores.tolist() == [0.0]


@pytest.mark.parametrize(("given", "width"), [([], 8), (np.zeros((0, 8)), 8), ([], None)])
def test_embeddings_of_no_box_have_the_width_of_those_before(given: Any, width: int | None) -> None:
    appearance = observe([], [], embeddings=given, width=width).appearance
    assert appearance is not None
    assert appearance.table.shape == (0, width or 0)


def test_rows_get_the_length_one_and_zeros_stay() -> None:
    appearance = observe(
        [BOX] * 3, [0.9] * 3, embeddings=np.array([[3.0, 4], [0, 0], [0, -2]])
    ).appearance
    assert appearance is not None
    expected = np.array([[0.6, 0.8], [0, 0], [0, -1]])
    np.testing.assert_allclose(appearance.table, expected, rtol=1e-6)


def test_embeddings_that_nobody_asked_for_are_zeros_of_the_width_of_those_before() -> None:
    for width in (None, 4):
        appearance = observe([BOX] * 2, [0.9] * 2, embeddings=np.ones, width=width).appearance
        assert appearance is not None
        assert appearance.known.tolist() == [False, False]
        assert appearance.table.tolist() == [[0.0] * (width or 0)] * 2


def test_long_embeddings_are_rows_of_length_one_like_all_others() -> None:
    appearance = observe([BOX, BOX], [0.9, 0.9], embeddings=[[3e10, 4e10], [0.6, 0.8]]).appearance
    assert appearance is not None
    np.testing.assert_allclose(appearance.table, [[0.6, 0.8], [0.6, 0.8]], rtol=1e-6)
