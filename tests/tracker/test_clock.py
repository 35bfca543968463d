"""Steps in frames from timestamps in seconds."""

from __future__ import annotations

import pytest

from models.errors import InvalidInput
from tracker.clock import REMEMBERED, Clock


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


def test_a_frame_without_a_timestamp_is_one_and_is_not_counted() -> None:
    clock = Clock()
    assert [clock.step(time) for time in (0.0, 0.1, None, 0.3)] == pytest.approx([1, 1, 1, 2])
    assert clock.fps == pytest.approx(1 / 0.2)


def test_a_new_frame_rate_is_the_unit_once_most_of_the_memory_has_it() -> None:
    clock = Clock()
    times = [i / 50 for i in range(REMEMBERED + 1)]
    for time in times:
        clock.step(time)
    steps = [clock.step(times[-1] + (i + 1) / 25) for i in range(REMEMBERED)]
    half = REMEMBERED // 2 + 1
    assert steps == pytest.approx([2.0] * half + [1.0] * (REMEMBERED - half))


@pytest.mark.parametrize("time", [float("nan"), float("inf")])
def test_time_that_is_no_number_is_refused_and_nothing_goes_on(time: float) -> None:
    clock = Clock()
    clock.step(0.0)
    with pytest.raises(InvalidInput, match="finite seconds"):
        clock.step(time)
    with pytest.raises(InvalidInput, match=r"later than 0\.0"):
        clock.step(0.0)
    assert clock.step(0.1) == 1.0
