"""Steps in frames from timestamps in seconds."""

from __future__ import annotations

import pytest

from tracker.clock import Clock


def test_frames_are_the_unit_without_timestamps() -> None:
    clock = Clock()
    assert [clock.step(None) for _ in range(3)] == [1.0, 1.0, 1.0]
    assert clock.fps is None


@pytest.mark.parametrize("fps", [5.0, 25.0, 59.94])
def test_an_even_video_steps_by_one(fps: float) -> None:
    clock = Clock()
    assert [clock.step(i / fps) for i in range(50)] == pytest.approx([1.0] * 50)
    assert clock.fps == pytest.approx(fps)


def test_dropped_frames_count() -> None:
    clock = Clock()
    steps = [clock.step(i / 25) for i in (0, 1, 2, 3, 6, 7)]
    assert steps == pytest.approx([1, 1, 1, 1, 3, 1])


def test_asking_does_not_go_on() -> None:
    clock = Clock()
    clock.step(0.0)
    clock.step(0.1)
    assert clock.since(0.3) == clock.since(0.3) == pytest.approx(2.0)
    assert clock.step(0.2) == pytest.approx(1.0)
