"""Refining what a tracker was given, a frame at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.tracks.recorder import Recorder
from tracker import DeepSort

SIZE = (320, 240)
LOOKS = np.eye(4, dtype=np.float32)[:1]


def walk(frame: int) -> NDArray[np.float32]:
    """The box of someone who walks to the right."""
    return np.array([[20.0 + 4 * frame, 60, 60 + 4 * frame, 160]], np.float32)


def record(missing: range, embeddings: bool = True) -> Recorder:
    """Someone who is not detected in some of thirty frames."""
    recorder = Recorder(DeepSort())
    for frame in range(30):
        seen = frame not in missing
        recorder.update(
            walk(frame) if seen else np.zeros((0, 4), np.float32),
            [0.9] if seen else [],
            embeddings=(lambda rows: LOOKS[rows]) if embeddings else None,
            frame=np.zeros((SIZE[1], SIZE[0], 3), np.uint8),
        )
    return recorder


def test_frames_without_a_detection_are_filled_and_marked() -> None:
    refined = record(range(12, 17)).refined(SIZE, None)
    assert len(refined) == 30
    assert {int(identity) for tracks in refined for identity in tracks.ids} == {1}
    filled = [frame for frame, tracks in enumerate(refined) if tracks.predicted.any()]
    assert filled == list(range(12, 17))
    np.testing.assert_allclose(refined[14].boxes, walk(14), atol=2)


def test_without_embeddings_it_goes_by_motion() -> None:
    refined = record(range(12, 14), embeddings=False).refined(SIZE, None)
    assert [len(tracks) for tracks in refined] == [1] * 30


def test_nothing_recorded_is_nothing_refined() -> None:
    assert Recorder(DeepSort()).refined(SIZE, 25.0) == []


def test_the_motion_of_the_camera_is_that_of_the_tracker() -> None:
    recorder = record(range(0))
    np.testing.assert_array_equal(recorder.motion, np.eye(2, 3))


def test_reset_forgets() -> None:
    recorder = record(range(0))
    recorder.reset()
    assert recorder.refined(SIZE, None) == []
