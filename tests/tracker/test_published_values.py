"""The published trackers at the limits that their papers name: just inside, and just beyond.

Boxes are 65 x 100 pixels and stand still; one that is shifted by d has an IoU of (65 - d) /
(65 + d) with where it was.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from filterpy.kalman import KalmanFilter

from tracker.base import OnlineTracker
from tracker.kalman import VALUE, VARIANCE, VELOCITY, BoxFilter
from tracker.presets.botsort import BoTSort
from tracker.presets.bytetrack import ByteTrack
from tracker.presets.paper import PaperTracker
from tracker.presets.sort import AreaFilter, Sort, SortSettings

RED = [1.0, 0.0]


def box(shift: float = 0.0) -> list[float]:
    return [300.0 + shift, 100.0, 365.0 + shift, 200.0]


def look(cosine: float) -> list[float]:
    """One with this cosine to red."""
    return [cosine, float(np.sqrt(1 - cosine**2))]


def see(
    tracker: OnlineTracker,
    *shifts: float,
    score: float = 0.9,
    looks: list[list[float]] | None = None,
) -> dict[int, int]:
    """One frame; the ID of each detection that has one."""
    boxes = np.array([box(shift) for shift in shifts]).reshape(-1, 4)
    embeddings = None if looks is None else np.array(looks, np.float32).reshape(-1, 2)
    answer = tracker.update(boxes, [score] * len(boxes), embeddings=embeddings)
    return dict(zip(answer.detection.tolist(), answer.ids.tolist(), strict=True))


def known(make: Callable[[], OnlineTracker], frames: int = 4) -> OnlineTracker:
    """A tracker that has seen someone stand there, red, for some frames."""
    tracker = make()
    for _ in range(frames):
        see(tracker, 0.0, looks=[RED])
    return tracker


@pytest.mark.parametrize(
    ("make", "least"), [(Sort, 0.5), (ByteTrack, 0.7), (BoTSort, 0.7), (PaperTracker, 0.3)]
)
def test_confidence_from_which_a_track_begins(
    make: Callable[[], OnlineTracker], least: float
) -> None:
    for score, begins in ((least, True), (least - 0.01, False)):
        tracker = make()
        shown = [bool(see(tracker, 0.0, score=score)) for _ in range(4)]
        assert shown[-1] == begins


@pytest.mark.parametrize(
    ("make", "missed"), [(Sort, 1), (ByteTrack, 30), (BoTSort, 30), (PaperTracker, 30)]
)
def test_frames_that_a_track_outlives(make: Callable[[], OnlineTracker], missed: int) -> None:
    for gap, same in ((missed, True), (missed + 1, False)):
        tracker = known(make)
        for _ in range(gap):
            assert see(tracker, looks=[]) == {}
        for _ in range(3):
            last = see(tracker, 0.0, looks=[RED])
        assert last == {0: 1 if same else 2}


def test_a_young_track_does_not_outlive_a_frame() -> None:
    for make, frames in ((ByteTrack, 1), (PaperTracker, 2)):
        tracker = known(make, frames)
        see(tracker, looks=[])
        assert see(tracker, 0.0, looks=[RED]) == {}


@pytest.mark.parametrize(
    ("make", "score", "shift"),
    [
        # SORT: an IoU of 0.3. ByteTrack: IoU times 0.9 of 0.2; unsure ones an IoU of 0.5.
        (Sort, 0.9, 35.0),
        (ByteTrack, 0.9, 41.36),
        (ByteTrack, 0.3, 21.67),
        (BoTSort, 0.3, 21.67),
        # The paper's tracks that were just seen, by an IoU of 0.3 where looks say no.
        (PaperTracker, 0.9, 35.0),
    ],
)
@pytest.mark.parametrize(("further", "same"), [(-0.3, True), (0.3, False)])
def test_overlap_that_makes_a_pair(
    make: Callable[[], OnlineTracker], score: float, shift: float, further: float, same: bool
) -> None:
    tracker = known(make)
    assert see(tracker, shift + further, score=score, looks=[look(0.0)]) == ({0: 1} if same else {})


@pytest.mark.parametrize(("make", "shift"), [(ByteTrack, 32.5), (PaperTracker, 35.0)])
@pytest.mark.parametrize(("further", "same"), [(-0.3, True), (0.3, False)])
def test_overlap_by_which_a_young_track_is_found_again(
    make: Callable[[], OnlineTracker], shift: float, further: float, same: bool
) -> None:
    """ByteTrack: IoU times 0.9 of 0.3. The paper: an IoU of 0.3."""
    tracker, frames = make(), 2 if make is ByteTrack else 3
    see(tracker, 0.0)
    for _ in range(frames - 1):
        last = see(tracker, shift + further)
    assert last == ({0: 1} if same else {})


def test_sort_begins_to_count_anew_after_a_gap() -> None:
    tracker = known(Sort)
    see(tracker)
    assert [see(tracker, 0.0) for _ in range(4)] == [{}, {}, {0: 1}, {0: 1}]
    patient = Sort(SortSettings(max_age=3, min_hits=1))
    see(patient, 0.0)
    assert [see(patient, *at) for at in ((0.0,), (), (), (), (0.0,))][-1] == {0: 1}


@pytest.mark.parametrize(
    ("score", "gap", "same"),
    [(0.1, 0, True), (0.09, 0, False), (0.59, 0, True), (0.59, 1, False), (0.6, 1, True)],
)
@pytest.mark.parametrize("make", [ByteTrack, BoTSort])
def test_unsure_detections_continue_who_was_just_seen(
    make: Callable[[], OnlineTracker], score: float, gap: int, same: bool
) -> None:
    tracker = known(make)
    for _ in range(gap):
        see(tracker, looks=[])
    assert see(tracker, 0.0, score=score, looks=[RED]) == ({0: 1} if same else {})


def exchanged(shift: float, cosine: float, score: float = 0.8) -> bool:
    """Whether two neighbours who swap places, with looks a little changed, keep their IDs."""
    tracker = BoTSort()
    for _ in range(4):
        before = see(tracker, 0.0, shift, looks=[RED, look(0.0)])
    assert before == {0: 1, 1: 2}
    red = look(cosine)
    blue = red[::-1]
    return see(tracker, 0.0, shift, score=score, looks=[blue, red]) == {0: 2, 1: 1}


def test_bot_sort_believes_looks_of_boxes_that_are_near_and_alike() -> None:
    """An IoU of 0.5, a distance below 0.25, and half of that against 1 - 0.8 for staying."""
    assert exchanged(21.5, 0.76)
    assert not exchanged(21.8, 0.76)
    assert not exchanged(21.5, 0.74)
    assert not exchanged(21.5, 0.76, score=0.89)


def test_bot_sort_learns_a_tenth_and_from_sure_detections_alone() -> None:
    tracker = BoTSort()
    see(tracker, 0.0, looks=[RED])
    see(tracker, 0.0, looks=[look(0.0)])
    mean = np.array([0.9, 0.1]) / np.hypot(0.9, 0.1)
    np.testing.assert_allclose(tracker._embeddings, [mean], rtol=1e-6)
    see(tracker, 0.0, score=0.59, looks=[look(0.0)])
    np.testing.assert_allclose(tracker._embeddings, [mean], rtol=1e-6)


@pytest.mark.parametrize(("cosine", "same"), [(0.81, True), (0.79, False)])
def test_cosine_distance_of_the_paper(cosine: float, same: bool) -> None:
    tracker = known(PaperTracker)
    for _ in range(3):
        see(tracker, looks=[])
    assert see(tracker, 0.0, looks=[look(cosine)]) == ({0: 1} if same else {})


@pytest.mark.parametrize("looks", [None, [RED]])
@pytest.mark.parametrize(("part", "same"), [(0.99, True), (1.01, False)])
def test_gate_of_the_paper(looks: list[list[float]] | None, part: float, same: bool) -> None:
    """The 0.95 quantile with four degrees of freedom, by looks and without."""
    tracker, motion = known(PaperTracker), BoxFilter()
    measured = motion.measure(np.array([box()]).T)
    state = motion.initiate(measured)
    for _ in range(3):
        state = motion.predict(state)
        state = motion.update(state, measured, motion.noise(state[VALUE]))
    for _ in range(3):
        see(tracker, looks=None if looks is None else [])
        state = motion.predict(state)
    state = motion.predict(state)
    spread = float((state[VARIANCE] + motion.noise(state[VALUE]))[0, 0])
    shift = part * np.sqrt(9.4877 * spread)
    assert see(tracker, shift, looks=looks) == ({0: 1} if same else {})


def test_who_was_seen_last_comes_first_in_the_cascade() -> None:
    """The one who is lost looks exactly like the detection, the other one nearly."""
    tracker = PaperTracker()
    for _ in range(4):
        see(tracker, 0.0, 40.0, looks=[RED, look(0.9)])
    see(tracker, 40.0, looks=[look(0.9)])
    assert see(tracker, 20.0, looks=[RED]) == {0: 2}
    assert see(tracker, 20.0, 0.0, looks=[look(0.9), RED]) == {0: 2, 1: 1}


def test_the_area_filter_is_the_seven_state_filter_of_the_paper() -> None:
    rng, ours = np.random.default_rng(8), AreaFilter()
    boxes = np.array([box(4.0 * t) for t in range(12)]) + rng.normal(0, 2, (12, 4))
    measured = ours.measure(boxes.T)
    oracle = KalmanFilter(dim_x=7, dim_z=4)
    oracle.F = np.eye(7) + np.eye(7, k=4)
    oracle.H = np.eye(4, 7)
    oracle.R = np.diag([1.0, 1, 10, 10])
    oracle.P = np.diag([10.0, 10, 10, 10, 1e4, 1e4, 1e4])
    oracle.Q = np.diag([1.0, 1, 1, 1, 1e-2, 1e-2, 1e-4])
    oracle.x[:4, 0] = measured[:, 0]
    state = ours.initiate(measured[:, :1])
    for t in range(1, 12):
        oracle.predict()
        oracle.update(measured[:, t])
        state = ours.predict(state)
        state = ours.update(state, measured[:, t : t + 1], ours.noise(state[VALUE]))
        np.testing.assert_allclose(state[:2].ravel()[:7], oracle.x[:, 0], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(state[VARIANCE, :, 0], np.diag(oracle.P)[:4], rtol=1e-9)


@pytest.mark.parametrize("make", [ByteTrack, BoTSort])
@pytest.mark.parametrize("score", [0.59, 0.6])
def test_a_detection_is_one_track_s(make: Callable[[], OnlineTracker], score: float) -> None:
    """Whether it is taken for sure or for unsure, two who stand there do not share it."""
    tracker = make()
    for _ in range(4):
        tracker.update([box(), box(12.0)], [0.9, 0.9])
    assert len(tracker.update([box(5.0)], [score])) == 1


@pytest.mark.parametrize(
    ("make", "motion", "resting"),
    [
        (PaperTracker, BoxFilter(), slice(0)),
        (ByteTrack, BoxFilter(), slice(3, 4)),
        (BoTSort, BoxFilter(form="xywh", side=True), slice(2, 4)),
    ],
)
def test_what_is_shown_is_the_filter_s_and_sizes_rest_while_lost(
    make: Callable[[], OnlineTracker], motion: BoxFilter, resting: slice
) -> None:
    """Someone comes nearer, and is not seen for three frames."""
    tracker, rng, missed = make(), np.random.default_rng(4), 0
    shown = []
    for t in range(16):
        corners = np.array([300.0 - 2 * t, 100 - t, 365 + t, 200 + 4 * t]) + rng.normal(0, 1, 4)
        measured = motion.measure(corners[:, None])
        if not t:
            state = motion.initiate(measured)
            tracker.update([corners], [0.9], embeddings=[RED])
            continue
        if missed:
            state[VELOCITY, resting] = 0.0
        state = motion.predict(state)
        if t in (8, 9, 10):
            missed += 1
            assert len(tracker.update([], [], embeddings=np.zeros((0, 2)))) == 0
            continue
        missed = 0
        state = motion.update(state, measured, motion.noise(state[VALUE]))
        answer = tracker.update([corners], [0.9], embeddings=[RED])
        if len(answer):
            shown.append(t)
            np.testing.assert_allclose(answer.boxes, motion.boxes(state[VALUE]).T, rtol=1e-6)
            assert answer.scores.tolist() == pytest.approx([0.9])
    assert shown[-11:] == [*range(2, 8), *range(11, 16)]


def test_looks_tell_who_of_the_new_ones_is_who() -> None:
    """BoT-SORT learns the look of a detection that begins a track."""
    tracker = BoTSort()
    see(tracker, 0.0, 20.0, looks=[RED, look(0.0)])
    assert see(tracker, 0.0, 20.0, score=0.8, looks=[look(0.0), RED]) == {0: 2, 1: 1}


def test_the_first_look_of_a_track_stays_in_the_paper_s_gallery() -> None:
    tracker = PaperTracker()
    for cosine in (1.0, 0.0, 0.0):
        see(tracker, 0.0, looks=[look(cosine)])
    for _ in range(3):
        see(tracker, looks=[])
    assert see(tracker, 0.0, looks=[RED]) == {0: 1}
