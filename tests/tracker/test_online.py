"""What the online tracker makes of its pairs: who is born, learnt, corrected, cut off and shown."""

from __future__ import annotations

import numpy as np
import pytest

from tracker import Tracks
from tracker.kalman import VALUE, VELOCITY, BoxFilter
from tracker.online import Online
from tracker.settings import Settings, Span
from tracker.types import Float

EAGER = Settings(evidence=0.0, faint=0.0)
"""Shows every track from its first detection on."""
STANDING = [300.0, 100.0, 370.0, 200.0]


def shown(tracks: Tracks) -> list[int]:
    """Detections that are a track's."""
    return sorted(tracks.detection[tracks.detection >= 0].tolist())


def turned(degrees: float) -> list[list[float]]:
    """A look so far from that of 0 degrees."""
    return [[float(np.cos(np.radians(degrees))), float(np.sin(np.radians(degrees)))]]


@pytest.mark.parametrize(
    ("left", "score", "born"),
    [
        # Shares 7 of its 70 columns with a nearer one: it stands in the open.
        (363.0, 0.5, True),
        (363.0, 0.49, False),
        (362.0, 0.54, False),
        (362.0, 0.55, True),
    ],
)
def test_what_is_covered_has_to_be_surer_to_start_a_track(
    left: float, score: float, born: bool
) -> None:
    nearer = [left, 100.0, left + 70.0, 201.0]
    covering = [left, 100.0, left + 70.0, 200.5]
    for box in (nearer, covering):
        assert (0 in shown(Online(EAGER).update([STANDING, box], [score, 0.9]))) == born
    aside = [left, 100.0, left + 70.0, 200.0]
    assert (0 in shown(Online(EAGER).update([STANDING, aside], [score, 0.9]))) == (score >= 0.5)


@pytest.mark.parametrize(("shift", "born"), [(30.0, False), (31.0, True)])
def test_a_second_box_of_somebody_starts_no_track(shift: float, born: bool) -> None:
    """Shifted by 30, boxes 70 wide have an IoU of 40 / 100."""
    tracker = Online(EAGER)
    tracker.update([STANDING], [0.9])
    double = [STANDING[0] + shift, 100.0, STANDING[2] + shift, 200.0]
    assert (1 in shown(tracker.update([STANDING, double], [0.9, 0.9]))) == born
    assert shown(Online(EAGER).update([STANDING, double], [0.9, 0.9])) == [0, 1]


@pytest.mark.parametrize(
    ("score", "bottom", "learnt"),
    [(0.5, 0.0, True), (0.49, 0.0, False), (0.9, 39.0, True), (0.9, 40.0, False)],
)
def test_what_is_clear_is_learnt(score: float, bottom: float, learnt: bool) -> None:
    """40 degrees are a distance of 0.23, 80 degrees one of 0.83."""
    tracker = Online(Settings(evidence=0.0, faint=0.0, ema=0.0, gate=1e4, birth_open=0.9))
    for _ in range(2):
        tracker.update([STANDING], [0.9], embeddings=turned(0))
    # Somebody nearer covers so many of its hundred rows.
    cover = [300.0, 200.0 - bottom, 370.0, 300.0]
    tracker.update([STANDING, cover], [score, 0.1], embeddings=turned(40) + turned(180))
    aside = [400.0, 100.0, 470.0, 200.0]
    again = tracker.update([aside], [0.8], embeddings=turned(80))
    assert (shown(again) == [0]) == learnt


def test_the_second_detection_is_learnt_however_faint() -> None:
    tracker = Online(Settings(evidence=0.0, faint=0.0, ema=0.0, gate=1e4, birth_open=0.9))
    tracker.update([STANDING], [0.9], embeddings=turned(0))
    tracker.update([STANDING], [0.3], embeddings=turned(40))
    aside = [400.0, 100.0, 470.0, 200.0]
    assert shown(tracker.update([aside], [0.8], embeddings=turned(80))) == [0]


def test_what_is_shown_lies_between_the_detection_and_the_filter() -> None:
    """Each box is the filter's and the detection's mean; surprises are smoothed the more."""
    motion = BoxFilter(position=1 / 20, velocity=1 / 120, depth=0.5, aspect=(0.05, 0.02, 1e-5))
    tracker = Online(EAGER)
    rng = np.random.default_rng(5)
    state: Float = np.zeros((5, 4, 0))
    for frame, score in enumerate([0.9, 0.5, 0.55, 0.4, 0.8]):
        box = np.array(STANDING) + 5.0 * frame + rng.uniform(-3, 3, 4)
        measured = motion.measure(box[:, None])
        if frame:
            state = motion.predict(state)
            noise = motion.noise(state[VALUE]) * (1 + 8 * max(0.6 - score, 0))
            state = motion.update(state, measured, noise)
            weight = np.array([[0.5], [0.8], [1.0], [0.8]])
            expected = motion.boxes(weight * state[VALUE] + (1 - weight) * measured)
        else:
            state, expected = motion.initiate(measured), box[:, None]
        answer = tracker.update([box], [score])
        np.testing.assert_allclose(answer.boxes, expected.T, rtol=1e-6)
        assert answer.scores.tolist() == pytest.approx([score])


def test_a_lost_track_moves_on_and_keeps_its_size() -> None:
    rule = Settings(evidence=0.0, faint=0.0, coast=Span(10, 0.0))
    motion, tracker = rule.filter, Online(rule)
    wall = [[0.0, 0.0, 2000.0, 30.0], [0.0, 900.0, 30.0, 1000.0]]
    for frame in range(8):
        box = [300.0 + 6 * frame, 100 - 2 * frame, 370 + 8 * frame, 200 + 4 * frame]
        tracker.update([box, *wall], [0.9] * 3)
    state = tracker._tracks[:20, :1].reshape(5, 4, 1)
    state = motion.predict(state)
    assert state[VELOCITY, 3] > 2
    places = []
    for _ in range(4):
        answer = tracker.update(wall, [0.9] * 2)
        assert answer.predicted.tolist() == [True, False, False]
        np.testing.assert_allclose(answer.boxes[:1], motion.boxes(state[VALUE]).T, rtol=1e-6)
        places.append(motion.measure(answer.boxes[:1].T.astype(float))[:, 0])
        state[VELOCITY, 2:] = 0.0
        state = motion.predict(state)
    steps = np.diff(places, axis=0)
    assert (steps[:, 0] > 5).all()
    np.testing.assert_allclose(steps[:, 2:], 0.0, atol=1e-3)


@pytest.mark.parametrize(
    ("before", "height", "hidden", "whole"),
    [
        (5, 89.0, 26, True),
        (5, 89.0, 24, False),
        (4, 89.0, 26, False),
        (5, 91.0, 26, False),
        (5, 51.0, 26, True),
        (5, 49.0, 26, False),
    ],
)
def test_a_box_that_is_cut_off_from_below_is_made_whole(
    before: int, height: float, hidden: int, whole: bool
) -> None:
    """``hidden`` of a hundred parts of the box, by the columns of one that is nearer."""
    tracker = Online(Settings(evidence=0.0, faint=0.0, overlap=0.3, birth_open=0.9, birth=0.9))
    for _ in range(before):
        tracker.update([STANDING], [0.95])
    x1, y1, x2, y2 = STANDING
    cut = [x1, y1, x2, y1 + height]
    cover = [x2 - 0.70 * hidden, y1, x2 + 200.0, y2 + 300.0]
    answer = tracker.update([cut, cover], [0.8, 0.1])
    assert shown(answer) == [0]
    box = answer.boxes[answer.detection == 0][0]
    if whole:
        np.testing.assert_allclose(box, STANDING, atol=1e-3)
    else:
        assert box[3] < y2 - 1


def frames_shown(tracker: Online, first: float, then: float) -> int:
    """Frames that a track is shown after the first, whose detections become fainter."""
    tracker.update([STANDING], [first])
    for frame in range(60):
        if not len(tracker.update([STANDING], [then])):
            return frame
    return 60


def test_a_track_that_grows_faint_is_hidden_when_its_mean_is() -> None:
    """0.2 + 0.7 x 0.9^n falls below 0.4 with n = 12."""
    assert frames_shown(Online(Settings(evidence=0.0, faint=0.4)), 0.9, 0.2) == 11
    assert frames_shown(Online(Settings(evidence=0.0, faint=0.5)), 0.5, 0.5) == 60


def test_frames_tell_how_large_the_image_is() -> None:
    """Who walks out of it is not shown on; without frames the farthest box tells."""
    picture = np.zeros((480, 640, 3), np.uint8)
    leaving = [[505.0 + 10 * t, 200.0, 565.0 + 10 * t, 300.0] for t in range(8)]
    wide = [1000.0, 600.0, 1040.0, 700.0]
    for frame, others, predicted in ((picture, [], 0), (None, [], 0), (None, [wide], 1)):
        tracker = Online(EAGER)
        for box in leaving:
            tracker.update([box, *others], [0.9] * (1 + len(others)), frame=frame)
        answer = tracker.update(others, [0.9] * len(others), frame=frame)
        assert answer.predicted.sum() == predicted


def test_ids_follow_each_other_in_the_order_of_confirmation() -> None:
    """One of 0.8 is confirmed at once, of 0.55 by its second detection."""
    tracker = Online(Settings())
    boxes = [[x, 100.0, x + 40.0, 200.0] for x in (100.0, 300.0, 500.0)]
    first = tracker.update(boxes, [0.55, 0.8, 0.79])
    assert (first.ids.tolist(), first.detection.tolist()) == ([1], [1])
    second = tracker.update(boxes, [0.55, 0.8, 0.79])
    assert dict(zip(second.detection.tolist(), second.ids.tolist(), strict=True)) == {
        0: 2,
        1: 1,
        2: 3,
    }


def test_a_lesson_leaves_nine_tenths_of_the_mean() -> None:
    tracker = Online(EAGER)
    for look in ([1.0, 0.0], [0.8, 0.6]):
        tracker.update([STANDING], [0.9], embeddings=[look])
    mean = np.array([0.98, 0.06])
    np.testing.assert_allclose(tracker._looks.means, [mean / np.hypot(*mean)], rtol=1e-6)


@pytest.mark.parametrize(("scores", "confirmed"), [([0.8], True), ([0.79], False)])
def test_a_detection_of_four_fifths_is_enough_and_so_are_two_that_are_less_sure(
    scores: list[float], confirmed: bool
) -> None:
    tracker = Online(Settings())
    assert bool(shown(tracker.update([STANDING], scores))) == confirmed
    assert shown(tracker.update([STANDING], [0.4])) == [0]
