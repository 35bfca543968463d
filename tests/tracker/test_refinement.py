"""Which tracks and boxes refinement keeps: each threshold, with values that are known by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tracker.linking import Linking
from tracker.refinement import Refinement, assemble, share_inside, shown
from tracker.smoothing import Trajectories
from tracker.tracklets import NOBODY, Observations

LENIENT = Refinement(seen=1, density=0.0, confidence=0.0, evidence=-99.0, piece=1, faint=0.0)
"""Keeps everything but what a test is about."""


def standing(
    frames: list[int], score: float = 0.9, scores: list[float] | None = None
) -> Observations:
    """One who stands, in some frames."""
    return Observations(
        np.array(frames),
        np.tile([300.0, 100.0, 340.0, 200.0], (len(frames), 1)),
        np.array(scores or [score] * len(frames)),
        np.zeros(len(frames), np.int64),
        None,
    )


def owners(found: Observations, rule: Refinement, owner: list[int] | None = None) -> list[int]:
    """Owners of one track's observations after it, in an image of 640 x 480."""
    first = np.array(owner or [0] * len(found))
    last: list[int] = assemble(found, first, rule, (640.0, 480.0)).tolist()
    return last


@pytest.mark.parametrize(
    ("rule", "frames", "score", "kept"),
    [
        (replace(LENIENT, seen=6), [1, 2, 3, 4, 5, 6], 0.9, True),
        (replace(LENIENT, seen=6), [1, 2, 3, 4, 5], 0.9, False),
        (replace(LENIENT, density=0.5), [1, 2, 5, 6], 0.9, True),
        (replace(LENIENT, density=0.5), [1, 2, 5, 7], 0.9, True),
        (replace(LENIENT, density=0.5), [1, 2, 5, 9], 0.9, False),
        (replace(LENIENT, confidence=0.5), [1, 2, 3, 4], 0.5, True),
        (replace(LENIENT, confidence=0.5), [1, 2, 3, 4], 0.49, False),
        (replace(LENIENT, evidence=1.0, doubt=0.25), [1, 2, 3, 4], 0.5, True),
        (replace(LENIENT, evidence=1.0, doubt=0.25), [1, 2, 3], 0.5, False),
        (replace(LENIENT, evidence=1.0, doubt=0.25), [1, 2, 3, 4], 0.49, False),
        (replace(LENIENT, piece=3), [1, 2, 3], 0.9, True),
        (replace(LENIENT, piece=3), [1, 2], 0.9, False),
        (replace(LENIENT, faint=0.5), [1, 2, 3], 0.5, True),
    ],
)
def test_a_track_needs_substance(
    rule: Refinement, frames: list[int], score: float, kept: bool
) -> None:
    assert owners(standing(frames, score), rule) == [0 if kept else NOBODY] * len(frames)


def test_by_default_six_sure_or_many_unsure_detections_are_enough() -> None:
    """Six of 0.81 are an evidence of 3.06, six of 0.79 one of 2.94."""
    rule = Refinement()
    six, five = [*range(1, 7)], [*range(1, 6)]
    assert owners(standing(six, 0.81), rule) == [0] * 6
    assert owners(standing(six, 0.79), rule) == [NOBODY] * 6
    assert owners(standing(five, 0.95), rule) == [NOBODY] * 5
    assert owners(standing([*range(1, 21)], 0.5), rule) == [0] * 20
    assert owners(standing([*range(1, 21)], 0.49), rule) == [NOBODY] * 20


def test_what_is_faint_belongs_to_nobody_until_it_is_claimed() -> None:
    found = standing([1, 2, 3, 4, 5, 6, 7, 8], scores=[0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.05, 0.9])
    assert owners(found, replace(LENIENT, faint=Refinement().faint)) == [0] * 6 + [NOBODY] + [0]
    # Clutter alone never becomes a track.
    assert (
        owners(standing([1, 2, 3, 4], 0.19), replace(LENIENT, faint=Refinement().faint))
        == [NOBODY] * 4
    )
    assert (
        owners(standing([1, 2, 3, 4], 0.2), replace(LENIENT, faint=Refinement().faint)) == [0] * 4
    )


@pytest.mark.parametrize(("gap", "pieces"), [(12, 1), (13, 2)])
def test_a_long_time_unseen_cuts_a_track(gap: int, pieces: int) -> None:
    """And without rounds of linking it stays cut."""
    frames = [*range(1, 11), *range(11 + gap, 21 + gap)]
    rule = replace(LENIENT, linking=Linking(rounds=0))
    assert len(set(owners(standing(frames), rule))) == pieces
    assert len(set(owners(standing(frames), replace(rule, linking=Linking())))) == 1


def unlike_one_by_one(pieces: int) -> NDArray[np.float32]:
    """Looks of pieces: each is like the mean of those before it, and too unlike any of them."""
    apart = np.sqrt(1 - 0.705**2)
    looks = [np.eye(pieces)[0], 0.72 * np.eye(pieces)[0] + np.sqrt(1 - 0.72**2) * np.eye(pieces)[1]]
    for new in range(2, pieces):
        mean = np.mean(looks, axis=0)
        looks.append(0.705 * mean / np.linalg.norm(mean) + apart * np.eye(pieces)[new])
    return np.array(looks, np.float32)


@pytest.mark.parametrize(("rounds", "tracks"), [(0, 5), (1, 4), (2, 3), (3, 2), (None, 2)])
def test_each_round_links_what_is_like_the_chains_of_the_one_before(
    rounds: int | None, tracks: int
) -> None:
    """And by default there are three."""
    piece = np.repeat(np.arange(5), 10)
    frames = np.arange(50) + 15 * piece
    found = replace(standing(frames.tolist()), embeddings=unlike_one_by_one(5)[piece])
    linking = Linking() if rounds is None else Linking(rounds=rounds)
    owner = owners(found, replace(LENIENT, linking=linking), piece.tolist())
    assert owner == np.maximum(piece - (5 - tracks), 0).tolist()


def test_nothing_stays_nothing() -> None:
    assert owners(standing([1, 2, 3]), LENIENT, [NOBODY] * 3) == [NOBODY] * 3


def gap_of(frames: int, moved: float, heights: tuple[float, float] = (100.0, 100.0)) -> list[bool]:
    """What is shown of a track with one gap, over which its centre moves by some pixels."""
    count, x = frames + 2, np.linspace(0.0, moved, frames + 2)
    height = np.linspace(*heights, count)
    boxes = np.column_stack((x, 200 - height / 2, x + 40, 200 + height / 2))
    source = np.full(count, -1)
    source[[0, -1]] = 0, 1
    path = Trajectories(np.arange(count), np.zeros(count, np.int64), boxes, source)
    visible: list[bool] = shown(path, Refinement()).tolist()
    return visible


@pytest.mark.parametrize(
    ("frames", "moved", "filled"),
    [(30, 400.0, True), (31, 400.0, False), (90, 50.0, True), (90, 51.0, False)],
)
def test_a_gap_is_filled_if_it_is_short_or_was_stood_through(
    frames: int, moved: float, filled: bool
) -> None:
    assert gap_of(frames, moved) == [True] + [filled] * frames + [True]


def test_the_smaller_of_two_heights_tells_how_far_he_went() -> None:
    for heights in ((100.0, 80.0), (80.0, 100.0)):
        assert gap_of(40, 40.0, heights)[1]
        assert not gap_of(40, 41.0, heights)[1]


def test_every_gap_is_looked_at_for_itself() -> None:
    frames = np.array([*range(1, 40), *range(1, 5)])
    ids = np.array([0] * 39 + [1] * 4)
    x = np.where(ids == 0, 20.0 * frames, 900.0)
    boxes = np.column_stack((x, 0 * x, x + 40, 0 * x + 100))
    source = np.full(43, -1)
    source[[0, 1, 34, 38, 39, 42]] = range(6)
    seen = shown(Trajectories(frames, ids, boxes, source), Refinement())
    # 32 frames of the first track are too many; three are not, nor are two of the second.
    assert np.flatnonzero(~seen).tolist() == [*range(2, 34)]


@pytest.mark.parametrize(
    ("box", "share"),
    [
        ((0, 0, 100, 50), 1.0),
        ((-25, 0, 75, 100), 0.75),
        ((600, 100, 680, 200), 0.5),
        ((0, -90, 50, 10), 0.1),
        ((100, 450, 200, 510), 0.5),
        ((-50, -50, 50, 50), 0.25),
        ((700, 0, 800, 100), 0.0),
    ],
)
def test_share_of_a_box_within_the_image(
    box: tuple[float, float, float, float], share: float
) -> None:
    assert share_inside(np.array([box], float), (640.0, 480.0)).tolist() == [share]


def test_spans_of_time_grow_with_the_frame_rate_above_25() -> None:
    rule = Refinement(cut=12, fill=30, linking=Linking(max_gap=120, blind_gap=30, tail=10))
    assert rule.at(None) is rule
    assert rule.at(25.0) is rule
    assert rule.at(10.0) is rule
    twice = rule.at(50.0)
    assert (twice.cut, twice.fill) == (24, 60)
    assert twice.linking == replace(
        rule.linking, max_gap=240, blind_gap=60, left=6, tail=20, ahead=30, drift=0.03
    )
    assert replace(twice, cut=12, fill=30, linking=rule.linking) == rule
