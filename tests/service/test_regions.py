"""Where points lie to lines and polygons."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.counting.regions import Line, Zone

PIXEL = st.integers(-50, 150)
POINT = st.tuples(PIXEL, PIXEL)


def line(start: tuple[float, float], end: tuple[float, float]) -> Line:
    return Line("gate", np.array(start, np.float64), np.array(end, np.float64))


@pytest.mark.parametrize(
    ("start", "end", "point", "side"),
    [
        ((0, 0), (10, 0), (5, 3), 3),  # drawn to the right: below is b
        ((0, 0), (10, 0), (5, -3), -3),
        ((10, 0), (0, 0), (5, 3), -3),
        ((0, 10), (0, 0), (4, 5), 4),  # drawn upwards: the right is b
        ((0, 0), (10, 0), (99, 3), 3),  # beyond its end as beside it
        ((0, 0), (3, 4), (0, 5), 3),
        ((0, 0), (10, 0), (7, 0), 0),
    ],
)
def test_sides_are_signed_distances(
    start: tuple[int, int], end: tuple[int, int], point: tuple[int, int], side: float
) -> None:
    assert line(start, end).side(np.array([point], np.float64)) == pytest.approx([side])


@pytest.mark.parametrize(
    ("before", "after", "met"),
    [
        ((5, -1), (5, 1), True),
        ((15, -1), (15, 1), False),  # past the end
        ((10, -1), (10, 1), True),  # over the very end
        ((8, -1), (14, 1), False),  # slantwise past the end
    ],
)
def test_a_way_beyond_the_ends_does_not_meet_the_line(
    before: tuple[int, int], after: tuple[int, int], met: bool
) -> None:
    gate = line((0, 0), (10, 0))
    assert gate.met_by(np.array(before, float), np.array(after, float)) is met


@given(corners=st.lists(POINT, min_size=3, max_size=8, unique=True), points=st.lists(POINT))
def test_depths_are_those_of_opencv(
    corners: list[tuple[int, int]], points: list[tuple[int, int]]
) -> None:
    # Half a pixel aside: on which side of itself a border lies is a convention.
    here = np.array(points, np.float64).reshape(-1, 2) + 0.5
    depths = Zone("door", np.array(corners, np.float64)).depth(here)
    contour = np.array(corners, np.float32)
    expected = [cv2.pointPolygonTest(contour, tuple(map(float, point)), True) for point in here]
    assert np.abs(depths) == pytest.approx(np.abs(expected), abs=1e-4)
    clear = np.abs(expected) > 1e-4
    assert (depths[clear] > 0).tolist() == (np.array(expected)[clear] > 0).tolist()
