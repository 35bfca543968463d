"""Detections: fields of one length, whatever they are made of and however they are picked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.errors import InvalidInput
from models.types import Detections

BOXES = np.array([[0.0, 0, 4, 4], [1, 1, 5, 5], [2, 2, 6, 6]])
OUTLINES = tuple(np.full((3, 2), number, np.float32) for number in range(3))


def three(**changed: Any) -> Detections:
    fields: dict[str, Any] = {"boxes": BOXES, "scores": [0.9, 0.5, 0.1], "classes": [2, 0, 1]}
    return Detections(**fields | changed)


@pytest.mark.parametrize("rows", [[2, 0], np.array([True, False, True])])
def test_picking_rows_picks_of_every_field(rows: Any) -> None:
    picked = three(segments=OUTLINES, names={0: "a"})[rows]
    chosen = np.arange(3)[rows]
    np.testing.assert_array_equal(picked.boxes, BOXES[chosen])
    np.testing.assert_array_equal(picked.scores, np.array([0.9, 0.5, 0.1], np.float32)[chosen])
    assert picked.classes.tolist() == np.array([2, 0, 1])[chosen].tolist()
    assert picked.segments is not None
    assert [int(one[0, 0]) for one in picked.segments] == chosen.tolist()
    assert picked.names == {0: "a"}
    assert three()[rows].segments is None


def test_nothing_has_the_shape_of_no_boxes() -> None:
    nothing = Detections([], [], [])  # type: ignore[arg-type]
    assert (nothing.boxes.shape, len(nothing)) == ((0, 4), 0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"boxes": BOXES[:, :3]}, r"\[N, 4\], got \[3, 3\]"),
        ({"boxes": BOXES[0]}, r"\[N, 4\], got \[4\]"),
        ({"scores": [0.9, 0.5]}, "'scores': 2"),
        ({"classes": [1]}, "'classes': 1"),
        ({"segments": OUTLINES[:2]}, "'segments': 2"),
    ],
)
def test_fields_that_do_not_belong_together_are_refused(
    changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        three(**changed)
