"""The order in which waiting images are taken: fair to sessions, kind to single images."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.fake import FakePrepared
from models.types import DetectOptions
from service.inference.fair_queue import FairQueue
from service.inference.items import Item
from service.settings import Settings

PLENTY = 10**9


def item(session: str | None, size: tuple[int, int] = (8, 8), queued: float = 0.0) -> Item:
    prepared = FakePrepared(np.zeros((*size, 3), np.uint8))
    return Item(DetectOptions(), session, None, 0.0, prepared=prepared, queued=queued)


def filled(*sessions: str | None, share: float = 0.5) -> FairQueue:
    queue = FairQueue(share)
    for session in sessions:
        queue.put(item(session))
    return queue


def taken(queue: FairQueue, most: int = 1) -> list[str | None]:
    order = []
    while batch := queue.take(most, PLENTY):
        order += [one.session for one in batch]
    return order


def test_sessions_take_turns_however_much_one_of_them_has_queued() -> None:
    queue = filled("a", "a", "a", "a", "b", "b", "c")
    assert taken(queue) == ["a", "b", "c", "a", "b", "a", "a"]


def test_a_session_is_served_in_its_own_order() -> None:
    queue = FairQueue(0.5)
    first, second = item("a"), item("a")
    queue.put(first)
    queue.put(second)
    assert queue.take(2, PLENTY) == [first, second]


def test_half_of_the_places_go_to_images_while_both_wait() -> None:
    queue = filled(*["a", "b"] * 4, *[None] * 4)
    assert taken(queue)[:8] == [None, "a", None, "b", None, "a", None, "b"]


def test_by_default_three_images_go_between_two_frames_while_both_wait() -> None:
    queue = filled(*["a", "b"] * 4, *[None] * 40, share=Settings().image_share)
    assert taken(queue)[:10] == [None, "a", None, None, None, "b", None, None, None, "a"]


def test_however_many_images_come_videos_keep_their_share_of_the_forwards() -> None:
    queue = filled(*[f"video {n}" for n in range(8)] * 40, share=Settings().image_share)
    kinds = []
    for number in range(400):
        while len(queue) < 400:
            queue.put(item(None, (8, 8 + 8 * (number % 3))))
        kinds += [one.session is None for one in queue.take(1, PLENTY)]
    assert kinds.count(False) >= 100


def test_an_image_that_meets_waiting_videos_goes_next() -> None:
    queue = filled(*["a", "b", "c"] * 5)
    for _ in range(7):
        queue.take(1, PLENTY)
    queue.put(item(None))
    assert [one.session for one in queue.take(1, PLENTY)] == [None]


def test_images_beside_many_videos_go_with_the_next_batch() -> None:
    queue = filled(*[f"video {n}" for n in range(8)] * 4, *[None] * 4)
    batch = queue.take(8, PLENTY)
    assert [one.session for one in batch].count(None) == 4


def test_only_equal_shapes_share_a_batch_and_others_keep_their_place() -> None:
    queue = FairQueue(0.5)
    small, large, small_too = item("a"), item("b", (16, 8)), item("c")
    for one in (small, large, small_too):
        queue.put(one)
    assert queue.take(8, PLENTY) == [small, small_too]
    assert queue.take(8, PLENTY) == [large]


@pytest.mark.parametrize("most", range(2, 9))
def test_an_image_of_another_shape_is_not_kept_waiting_by_those_of_the_frames_shape(
    most: int,
) -> None:
    queue = filled(*[f"video {n}" for n in range(8)] * 40, *[None] * most)
    other = item(None, (16, 8))
    queue.put(other)
    waited = 0
    while other not in (batch := queue.take(most, PLENTY)):
        waited += 1
        for one in batch:
            if one.session is None:
                queue.put(item(None))
    assert waited <= 3


def test_images_that_lead_batches_take_no_more_than_their_share() -> None:
    queue = filled(*[f"video {n}" for n in range(8)] * 40)
    for number in range(200):
        queue.put(item(None, (16 + 8 * (number % 4), 8)))
    led = [queue.take(4, PLENTY)[0].session is None for _ in range(40)]
    assert led.count(True) <= 21


def test_the_pixel_budget_closes_a_batch_and_a_giant_goes_alone() -> None:
    queue = filled("a", "b", "c")
    assert len(queue.take(8, 2 * 64)) == 2
    queue.put(item("d", (100, 100)))
    queue.take(8, 64)
    assert len(queue.take(8, 64)) == 1


def test_discarding_forgets_the_item_and_its_pixels() -> None:
    queue = FairQueue(0.5)
    gone, stays = item("a"), item("a")
    queue.put(gone)
    queue.put(stays)
    queue.discard(gone)
    queue.discard(gone)
    assert queue.pixels == 64
    assert queue.take(8, PLENTY) == [stays]


def test_oldest_looks_at_every_lane() -> None:
    queue = FairQueue(0.5)
    queue.put(item("a", queued=5.0))
    queue.put(item(None, queued=3.0))
    assert queue.oldest() == 3.0


@given(
    st.lists(st.sampled_from([None, "a", "b", "c"]), max_size=40),
    st.integers(1, 8),
    st.floats(0.05, 0.95),
)
def test_everything_comes_out_exactly_once(
    sessions: list[str | None], most: int, share: float
) -> None:
    queue = FairQueue(share)
    items = [item(session) for session in sessions]
    for one in items:
        queue.put(one)
    out: list[Item] = []
    while batch := queue.take(most, PLENTY):
        assert len(batch) <= most
        out += batch
    assert sorted(map(id, out)) == sorted(map(id, items))
    assert (len(queue), queue.pixels) == (0, 0)
