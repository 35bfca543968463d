"""MOT text files: what is written is read again, and what is no row is refused by its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidInput
from tracker.mot import detection_rows, from_rows, read_mot, to_rows, write_mot
from tracker.types import Tracks

coordinates = st.integers(-20_000, 20_000).map(lambda tenths: tenths / 10)
sizes = st.integers(0, 20_000).map(lambda tenths: tenths / 10)
rows = st.lists(
    st.tuples(
        st.integers(1, 500),
        st.integers(1, 1000),
        coordinates,
        coordinates,
        sizes,
        sizes,
        st.integers(0, 100).map(lambda percent: percent / 100),
    ),
    unique_by=lambda row: row[:2],
    max_size=30,
).map(lambda drawn: np.array(drawn, np.float64).reshape(-1, 7))


def tracks(ids: list[int], boxes: list[list[float]]) -> Tracks:
    count = len(ids)
    return Tracks(
        ids=np.array(ids, np.int64),
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.full(count, 0.5, np.float32),
        classes=np.full(count, 2, np.int64),
        predicted=np.arange(count) == 1,
        detection=np.full(count, -1, np.int64),
    )


@given(rows)
def test_written_rows_are_read_again_in_order(
    tmp_path_factory: pytest.TempPathFactory, written: np.ndarray
) -> None:
    path = tmp_path_factory.mktemp("mot") / "result.txt"
    write_mot(path, written)
    read = read_mot(path)
    expected = written[np.lexsort((written[:, 1], written[:, 0]))]
    np.testing.assert_allclose(read[:, :7], expected, atol=1e-4)
    assert (read[:, 7:] == -1).all()


def test_rows_of_tracks_are_boxes_by_corner_and_size() -> None:
    got = to_rows([(1, tracks([7], [[10, 20, 40, 100]])), (3, tracks([], []))])
    np.testing.assert_array_equal(got, [[1, 7, 10, 20, 30, 80, 0.5, 2, 0, -1]])


def test_rows_of_detections_have_no_identity() -> None:
    boxes = [[10, 20, 40, 100], [0, 0, 5, 9]]
    bare = detection_rows(4, boxes, [0.5, 0.25])
    expected = [[4, -1, 10, 20, 30, 80, 0.5, 0, 0, -1], [4, -1, 0, 0, 5, 9, 0.25, 0, 0, -1]]
    np.testing.assert_array_equal(bare, expected)
    assert detection_rows(4, boxes, [0.5, 0.25], classes=[2, 7])[:, 7].tolist() == [2, 7]
    assert detection_rows(1, [], []).shape == (0, 10)


def test_tracks_of_rows_invert_rows_of_tracks() -> None:
    frames = [(1, tracks([], [])), (2, tracks([1, 2], [[0, 0, 5, 9], [3, 4, 10, 20]]))]
    back = from_rows(to_rows(frames), frames=3)
    assert [len(t) for t in back] == [0, 2, 0]
    for name in ("ids", "boxes", "scores", "classes", "predicted", "detection"):
        np.testing.assert_array_equal(getattr(back[1], name), getattr(frames[1][1], name))


def test_rows_out_of_order_come_back_by_frame() -> None:
    later = [[2, 1, 0, 0, 1, 1, 1, -1, -1, -1], [1, 4, 0, 0, 1, 1, 1, -1, -1, -1]]
    assert [t.ids.tolist() for t in from_rows(np.array(later, np.float64))] == [[4], [1]]


def test_no_rows_is_an_empty_file_and_back(tmp_path: Path) -> None:
    path = tmp_path / "empty.txt"
    write_mot(path, to_rows([]))
    assert read_mot(path).shape == (0, 10)


def test_blank_lines_white_space_and_missing_columns_are_read(tmp_path: Path) -> None:
    path = tmp_path / "result.txt"
    path.write_text("\n1, 2, 3, 4, 5, 6, 0.5\n2 2 3 4 5 6 1 1 0.25\n")
    np.testing.assert_array_equal(
        read_mot(path),
        [[1, 2, 3, 4, 5, 6, 0.5, -1, -1, -1], [2, 2, 3, 4, 5, 6, 1, 1, 0.25, -1]],
    )


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("1,2,3,4,5,6", "7 to 10 columns, got 6"),
        ("1,2,3,4,5,6,1,-1,-1,-1,9", "7 to 10 columns, got 11"),
        ("1,2,3,4,five,6,1", "expected numbers"),
        ("1,2,3,4,nan,6,1", "finite numbers"),
        ("1,2,inf,4,5,6,1", "finite numbers"),
        ("0,2,3,4,5,6,1", "whole frame number from 1 to 100000000, got 0"),
        ("1.5,2,3,4,5,6,1", "whole frame number from 1 to 100000000, got 1.5"),
        ("1e9,2,3,4,5,6,1", "whole frame number from 1 to 100000000, got 1e9"),
        ("1,2.5,3,4,5,6,1", "whole id, got 2.5"),
        ("1,2,3,4,-5,6,1", "width and height of at least 0"),
        ("1,1,9,9,9,9,1", "id 1 in frame 1 again (first on line 1)"),
    ],
)
def test_a_line_that_is_no_row_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    path = tmp_path / "broken.txt"
    path.write_text(f"1,1,0,0,10,10,1\n\n{line}\n")
    with pytest.raises(InvalidInput) as refused:
        read_mot(path)
    assert str(refused.value).startswith(f"{path}, line 3: ")
    assert complaint in str(refused.value)


def test_boxes_without_identity_may_share_a_frame(tmp_path: Path) -> None:
    path = tmp_path / "det.txt"
    path.write_text("1,-1,0,0,10,10,1\n1,-1,5,5,10,10,1\n")
    assert len(read_mot(path)) == 2


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00\x00"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "absent.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"absent\.txt"):
        read_mot(path)


def test_what_is_not_finite_is_not_written(tmp_path: Path) -> None:
    bad = np.array([[1, 1, 0, 0, 5, 5, 1], [2, 1, np.nan, 0, 5, 5, 1]])
    with pytest.raises(InvalidInput, match="row 1"):
        write_mot(tmp_path / "bad.txt", bad)
    with pytest.raises(InvalidInput, match=r"got \[2, 3\]"):
        write_mot(tmp_path / "bad.txt", np.zeros((2, 3)))
