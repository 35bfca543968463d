"""Counting of tracks that were made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.counting.counts import FORGET_SECONDS, LEFT_SECONDS, Anchor, Counter
from service.counting.regions import Line, Zone
from tests.service.walks import HEIGHT, MARGIN, NAMES, Where, tracks, walk

GATE = ((0.0, 50.0), (100.0, 50.0))
LONG = ((-1000.0, 50.0), (1000.0, 50.0))
ABOVE, BELOW = (30.0, 40.0), (30.0, 60.0)
HALL = ((20.0, 20.0), (80.0, 20.0), (80.0, 80.0), (20.0, 80.0))
INSIDE, OUTSIDE = (50.0, 50.0), (5.0, 50.0)


def gate(ends: tuple[Where, Where] = GATE, anchor: Anchor = Anchor.FOOT) -> Counter:
    return Counter([Line("gate", *np.array(ends))], [], anchor)


def hall() -> Counter:
    return Counter([], [Zone("hall", np.array(HALL))])


def crossings(counter: Counter) -> tuple[int, int]:
    counts = counter.totals()["lines"]["gate"]
    return counts["a_to_b"], counts["b_to_a"]


def test_a_crossing_is_counted_once_with_its_direction_class_and_track() -> None:
    counter = gate()
    events = walk(counter, [ABOVE, (30, 45), (30, 55), BELOW, (30, 90)], class_id=1)
    assert events == [
        {"line": "gate", "direction": "a_to_b", "track_id": 1, "class": 1, "name": "car"}
    ]
    assert counter.totals()["lines"]["gate"] == {
        "a_to_b": 1,
        "b_to_a": 0,
        "classes": {"car": {"a_to_b": 1, "b_to_a": 0}},
    }
    walk(counter, [BELOW, ABOVE])
    assert crossings(counter) == (1, 1)


def test_a_track_that_trembles_on_the_line_is_counted_once() -> None:
    counter = gate()
    on_it = [(30.0, 50.0 + share * MARGIN) for share in (0.9, -0.9, 0.0, 0.9, -0.4) * 10]
    walk(counter, [ABOVE, *on_it])
    assert crossings(counter) == (0, 0)
    walk(counter, [ABOVE, *on_it, BELOW, *on_it, BELOW])
    assert crossings(counter) == (1, 0)


def test_a_track_that_begins_on_the_line_has_come_from_no_side() -> None:
    counter = gate()
    walk(counter, [(30, 50.0 - MARGIN / 2), BELOW])
    assert crossings(counter) == (0, 0)


def test_who_walks_around_the_end_of_the_line_has_not_crossed_it() -> None:
    counter = gate()
    walk(counter, [(90, 40), (120, 40), (120, 60), (90, 60)])
    assert crossings(counter) == (0, 0)


def test_a_line_is_crossed_where_nobody_looked() -> None:
    counter = gate()
    walk(counter, [ABOVE, None, None, BELOW])
    assert crossings(counter) == (1, 0)


def test_who_comes_back_after_long_is_not_said_to_have_crossed() -> None:
    counter = gate()
    walk(counter, [ABOVE, None, BELOW], step=FORGET_SECONDS)
    assert crossings(counter) == (0, 0)


def test_a_predicted_box_crosses_nothing() -> None:
    counter = gate()
    counter.update(tracks({1: ABOVE}), NAMES, 0.0)
    assert not counter.update(tracks({1: BELOW}, predicted=[1]), NAMES, 0.1)
    assert not counter.update(tracks({1: ABOVE}), NAMES, 0.2)


def test_the_anchor_decides_what_crosses() -> None:
    # Feet go from 10 px above the line to 5 px below; the centre stays above.
    feet = [(30.0, 40.0), (30.0, 55.0)]
    by_foot, by_centre = gate(), gate(anchor=Anchor.CENTRE)
    walk(by_foot, feet)
    walk(by_centre, feet)
    assert (crossings(by_foot), crossings(by_centre)) == ((1, 0), (0, 0))
    walk(by_centre, [*feet, (30, 55 + HEIGHT / 2)])
    assert crossings(by_centre) == (1, 0)


PATH = st.lists(st.tuples(st.integers(-40, 140), st.integers(0, 100)), max_size=40)


@given(PATH)
def test_back_and_forth_nets_out_to_where_it_ends(path: list[tuple[int, int]]) -> None:
    counter = gate(LONG)
    walk(counter, [ABOVE, *path])
    a_to_b, b_to_a = crossings(counter)
    walk(counter, [*path[-1:], ABOVE])
    home = crossings(counter)
    assert home[0] == home[1] == a_to_b
    assert a_to_b - b_to_a in (0, 1)


@given(PATH)
def test_a_line_drawn_the_other_way_swaps_the_directions(path: list[tuple[int, int]]) -> None:
    one, other = gate(GATE), gate((GATE[1], GATE[0]))
    walk(one, path)
    walk(other, path)
    assert crossings(one) == crossings(other)[::-1]


def test_a_visit_has_an_entrance_an_exit_and_a_dwell() -> None:
    counter = hall()
    events = walk(counter, [OUTSIDE, INSIDE, INSIDE, (60, 60), OUTSIDE, OUTSIDE], step=0.5)
    who = {"track_id": 1, "class": 0, "name": "person"}
    assert events == [
        {"zone": "hall", "event": "entered", **who},
        {"zone": "hall", "event": "left", **who, "dwell_s": 1.5},
    ]
    numbers = {"occupancy": 0, "entered": 1, "left": 1, "dwell_s": {"mean": 1.5, "max": 1.5}}
    assert counter.totals()["zones"]["hall"] == {
        **numbers,
        "inside": [],
        "classes": {"person": numbers},
    }


def test_dwell_is_of_those_who_left_and_those_who_are_there() -> None:
    counter = hall()
    for number in range(5):
        feet = {1: INSIDE if number < 3 else OUTSIDE, 2: (40.0, 40.0)}
        counter.update(tracks(feet), NAMES, float(number))
    zone = counter.totals()["zones"]["hall"]
    assert zone["dwell_s"] == {"mean": 3.5, "max": 4.0}
    assert zone["inside"] == [{"track_id": 2, "class": 0, "name": "person", "dwell_s": 4.0}]


def test_nobody_visited_has_no_dwell() -> None:
    counter = hall()
    assert not walk(counter, [None, OUTSIDE])
    assert counter.totals()["zones"]["hall"]["dwell_s"] == {"mean": None, "max": None}


def test_a_track_that_trembles_on_the_border_has_entered_once() -> None:
    on_it = [(20.0 + share * MARGIN, 50.0) for share in (0.9, -0.9) * 20]
    events = walk(hall(), [OUTSIDE, *on_it])
    assert [event["event"] for event in events] == ["entered"]


def test_a_predicted_box_stays_in_the_zone() -> None:
    counter = hall()
    counter.update(tracks({1: INSIDE}), NAMES, 0.0)
    assert not counter.update(tracks({1: OUTSIDE}, predicted=[1]), NAMES, LEFT_SECONDS + 1)
    assert counter.totals()["zones"]["hall"]["inside"][0]["dwell_s"] == LEFT_SECONDS + 1


def test_who_is_gone_from_the_picture_has_left_when_it_was_seen_last() -> None:
    counter = hall()
    events = walk(counter, [INSIDE, INSIDE, None, INSIDE, None, None, None, None], step=1.0)
    assert [(event["event"], event.get("dwell_s")) for event in events] == [
        ("entered", None),
        ("left", 3.0),
    ]


CROWD = st.lists(
    st.dictionaries(st.integers(1, 5), st.tuples(st.integers(0, 100), st.integers(0, 100))),
    max_size=40,
)


@given(CROWD)
def test_those_inside_are_those_who_entered_and_did_not_leave(
    frames: list[dict[int, tuple[int, int]]],
) -> None:
    counter = hall()
    entered, left = 0, 0
    for number, feet in enumerate(frames):
        events = counter.update(tracks(feet), NAMES, number * 0.7)
        entered += sum(event["event"] == "entered" for event in events)
        left += sum(event["event"] == "left" for event in events)
        zone = counter.totals()["zones"]["hall"]
        assert (zone["entered"], zone["left"]) == (entered, left)
        assert zone["occupancy"] == len(zone["inside"]) == entered - left


@pytest.mark.parametrize("count", [0, 3])
def test_any_number_of_lines_and_zones_is_counted_by_name(count: int) -> None:
    names = [str(number) for number in range(count)]
    counter = Counter(
        [Line(name, *np.array(GATE)) for name in names],
        [Zone(name, np.array(HALL)) for name in names],
    )
    walk(counter, [ABOVE, BELOW])
    totals = counter.totals()
    assert list(totals["lines"]) == list(totals["zones"]) == names
    assert all(line["a_to_b"] == 1 for line in totals["lines"].values())
