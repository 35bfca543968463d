"""What starts a track: a sure detection at once, a faint one that goes on being there."""

from __future__ import annotations

import numpy as np
import pytest

from tracker import DeepSort

PERSON = [200.0, 100.0, 240.0, 200.0]
WALL = [[0.0, 0.0, 20.0, 20.0], [600.0, 440.0, 640.0, 480.0]]


def frames_until_shown(score: float, limit: int = 30) -> int | None:
    """Frames that a steady detection of this confidence needs to get its number."""
    tracker = DeepSort()
    for frame in range(1, limit + 1):
        tracks = tracker.update([PERSON, *WALL], [score, 0.9, 0.9])
        assert tracks is not None
        if (tracks.detection == 0).any():
            return frame
    return None


@pytest.mark.parametrize(("score", "frames"), [(0.85, 1), (0.56, 2), (0.52, 3), (0.5, 3)])
def test_the_fainter_the_longer_it_takes(score: float, frames: int) -> None:
    assert frames_until_shown(score) == frames


def test_what_stays_below_the_threshold_is_never_shown() -> None:
    assert frames_until_shown(0.49) is None


def test_a_faint_detection_that_flickers_is_forgotten() -> None:
    tracker = DeepSort()
    for frame in range(30):
        there = frame % 3 != 2
        boxes, scores = ([PERSON], [0.5]) if there else ([], [])
        tracks = tracker.update([*boxes, *WALL], [*scores, 0.9, 0.9])
        assert tracks is not None
        assert sorted(tracks.ids) == [1, 2]


def test_a_faint_part_of_somebody_starts_no_track() -> None:
    """His upper half is found beside all of him, for many frames."""
    tracker = DeepSort()
    head = [205.0, 100.0, 235.0, 130.0]
    for _ in range(30):
        tracks = tracker.update([PERSON, head, *WALL], [0.9, 0.52, 0.9, 0.9])
        assert tracks is not None
        assert not (tracks.detection == 1).any()


def test_a_sure_detection_that_is_half_covered_starts_one() -> None:
    tracker = DeepSort()
    behind = [225.0, 90.0, 265.0, 190.0]
    for _ in range(2):
        tracks = tracker.update([PERSON, behind, *WALL], [0.9, 0.7, 0.9, 0.9])
    assert tracks is not None
    np.testing.assert_array_equal(np.sort(tracks.detection), [0, 1, 2, 3])
