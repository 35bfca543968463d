"""A delay keeps its promise: every frame once, in order, late by so many, better placed."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest

from tracker.deepsort import DeepSort
from tracker.delay import Delay
from tracker.types import Tracks


def shown(ids: list[int], x: list[float], *, predicted: bool = False, score: float = 0.9) -> Tracks:
    """Tracks with boxes of 40 x 100 whose left edges are given."""
    count = len(ids)
    left = np.array(x, np.float32).reshape(-1, 1)
    boxes = np.hstack((left, np.full((count, 1), 50), left + 40, np.full((count, 1), 150)))
    return Tracks(
        np.array(ids, np.int64),
        boxes.astype(np.float32),
        np.full(count, score, np.float32),
        np.full(count, 2, np.int64),
        np.full(count, predicted),
        np.full(count, -1) if predicted else np.arange(count),
    )


def run(delay: Delay, frames: list[Tracks]) -> tuple[list[Tracks | None], list[Tracks]]:
    return [delay.push(tracks) for tracks in frames], delay.flush()


@pytest.mark.parametrize("late", [1, 2, 5, 30])
def test_every_frame_is_answered_once_and_in_order(late: int) -> None:
    frames = [shown([1, t + 2], [10.0 * t, 500.0]) for t in range(20)]

    during, rest = run(Delay(late), frames)

    assert [answer is None for answer in during] == [t < late for t in range(20)]
    answers = [answer for answer in during if answer is not None] + rest
    assert [answer.ids.tolist() for answer in answers] == [t.ids.tolist() for t in frames]


def test_a_shaking_camera_does_not_bend_paths_when_its_motion_is_given() -> None:
    place = np.cumsum(np.random.default_rng(4).normal(0.0, 12.0, 30))
    x = 100.0 + 5.0 * np.arange(30) + place
    motion = np.tile(np.eye(2, 3), (30, 1, 1))
    motion[1:, 0, 2] = np.diff(place)
    frames = [shown([1], [left]) for left in x]
    for t in (13, 14, 15):
        frames[t] = shown([], [])

    delay = Delay(5)
    during = [
        delay.push(tracks, motion=affine) for tracks, affine in zip(frames, motion, strict=True)
    ]
    answers = [answer for answer in during if answer is not None] + delay.flush()

    assert [answer.boxes[0, 0] for answer in answers] == pytest.approx(x.tolist(), abs=0.01)
    bent = [answer for answer in run(Delay(5), frames)[0] if answer is not None]
    assert (
        np.abs([a.boxes[0, 0] - left for a, left in zip(bent, x[: len(bent)], strict=True)]).max()
        > 2
    )


def test_a_camera_that_stands_changes_no_bit() -> None:
    rng = np.random.default_rng(6)
    frames = [shown([1, 2], [10.0 * t + rng.normal(), 500.0 + rng.normal()]) for t in range(20)]
    delay = Delay(3)

    during = [delay.push(tracks, motion=np.eye(2, 3)) for tracks in frames]

    plain, rest = run(Delay(3), frames)
    for given, without in zip([*during[3:], *delay.flush()], [*plain[3:], *rest], strict=True):
        assert given is not None
        assert without is not None
        np.testing.assert_array_equal(given.boxes, without.boxes)


def test_a_track_found_again_within_the_delay_has_boxes_in_between() -> None:
    frames = [shown([1, 2], [10.0 * t, 500.0]) for t in range(20)]
    for t in (8, 9, 10):
        frames[t] = shown([2], [500.0])

    during, rest = run(Delay(5), frames)

    answers = [answer for answer in during if answer is not None] + rest
    for t in (8, 9, 10):
        assert answers[t].ids.tolist() == [2, 1]
        assert answers[t].predicted.tolist() == [False, True]
        assert answers[t].detection.tolist() == [0, -1]
        assert answers[t].classes.tolist() == [2, 2]
        assert answers[t].boxes[1] == pytest.approx([10.0 * t, 50, 10.0 * t + 40, 150], abs=0.1)


def test_a_gap_longer_than_the_delay_stays_open_but_nothing_is_invented_after_the_end() -> None:
    frames = [shown([1], [10.0 * t]) for t in range(10)] + [shown([], [])] * 10

    during, rest = run(Delay(3), frames)

    answers = [answer for answer in during if answer is not None] + rest
    assert [len(answer) for answer in answers] == [1] * 10 + [0] * 10


def test_boxes_are_nearer_to_the_truth_than_those_answered_at_once() -> None:
    rng = np.random.default_rng(0)
    truth = [10.0 + 2.0 * t for t in range(100)]
    frames = [shown([1], [x + rng.normal(0.0, 5.0)]) for x in truth]

    during, rest = run(Delay(5), frames)

    answers = [answer for answer in during if answer is not None] + rest
    late = np.array([answer.boxes[0, 0] for answer in answers]) - truth
    at_once = np.array([tracks.boxes[0, 0] for tracks in frames]) - truth
    assert np.abs(late).mean() < 0.7 * np.abs(at_once).mean()


def test_detections_are_smoothed_in_place_of_the_boxes_that_lag_behind() -> None:
    delay = Delay(2)
    measured = np.array([[700.0, 50, 740, 150], [0.0, 50, 40, 150]])
    answers = []
    for t in range(10):
        lagging = replace(shown([1], [5.0 * t - 8.0]), detection=np.array([1]))
        answers.append(delay.push(lagging, None, measured + np.array([5.0 * t, 0, 5.0 * t, 0])))

    last = answers[-1]

    assert last is not None
    assert last.boxes[0, 0] == pytest.approx(5.0 * 7, abs=0.1)


def test_dropped_frames_are_counted_by_their_timestamps() -> None:
    delay = Delay(4)
    times = [0.04 * t for t in range(20) if t not in (9, 10, 11)]
    answers = [delay.push(shown([1], [250.0 * time]), time) for time in times] + [*delay.flush()]
    boxes = [answer.boxes[0, 0] for answer in answers if answer is not None]

    np.testing.assert_allclose(boxes, [250.0 * time for time in times], atol=0.01)


def test_after_reset_and_flush_nothing_is_left() -> None:
    delay = Delay(3)
    frames = [shown([1], [10.0 * t]) for t in range(6)]
    first = run(delay, frames)
    assert delay.flush() == []
    delay.reset()

    again = run(delay, frames)

    for before, after in zip(first[1], again[1], strict=True):
        np.testing.assert_array_equal(before.boxes, after.boxes)
    assert [a is None for a in first[0]] == [a is None for a in again[0]]


def test_a_copy_goes_on_the_same() -> None:
    delay = Delay(3)
    for t in range(6):
        delay.push(shown([1], [10.0 * t]))

    other = copy.deepcopy(delay)

    one, two = (d.push(shown([1], [60.0])) for d in (delay, other))
    assert one is not None
    assert two is not None
    np.testing.assert_array_equal(one.boxes, two.boxes)


def test_memory_is_flat() -> None:
    delay = Delay(5)
    sizes: set[int] = set()
    for t in range(400):
        delay.push(shown([t], [10.0]))
        sizes.add(len(delay._window))
    assert max(sizes) < 30


def test_a_delayed_tracker_gives_the_ids_of_the_undelayed_one() -> None:
    rng = np.random.default_rng(4)
    at_once, late = DeepSort(), DeepSort(delay=4)
    shown_at_once: list[set[int]] = []
    answers: list[Tracks] = []
    for t in range(60):
        corner = np.array([[20 + 6 * t, 40], [700 - 5 * t, 60], [300, 200 + 2 * t]])
        boxes = np.hstack((corner, corner + np.array([40, 100]))) + rng.normal(0.0, 1.0, (3, 4))
        seen = rng.random(3) > 0.1
        direct = at_once.update(boxes[seen], np.full(seen.sum(), 0.9))
        delayed = late.update(boxes[seen], np.full(seen.sum(), 0.9))
        assert direct is not None
        shown_at_once.append(set(direct.ids.tolist()))
        answers += [] if delayed is None else [delayed]
    answers += late.flush()

    assert len(answers) == 60
    for before, after in zip(shown_at_once, answers, strict=True):
        assert before <= set(after.ids.tolist())
        assert len(set(after.ids.tolist())) == len(after)
    assert set().union(*shown_at_once) == {int(i) for answer in answers for i in answer.ids}


@pytest.mark.parametrize(("before", "bears"), [(12, True), (13, False)])
def test_twelve_frames_before_bear_on_an_answer(before: int, bears: bool) -> None:
    frames = [shown([1], [100.0 + 3 * t]) for t in range(30)]
    changed = list(frames)
    changed[20 - before] = shown([1], [400.0])

    def answered(given: list[Tracks]) -> Tracks:
        answer = run(Delay(2), given)[0][22]
        assert answer is not None
        return answer

    one, other = answered(frames).boxes, answered(changed).boxes
    assert np.array_equal(one, other) != bears


@pytest.mark.parametrize(("gap", "bridged"), [(30, True), (31, False)])
def test_a_gap_of_up_to_thirty_frames_is_bridged(gap: int, bridged: bool) -> None:
    frames = [shown([1], [100.0])] * 5 + [shown([], [])] * gap + [shown([1], [100.0])] * 5
    during, rest = run(Delay(40), frames)
    answers = [answer for answer in during if answer is not None] + rest
    assert [len(answer) for answer in answers] == [1] * 5 + [int(bridged)] * gap + [1] * 5
