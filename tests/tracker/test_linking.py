"""Which pieces are linked: in time, in reach, alike, of one class, and not through the border."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tracker.linking import Linking, leaving, link
from tracker.smoothing import Trajectories
from tracker.types import Embeddings

RULE = Linking(
    max_gap=20,
    blind_gap=10,
    look_alike=0.3,
    slack=0.5,
    drift=0.0,
    growth=0.5,
    tail=5,
    ahead=15,
    left=3,
)
LEFT, UP, NEAR_LEFT = [1.0, 0.0], [0.0, 1.0], [0.8, 0.6]


def pieces(*walks: tuple[range, float, float], height: float = 100.0) -> Trajectories:
    """Pieces as frames, x of the centre at the first frame, and speed."""
    frames = np.concatenate([np.array(walk[0]) for walk in walks])
    ids = np.repeat(np.arange(len(walks)), [len(walk[0]) for walk in walks])
    x = np.concatenate([start + speed * (np.array(f) - f[0]) for f, start, speed in walks])
    boxes = np.column_stack((x - 20, np.full(len(x), 200.0), x + 20, np.full(len(x), 200 + height)))
    return Trajectories(frames, ids, boxes, np.arange(len(x)))


def linked(
    tracks: Trajectories,
    looks: list[list[float]] | None = None,
    rule: Linking = RULE,
    classes: list[int] | None = None,
    out: tuple[NDArray[np.bool_], NDArray[np.bool_]] | None = None,
) -> list[int]:
    count = int(tracks.ids[-1]) + 1
    table: Embeddings | None = None if looks is None else np.array(looks, np.float32)
    first = link(tracks, table, np.array(classes or [0] * count), rule, out)
    return [int(piece) for piece in first]


def after_a_gap(frames: int, x: float = 300.0, speed: float = 0.0) -> Trajectories:
    """One who stands at 300 until frame 10, and a piece that starts after so many frames."""
    first = 11 + frames
    return pieces((range(1, 11), 300.0, 0.0), (range(first, first + 10), x, speed))


@pytest.mark.parametrize(("gap", "one"), [(0, True), (20, True), (21, False)])
def test_pieces_that_look_alike_are_linked_over_a_long_gap(gap: int, one: bool) -> None:
    assert linked(after_a_gap(gap), [LEFT, LEFT]) == [0, 0 if one else 1]


@pytest.mark.parametrize(("gap", "one"), [(10, True), (11, False)])
@pytest.mark.parametrize("looks", [None, [LEFT, [0.0, 0.0]]])
def test_motion_alone_links_over_a_short_gap(
    gap: int, one: bool, looks: list[list[float]] | None
) -> None:
    assert linked(after_a_gap(gap), looks) == [0, 0 if one else 1]


@pytest.mark.parametrize(("look", "one"), [(NEAR_LEFT, True), ([0.6, 0.8], False), (UP, False)])
def test_who_looks_another_is_another(look: list[float], one: bool) -> None:
    assert linked(after_a_gap(5), [LEFT, look]) == [0, 0 if one else 1]


@pytest.mark.parametrize(("x", "one"), [(349.0, True), (351.0, False), (251.0, True)])
def test_half_a_height_away_is_too_far(x: float, one: bool) -> None:
    assert linked(after_a_gap(5, x), [LEFT, LEFT]) == [0, 0 if one else 1]


def test_reach_grows_with_the_gap() -> None:
    grows = replace(RULE, drift=0.1)
    assert linked(after_a_gap(5, 405.0), [LEFT, LEFT], grows) == [0, 0]
    assert linked(after_a_gap(5, 415.0), [LEFT, LEFT], grows) == [0, 1]


@pytest.mark.parametrize("walks", ["on", "from"])
def test_going_on_or_coming_from_there_is_near(walks: str) -> None:
    on = pieces((range(1, 11), 100.0, 20.0), (range(15, 25), 380.0, 0.0))
    back = pieces((range(1, 11), 100.0, 0.0), (range(15, 25), 200.0, 20.0))
    assert linked(on if walks == "on" else back, [LEFT, LEFT]) == [0, 0]


def test_a_velocity_is_believed_for_some_frames_alone() -> None:
    # 19 frames at 10 pixels; believed for 15 of them, it is 40 pixels short, for 5 it is 140.
    far = pieces((range(1, 11), 100.0, 10.0), (range(29, 39), 380.0, 0.0))
    assert linked(far, [LEFT, LEFT]) == [0, 0]
    assert linked(far, [LEFT, LEFT], replace(RULE, ahead=5)) == [0, 1]


@pytest.mark.parametrize(("growth", "one"), [(1.6, True), (1.7, False), (0.62, True), (0.6, False)])
def test_heights_must_not_differ_much(growth: float, one: bool) -> None:
    tracks = after_a_gap(1)
    middle = (tracks.boxes[10:, 1] + tracks.boxes[10:, 3]) / 2
    tracks.boxes[10:, 1], tracks.boxes[10:, 3] = middle - 50 * growth, middle + 50 * growth
    assert linked(tracks, [LEFT, LEFT]) == [0, 0 if one else 1]


def test_the_dearest_link_that_is_possible_is_made_all_the_same() -> None:
    """Looks at a right angle, half a height away: whatever may be one trajectory becomes one."""
    lenient = replace(RULE, look_alike=1.0, motion=0.95)
    assert linked(after_a_gap(5, 349.0), [LEFT, UP], lenient) == [0, 0]


def test_classes_are_kept_apart() -> None:
    assert linked(after_a_gap(1), [LEFT, LEFT], classes=[2, 7]) == [0, 1]


def test_the_cheapest_set_of_links_is_made_and_chains_name_their_first_piece() -> None:
    tracks = pieces(
        (range(40, 50), 300.0, 0.0),
        (range(1, 11), 300.0, 0.0),
        (range(20, 30), 300.0, 0.0),
        (range(20, 30), 310.0, 0.0),
    )
    assert linked(tracks, [LEFT, LEFT, LEFT, NEAR_LEFT]) == [1, 1, 1, 3]
    # Of equal looks the nearer one.
    assert linked(tracks, [LEFT, LEFT, LEFT, LEFT]) == [1, 1, 1, 3]


def test_pieces_that_overlap_in_time_are_two() -> None:
    tracks = pieces((range(1, 11), 300.0, 0.0), (range(10, 20), 300.0, 0.0))
    assert linked(tracks, [LEFT, LEFT]) == [0, 1]


@pytest.mark.parametrize(("gap", "one"), [(3, True), (4, False)])
@pytest.mark.parametrize("side", [0, 1])
def test_who_left_or_came_in_is_linked_over_few_frames_alone(
    gap: int, one: bool, side: int
) -> None:
    no = np.array([False, False])
    # Of a start, the second piece came in; of a stop, the first one left.
    out = (np.array([False, True]), no) if side else (no, np.array([True, False]))
    assert linked(after_a_gap(gap), [LEFT, LEFT], out=out) == [0, 0 if one else 1]


@pytest.mark.parametrize(
    ("start", "speed", "comes", "goes"),
    [
        (300.0, 0.0, False, False),
        (50.0, 5.0, False, False),
        (34.0, 5.0, True, False),
        (564.0, 5.0, False, False),
        (566.0, 5.0, False, True),
    ],
)
def test_who_is_out_some_frames_on_has_left_and_some_before_has_come(
    start: float, speed: float, comes: bool, goes: bool
) -> None:
    walk = pieces((range(1, 10), start, speed))
    came, went = leaving(walk, RULE, (640.0, 480.0))
    assert (came.tolist(), went.tolist()) == ([comes], [goes])


@pytest.mark.parametrize(
    ("middle", "gone"), [(-0.5, True), (0.0, False), (480.0, False), (480.5, True)]
)
def test_who_is_above_or_below_by_the_middle_is_out(middle: float, gone: bool) -> None:
    walk = pieces((range(1, 10), 300.0, 0.0))
    walk.boxes[:, 1], walk.boxes[:, 3] = middle - 50, middle + 50
    came, went = leaving(walk, RULE, (640.0, 480.0))
    assert (came.tolist(), went.tolist()) == ([gone], [gone])


def test_who_touches_a_side_is_out() -> None:
    for middle, gone in ((20.0, True), (20.5, False), (620.0, True), (619.5, False)):
        came, went = leaving(pieces((range(1, 10), middle, 0.0)), RULE, (640.0, 480.0))
        assert (came.tolist(), went.tolist()) == ([gone], [gone])


@pytest.mark.parametrize(("cosine", "chosen"), [(0.91, 2), (0.89, 1)])
def test_all_of_the_reach_costs_as_much_as_a_distance_of_a_tenth(
    cosine: float, chosen: int
) -> None:
    """Of two who may follow, one looks the same half a height away, the other is on the spot."""
    tracks = pieces(
        (range(1, 11), 300.0, 0.0), (range(15, 25), 349.99, 0.0), (range(15, 25), 300.0, 0.0)
    )
    look = [cosine, float(np.sqrt(1 - cosine**2))]
    expected = [0, 1, 2]
    expected[chosen] = 0
    assert linked(tracks, [LEFT, LEFT, look]) == expected


@pytest.mark.parametrize(
    ("tracks", "looks", "one"),
    [
        (after_a_gap(120), [LEFT, LEFT], True),
        (after_a_gap(121), [LEFT, LEFT], False),
        (after_a_gap(30), None, True),
        (after_a_gap(31), None, False),
        (after_a_gap(5), [LEFT, [0.71, 0.7042]], True),
        (after_a_gap(5), [LEFT, [0.69, 0.7238]], False),
        # 0.5 + 0.06 x 10 heights of 100 pixels.
        (after_a_gap(9, 409.0), [LEFT, LEFT], True),
        (after_a_gap(9, 411.0), [LEFT, LEFT], False),
        # Ten pixels a frame over the last ten, believed for 15 frames of 21, and 1.76 heights.
        (pieces((range(1, 12), 100.0, 10.0), (range(32, 42), 525.0, 0.0)), [LEFT, LEFT], True),
        (pieces((range(1, 12), 100.0, 10.0), (range(32, 42), 527.0, 0.0)), [LEFT, LEFT], False),
    ],
)
def test_the_reach_of_the_defaults(
    tracks: Trajectories, looks: list[list[float]] | None, one: bool
) -> None:
    assert linked(tracks, looks, Linking()) == [0, 0 if one else 1]


@pytest.mark.parametrize(("x", "one"), [(529.0, True), (531.0, False)])
def test_the_last_ten_frames_tell_the_velocity(x: float, one: bool) -> None:
    """Who stood and then ran ten frames at 12 pixels is expected 180 on, give or take 1.4."""
    tracks = pieces((range(1, 22), 0.0, 0.0), (range(36, 46), x, 0.0))
    running = np.maximum(np.arange(21) - 10, 0) * 12.0
    tracks.boxes[:21, (0, 2)] = running[:, None] + [70.0, 110.0]
    assert linked(tracks, [LEFT, LEFT], Linking()) == [0, 0 if one else 1]


def test_by_default_who_is_out_within_three_frames_has_left() -> None:
    for start, gone in ((565.5, True), (564.5, False)):
        walk = pieces((range(1, 10), start, 5.0))
        assert leaving(walk, Linking(), (640.0, 480.0))[1].tolist() == [gone]
