"""What waits for a model, and in which order it is taken.

Sessions take turns, so that no video holds up another one. Single images have a share of the
places in the forwards for themselves, so that they wait for a few batches and not for the videos.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable, Iterator
from typing import Any

from service.inference.items import Item


class FairQueue:
    """Prepared items of single images and of sessions. Not thread-safe: its owner locks.

    Parameters
    ----------
    image_share : float
        Share of the places that go to single images while frames of sessions wait too, 0 to 1.
    """

    def __init__(self, image_share: float) -> None:
        self._share = image_share
        self._credit = 1 - image_share
        self._images: deque[Item] = deque()
        self._passed_over: Item | None = None
        self._sessions: OrderedDict[str, deque[Item]] = OrderedDict()
        self.pixels = 0

    def __len__(self) -> int:
        return sum(map(len, self._lanes()))

    def put(self, item: Item) -> None:
        """Add an item at the end of its lane."""
        self.pixels += item.ready.pixels
        if item.session is None:
            self._images.append(item)
        else:
            self._sessions.setdefault(item.session, deque()).append(item)

    def discard(self, item: Item) -> None:
        """Take an item out, if it is here."""
        if item in self._lane(item):
            self._remove(item)

    def oldest(self) -> float:
        """When the item that has waited the longest came into the queue."""
        return min(lane[0].queued for lane in self._lanes() if lane)

    def drain(self) -> list[Item]:
        """Take everything."""
        items = [item for lane in self._lanes() for item in lane]
        self._images.clear()
        self._passed_over = None
        self._sessions.clear()
        self.pixels = 0
        return items

    def take(self, most: int, most_pixels: int) -> list[Item]:
        """Take the next batch: items of one key, in fair order, at least one if there is any.

        Parameters
        ----------
        most : int
            Most items.
        most_pixels : int
            Most pixels of all together; a first item that is larger goes alone.
        """
        batch: list[Item] = []
        room: float = float("inf")
        while len(batch) < most:
            key = batch[0].ready.key if batch else None
            item = self._next(key, room)
            if item is None:
                break
            self._remove(item)
            if item.session is not None and item.session in self._sessions:
                self._sessions.move_to_end(item.session)
            batch.append(item)
            room = (most_pixels if len(batch) == 1 else room) - item.ready.pixels
        oldest = self._images[0] if self._images else None
        another_shape = batch and oldest and oldest.ready.key != batch[0].ready.key
        self._passed_over = oldest if another_shape else None
        return batch

    def _next(self, key: Hashable, room: float) -> Item | None:
        """The item whose turn it is, of those with this key (None: any) that have room."""
        image = _first(self._images, key, room)
        frames = (_first(lane, key, room) for lane in self._sessions.values())
        frame = next((item for item in frames if item is not None), None)
        if image is not None and frame is not None:
            self._credit += self._share
            # An image of another shape than the last batch leads the next one, once in two batches:
            # else it would wait for as long as others of the frames' shape come.
            leads = key is None and image is self._passed_over and self._credit >= self._share
            if self._credit < 1 and not leads:
                return frame
            self._credit -= 1
        elif frame is not None and not self._images:
            # Nothing is owed to images that were not there, and the next one goes first.
            self._credit = 1 - self._share
        return frame if image is None else image

    def _lanes(self) -> Iterator[deque[Item]]:
        yield self._images
        yield from self._sessions.values()

    def _lane(self, item: Item) -> deque[Item]:
        if item.session is None:
            return self._images
        return self._sessions.get(item.session, deque())

    def _remove(self, item: Item) -> None:
        lane = self._lane(item)
        lane.remove(item)
        self.pixels -= item.ready.pixels
        if item.session is not None and not lane:
            del self._sessions[item.session]


def _first(lane: deque[Item], key: Hashable, room: float) -> Item | None:
    """The first item of a lane with this key (None: any) that has room."""
    for item in lane:
        prepared: Any = item.ready
        if (key is None or prepared.key == key) and prepared.pixels <= room:
            return item
    return None
