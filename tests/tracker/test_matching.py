"""Which detection continues which track: every threshold of it, in scenes that are known by hand.

Boxes are 55 x 100 pixels: shifted by 13.75 they share an IoU of exactly 0.6, by 45 one of 0.1. A
new track's centre has a standard deviation of 10 pixels and its measurement one of 5, so that a
squared distance in x is shift² / 125.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tracker.found import detected
from tracker.looks import Looks
from tracker.matching import Pairs, Scene, match
from tracker.observation import observe
from tracker.overlap import surroundings
from tracker.settings import Settings
from tracker.table import MISSED, born
from tracker.types import Float

RULE = Settings()
RED, BLUE = [1.0, 0.0], [0.0, 1.0]


def alike(cosine: float) -> list[float]:
    """A look with this cosine to red."""
    return [cosine, float(np.sqrt(1 - cosine * cosine))]


def box(x: float, width: float = 55.0, height: float = 100.0) -> list[float]:
    return [x, 0.0, x + width, height]


def scene(
    tracks: list[list[float]],
    boxes: list[list[float]],
    *,
    scores: list[float] | None = None,
    missed: float = 1.0,
    classes: list[int] | None = None,
    embeddings: Any = None,
    age: float = 1.0,
    fps: float | None = None,
) -> Scene:
    """Tracks, red ones of class 0, where their boxes are, and what is detected."""
    motion = Settings().filter
    observation = observe(
        np.array(boxes, float),
        [0.9] * len(boxes) if scores is None else scores,
        classes,
        embeddings,
        width=len(RED),
    )
    expected = np.array(tracks, float).T.reshape(4, -1)
    state = motion.initiate(motion.measure(expected))
    count = expected.shape[1]
    table = born(state, np.full(count, 0.9), np.zeros(count, np.int64))
    table[MISSED] = missed - 1.0
    near, among, covered = surroundings(expected, observation.corners)
    looks = Looks()
    looks.append(count)
    looks.learn(np.arange(count), np.array([RED] * count, np.float32), 0.9)
    looks.grow_older(age)
    return Scene(
        tracks=table,
        state=state,
        noise=motion.noise(state[0]),
        missed=table[MISSED] + 1.0,
        covered=covered,
        near=near,
        among=among,
        looks=looks,
        observation=observation,
        measured=motion.measure(observation.corners),
        fps=fps,
    )


def partners(scene: Scene, rule: Settings = RULE) -> list[int]:
    """The detection of each track; what is free agrees with it."""
    pairs = match(scene, rule)
    taken = pairs.partner[pairs.partner >= 0]
    assert sorted(taken) == np.flatnonzero(~pairs.free).tolist()
    found: list[int] = pairs.partner.tolist()
    return found


@pytest.mark.parametrize(("shift", "partner"), [(78.0, 0), (80.0, -1), (-78.0, 0), (-80.0, -1)])
def test_looks_decide_inside_the_gate_of_motion(shift: float, partner: int) -> None:
    """78² / 125 is 48.7 and 80² / 125 is 51.2."""
    assert partners(scene([box(100)], [box(100 + shift)], embeddings=[RED])) == [partner]


@pytest.mark.parametrize(("cosine", "partner"), [(0.66, 0), (0.64, -1)])
def test_who_looks_too_different_is_another(cosine: float, partner: int) -> None:
    apart = scene([box(100)], [box(160)], embeddings=[alike(cosine)])
    assert partners(apart) == [partner]


def test_the_limits_of_looks_belong_to_what_is_allowed() -> None:
    apart = scene([box(100)], [box(160)], embeddings=[BLUE])
    assert partners(apart, replace(RULE, look_alike=1.0)) == [0]
    faint = scene([box(100)], [box(105)], scores=[0.2], embeddings=[BLUE])
    assert partners(faint, replace(RULE, veto=1.0)) == [0]


def test_looks_decide_who_of_two_it_is() -> None:
    other = scene([box(100)], [box(90), box(110)], embeddings=[alike(0.7), alike(0.9)])
    assert partners(other) == [1]


@pytest.mark.parametrize(("score", "partner"), [(0.4, 0), (0.39, -1)])
@pytest.mark.parametrize("embeddings", [None, [RED]])
def test_the_first_pass_is_for_confident_detections(
    score: float, partner: int, embeddings: Any
) -> None:
    """The track is too old for the second one."""
    late = scene([box(100)], [box(105)], scores=[score], missed=8, embeddings=embeddings)
    assert partners(late) == [partner]


@pytest.mark.parametrize(("shift", "partner"), [(34.0, 0), (35.0, -1)])
def test_without_looks_the_gate_is_narrow(shift: float, partner: int) -> None:
    """34² / 125 is 9.25, 35² / 125 is 9.8, and the limit 9.49."""
    late = scene([box(100, width=400)], [box(100 + shift, width=400)], missed=8)
    assert partners(late) == [partner]


@pytest.mark.parametrize(("width", "partner"), [(51.0, 0), (50.0, -1)])
def test_without_looks_boxes_have_to_touch(width: float, partner: int) -> None:
    """Shifted by 34, boxes 51 wide have an IoU of 17 / 85, which is 0.2."""
    late = scene([box(100, width)], [box(134, width)], missed=8)
    assert partners(late) == [partner]


@pytest.mark.parametrize(("missed", "partner"), [(30, 0), (31, -1)])
def test_without_looks_the_memory_is_short(missed: float, partner: int) -> None:
    assert partners(scene([box(100)], [box(101)], missed=missed)) == [partner]


def test_without_looks_the_nearer_one_is_taken() -> None:
    assert partners(scene([box(100)], [box(120), box(110)])) == [1]
    assert partners(scene([box(100)], [box(110), box(120)])) == [0]


@pytest.mark.parametrize(
    ("score", "missed", "width", "partner"),
    [
        (0.1, 1, 51, 0),
        (0.09, 1, 51, -1),
        (0.3, 4, 51, 0),
        (0.3, 5, 51, -1),
        (0.3, 1, 50, -1),
    ],
)
def test_what_is_faint_continues_who_was_seen_lately_where_they_overlap(
    score: float, missed: float, width: float, partner: int
) -> None:
    """Shifted by 17, boxes 51 wide have an IoU of 34 / 68, which is 0.5."""
    faint = scene([box(100, width)], [box(117, width)], scores=[score], missed=missed)
    assert partners(faint) == [partner]


def test_of_two_faint_ones_the_nearer_is_taken() -> None:
    faint = scene([box(100)], [box(115), box(110)], scores=[0.2, 0.2])
    assert partners(faint) == [1]


@pytest.mark.parametrize(("cosine", "partner"), [(0.66, 0), (0.64, -1)])
def test_looks_may_speak_against_what_is_faint(cosine: float, partner: int) -> None:
    faint = scene([box(100)], [box(105)], scores=[0.2], embeddings=[alike(cosine)])
    assert partners(faint) == [partner]


@pytest.mark.parametrize(
    ("covered", "shift", "partner"), [(0.6, 13.75, 0), (0.59, 13.75, -1), (0.6, 14.0, -1)]
)
def test_what_is_mostly_hidden_looks_like_its_cover(
    covered: float, shift: float, partner: int
) -> None:
    faint = scene([box(100)], [box(100 + shift)], scores=[0.2], embeddings=[BLUE])
    faint = replace(faint, covered=np.array([covered]))
    assert partners(faint) == [partner]


def asked(tracks: list[list[float]], boxes: list[list[float]], **more: Any) -> list[int]:
    """Detections whose looks are asked for, all of them red."""
    rows: list[int] = []

    def embed(wanted: NDArray[np.int64]) -> Float:
        rows.extend(wanted.tolist())
        return np.array([RED] * len(wanted))

    match(scene(tracks, boxes, embeddings=embed, **more), RULE)
    return rows


@pytest.mark.parametrize(("shift", "obvious"), [(13.75, True), (14.0, False)])
def test_an_obvious_pair_is_not_compared(shift: float, obvious: bool) -> None:
    assert (asked([box(100)], [box(100 + shift)]) == []) == obvious


@pytest.mark.parametrize(
    ("rival", "score", "obvious"),
    [(36.6, 0.9, False), (36.7, 0.9, True), (36.6, 0.4, False), (36.6, 0.39, True)],
)
def test_a_confident_rival_makes_it_unclear(rival: float, score: float, obvious: bool) -> None:
    """Shifted by 36.67, boxes 55 wide have an IoU of 0.2."""
    both = [box(100), box(100 + rival)]
    assert (asked([box(100)], both, scores=[0.9, score]) == []) == obvious


@pytest.mark.parametrize(("rival", "obvious"), [(36.6, False), (36.7, True)])
def test_so_does_another_track(rival: float, obvious: bool) -> None:
    assert (asked([box(100), box(100 + rival)], [box(100)]) == []) == obvious


def test_a_track_that_was_lost_is_compared() -> None:
    assert asked([box(100)], [box(100)], missed=2) == [0]


@pytest.mark.parametrize(("age", "rows"), [(4.0, []), (5.0, [0])])
def test_looks_that_are_old_are_compared_and_learnt_anew(age: float, rows: list[int]) -> None:
    assert asked([box(100)], [box(100)], age=age) == rows


def test_looks_that_are_there_are_always_compared() -> None:
    assert partners(scene([box(100)], [box(100)], embeddings=[BLUE])) == [-1]
    there = scene([box(100)], [box(100)], embeddings=lambda rows: [BLUE] * len(rows))
    assert partners(there) == [0]
    appearance = there.observation.appearance
    assert appearance is not None
    appearance.rows(np.array([0]))
    assert partners(there) == [-1]


@pytest.mark.parametrize("embeddings", [None, [RED]])
@pytest.mark.parametrize(("score", "shift"), [(0.9, 5.0), (0.2, 5.0)])
def test_per_class_pairs_only_the_same(embeddings: Any, score: float, shift: float) -> None:
    rule = replace(RULE, per_class=True)
    for kind, partner in ((0, 0), (3, -1)):
        one = scene(
            [box(100)], [box(100 + shift)], scores=[score], classes=[kind], embeddings=embeddings
        )
        assert partners(one, rule) == [partner]
        assert partners(one) == [0]


def test_per_class_by_looks_alone_takes_the_one_of_the_class() -> None:
    boxes, looks = [box(160), box(165)], [RED, alike(0.8)]
    far = scene([box(100)], boxes, classes=[3, 0], embeddings=looks)
    assert partners(far) == [0]
    assert partners(far, replace(RULE, per_class=True)) == [1]


@pytest.mark.parametrize(("tracks", "boxes"), [([], [box(1)]), ([box(1)], []), ([], [])])
def test_of_nothing_there_are_no_pairs(tracks: list[list[float]], boxes: list[list[float]]) -> None:
    assert partners(scene(tracks, boxes)) == [-1] * len(tracks)


def test_what_is_found_is_noted_in_the_order_of_the_tracks() -> None:
    boxes = [box(100), box(200), box(300)]
    one = scene([box(0)] * 4, boxes, scores=[0.9, 0.5, 0.6], classes=[4, 5, 6])
    one = replace(one, covered=np.array([0.25, 0.0, 0.5]))
    pairs = Pairs(4, 3)
    pairs.add(np.array([0, 1, 3]), np.array([2, 0, 1]))
    found = detected(one, pairs, RULE)
    assert found.paired.tolist() == [True, True, False, True]
    np.testing.assert_array_equal(found.measured[:, found.paired], one.measured[:, [2, 0, 1]])
    assert found.measured[:, 2].tolist() == [0.0] * 4
    # 1 + 8 x (what is hidden + what 0.6 is above the score).
    np.testing.assert_allclose(found.doubt, [5.0, 3.0, np.inf, 1.8])
    assert found.hidden.tolist() == [0.5, 0.25, 0.0, 0.0]
    assert found.classes.tolist() == [6.0, 4.0, 0.0, 5.0]
    # Missed no frame, the score, a tenth of it, one hit, and what it is beyond doubt.
    expected = np.zeros((4, 5))
    expected[[0, 1, 3]] = [[0, 0.6, 0.06, 1, 0.3], [0, 0.9, 0.09, 1, 0.6], [0, 0.5, 0.05, 1, 0.2]]
    np.testing.assert_allclose(found.record.T, expected, atol=1e-12)


def test_spans_are_seconds_at_fifty_frames_a_second() -> None:
    """A fifth of a second is ten frames, 1.2 seconds are sixty."""
    for age, rows in ((9.0, []), (10.0, [0])):
        assert asked([box(100)], [box(100)], age=age, fps=50.0) == rows
    for missed, partner in ((9.0, 0), (10.0, -1)):
        faint = scene([box(100)], [box(100)], scores=[0.2], missed=missed, fps=50.0)
        assert partners(faint) == [partner]
    for missed, partner in ((60.0, 0), (61.0, -1)):
        assert partners(scene([box(100)], [box(100)], missed=missed, fps=50.0)) == [partner]
