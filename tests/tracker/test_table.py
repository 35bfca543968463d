"""The table of tracks: what a new one knows, and the vote for its class."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.table import (
    CLASS,
    CONFIDENCE,
    EVIDENCE,
    HITS,
    ID,
    LEAD,
    MISSED,
    SCORE,
    born,
    empty,
    states,
    vote,
)


def counted(votes: list[tuple[int, float]]) -> tuple[float, float]:
    """Leader and lead of one track after some votes."""
    leader, lead = np.array([votes[0][0]], np.float64), np.array([votes[0][1]])
    for kind, weight in votes[1:]:
        vote(leader, lead, np.array([kind]), np.array([weight]))
    return float(leader[0]), float(lead[0])


def test_a_new_track_knows_its_first_detection_and_nothing_else() -> None:
    state = np.arange(40.0).reshape(5, 4, 2)
    tracks = born(state, np.array([0.9, 0.4]), np.array([2, 7]))
    np.testing.assert_array_equal(states(tracks), state)
    for row in (SCORE, CONFIDENCE, LEAD):
        assert tracks[row].tolist() == [0.9, 0.4]
    assert tracks[CLASS].tolist() == [2, 7]
    assert tracks[HITS].tolist() == [1, 1]
    for row in (ID, MISSED, EVIDENCE):
        assert tracks[row].tolist() == [0, 0]
    assert empty().shape == (len(tracks), 0)


@pytest.mark.parametrize(
    ("votes", "leader", "lead"),
    [
        ([(2, 0.5), (2, 0.25)], 2, 0.75),
        ([(2, 0.5), (7, 0.25)], 2, 0.25),
        ([(2, 0.5), (7, 0.5)], 2, 0.0),
        ([(2, 0.5), (7, 0.75)], 7, 0.25),
        ([(2, 0.5), (7, 0.0)], 2, 0.5),
    ],
)
def test_votes_are_counted_against_the_lead(
    votes: list[tuple[int, float]], leader: int, lead: float
) -> None:
    assert counted(votes) == (leader, lead)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), min_size=1, max_size=20))
def test_who_has_more_than_half_of_the_weight_wins(votes: list[tuple[int, int]]) -> None:
    weight = [sum(w for kind, w in votes if kind == k) for k in range(4)]
    if 2 * max(weight) > sum(weight):
        assert counted([(k, float(w)) for k, w in votes])[0] == weight.index(max(weight))
