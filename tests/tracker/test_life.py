"""The life of a track: when it is confirmed, shown without a detection, remembered, forgotten."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tracker.life import confirmed_now, fate, outside
from tracker.settings import Settings, Span
from tracker.table import EVIDENCE, HITS, ID, MISSED, Table, born
from tracker.types import Float

SIZE = (640.0, 480.0)
RULE = Settings(
    coast=Span(4, 0.0),
    coast_hidden=Span(10, 0.0),
    coast_hits=5,
    memory=Span(20, 0.0),
    left=Span(3, 0.0),
    evidence=0.5,
)
STANDING = (300.0, 200.0, 340.0, 300.0)
NEARER = (290.0, 240.0, 350.0, 340.0)
"""Covers more than half of the one above."""


def tracks(*missed: float, hits: float = 5, identity: float = 1) -> Table:
    table = born(np.zeros((5, 4, len(missed))), np.full(len(missed), 0.9), np.zeros(1, np.int64))
    table[MISSED], table[HITS], table[ID] = missed, hits, identity
    return table


def places(*boxes: tuple[float, float, float, float]) -> Float:
    return np.array(boxes, np.float64).T


def lost(
    table: Table, boxes: Float, rule: Settings = RULE, fps: float | None = None
) -> tuple[list[bool], list[bool]]:
    """Whether the first track is known and alive."""
    rows: NDArray[np.int64] = np.array([0])
    known, alive = fate(table, boxes, rows, SIZE, rule, fps)
    return known.tolist(), alive.tolist()


def test_a_tentative_track_is_confirmed_by_enough_evidence() -> None:
    table = tracks(0, 0, 0, identity=0)
    table[EVIDENCE] = [0.49, 0.5, 0.9]
    table[ID, 2] = 7
    assert confirmed_now(table, RULE).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("box", "out"),
    [
        ((0, 0, 640, 480), False),
        ((-1, 100, 39, 200), True),
        ((601, 100, 641, 200), True),
        ((10, -50, 50, 50), False),
        ((10, -52, 50, 50), True),
        ((10, 430, 50, 530), False),
        ((10, 430, 50, 532), True),
    ],
)
def test_outside_is_across_a_side_or_with_the_middle_above_or_below(
    box: tuple[float, float, float, float], out: bool
) -> None:
    assert outside(places(box), SIZE).tolist() == [out]


@pytest.mark.parametrize(("missed", "known"), [(4, True), (5, False)])
def test_a_lost_track_is_shown_for_some_frames(missed: float, known: bool) -> None:
    assert lost(tracks(missed), places(STANDING)) == ([known], [True])


@pytest.mark.parametrize(("hits", "known"), [(5, True), (4, False)])
def test_only_a_track_with_some_detections_is_shown_without_one(hits: float, known: bool) -> None:
    assert lost(tracks(1, hits=hits), places(STANDING)) == ([known], [True])


@pytest.mark.parametrize(("missed", "known"), [(5, True), (10, True), (11, False)])
def test_behind_a_nearer_track_it_is_shown_for_longer(missed: float, known: bool) -> None:
    assert lost(tracks(missed, 0), places(STANDING, NEARER)) == ([known], [True])


@pytest.mark.parametrize(("cover", "identity"), [(1.0, 1.0), (0.0, 0.0)])
def test_only_who_is_seen_and_confirmed_hides_another(cover: float, identity: float) -> None:
    table = tracks(6, cover)
    table[ID, 1] = identity
    assert lost(table, places(STANDING, NEARER))[0] == [False]


def test_who_is_hidden_to_less_than_a_half_is_not_shown_for_longer() -> None:
    assert lost(tracks(6, 0), places(STANDING, (290.0, 251.0, 350.0, 340.0)))[0] == [False]
    assert lost(tracks(6, 0), places(STANDING, (290.0, 250.0, 350.0, 340.0)))[0] == [True]


@pytest.mark.parametrize(("missed", "alive"), [(20, True), (21, False)])
def test_a_track_is_remembered_for_some_frames(missed: float, alive: bool) -> None:
    assert lost(tracks(missed), places(STANDING)) == ([False], [alive])


def test_a_tentative_track_is_not_remembered() -> None:
    assert lost(tracks(1, identity=0), places(STANDING))[1] == [False]


@pytest.mark.parametrize(("missed", "alive"), [(3, True), (4, False)])
def test_who_left_the_image_is_forgotten_soon(missed: float, alive: bool) -> None:
    gone = places((-30.0, 200.0, 10.0, 300.0))
    assert lost(tracks(missed), gone) == ([False], [alive])
    assert lost(tracks(missed), gone, Settings(reenter=True, memory=Span(20, 0))) == (
        [False],
        [True],
    )


def test_spans_are_in_seconds_at_high_frame_rates() -> None:
    rule = Settings(coast=Span(4, 0.2), memory=Span(20, 1.0), coast_hits=5)
    assert lost(tracks(10), places(STANDING), rule, fps=50.0) == ([True], [True])
    assert lost(tracks(11), places(STANDING), rule, fps=50.0) == ([False], [True])
    assert lost(tracks(51), places(STANDING), rule, fps=50.0) == ([False], [False])
    assert Span(4, 0.2).at(10.0) == Span(4, 0.2).at(None) == 4


@pytest.mark.parametrize(
    ("fps", "coast", "hidden", "memory", "left"), [(None, 4, 10, 120, 3), (50.0, 8, 20, 240, 6)]
)
def test_spans_of_the_defaults(
    fps: float | None, coast: float, hidden: float, memory: float, left: float
) -> None:
    rule, gone = Settings(), places((-30.0, 200.0, 10.0, 300.0))
    for more, there in ((0, True), (1, False)):
        assert lost(tracks(coast + more), places(STANDING), rule, fps)[0] == [there]
        behind = lost(tracks(hidden + more, 0), places(STANDING, NEARER), rule, fps)
        assert behind[0] == [there]
        assert lost(tracks(memory + more), places(STANDING), rule, fps)[1] == [there]
        assert lost(tracks(left + more), gone, rule, fps)[1] == [there]
    for hits, known in ((5, True), (4, False)):
        assert lost(tracks(1, hits=hits), places(STANDING), rule)[0] == [known]
