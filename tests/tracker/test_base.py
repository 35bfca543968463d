"""What every tracker does with a frame: time passes, widths stay, and a failure changes nothing."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import InvalidInput
from tracker.base import OnlineTracker
from tracker.camera import IDENTITY
from tracker.observation import Observation
from tracker.types import Tracks

BOX = [10.0, 20.0, 50.0, 120.0]


class Noting(OnlineTracker):
    """Finds nobody, notes what it was given, and fails when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[float] = []
        self.widths: list[int | None] = []
        self.fails = False

    def _clear(self) -> None:
        self.steps.clear()

    def _step(self, observation: Observation, dt: float) -> Tracks:
        if self.fails:
            raise RuntimeError("the idea failed")
        np.testing.assert_array_equal(self._motion, IDENTITY)
        self.steps.append(dt)
        if observation.appearance is not None:
            self.widths.append(observation.appearance.width)
        self._motion = 2.0 * IDENTITY
        return Tracks.empty()


def test_time_passes_by_timestamps_and_by_one_without() -> None:
    tracker = Noting()
    for time in (0.0, 0.1, 0.2, 0.4, None):
        tracker.update([BOX], [0.9], timestamp=time)
    assert tracker.steps == pytest.approx([1, 1, 1, 2, 1])
    assert tracker.fps == pytest.approx(10.0)


def test_a_step_that_fails_takes_no_time_and_teaches_no_width() -> None:
    tracker = Noting()
    tracker.update([BOX], [0.9], timestamp=1.0)
    tracker.fails = True
    with pytest.raises(RuntimeError):
        tracker.update([BOX], [0.9], embeddings=np.ones((1, 3)), timestamp=1.5)
    tracker.fails = False
    tracker.update([BOX], [0.9], embeddings=np.ones((1, 5)), timestamp=1.2)
    assert tracker.fps == pytest.approx(5.0)
    assert tracker.widths == [5]


def test_frames_without_embeddings_do_not_forget_their_width() -> None:
    tracker = Noting()
    tracker.update([BOX], [0.9], embeddings=np.ones((1, 5)))
    tracker.update([BOX], [0.9])
    tracker.update([], [], embeddings=[])
    assert tracker.widths == [5, 5]
    with pytest.raises(InvalidInput, match="width 5 as in the frames before, got 4"):
        tracker.update([BOX], [0.9], embeddings=np.ones((1, 4)))


def test_motion_is_that_of_the_last_frame_and_reset_forgets_all() -> None:
    tracker = Noting()
    np.testing.assert_array_equal(tracker.motion, IDENTITY)
    for time in (3.0, 4.0):
        tracker.update([BOX], [0.9], embeddings=np.ones((1, 5)), timestamp=time)
        np.testing.assert_array_equal(tracker.motion, 2.0 * IDENTITY)
    assert tracker.flush() == []
    tracker.reset()
    np.testing.assert_array_equal(tracker.motion, IDENTITY)
    assert (tracker.fps, tracker.steps) == (None, [])
    tracker.update([BOX], [0.9], embeddings=np.ones((1, 2)), timestamp=0.0)
    assert tracker.steps == [1.0]
