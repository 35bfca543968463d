"""Tracks made by hand: who is where in each frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from service.counting import counts
from service.counting.counts import Counter, Event
from tracker.types import Tracks

NAMES = {0: "person", 1: "car"}
HALF_WIDTH, HEIGHT = 5.0, 20.0
MARGIN = counts.MARGIN * HEIGHT
"""Pixels by which a foot must be past a border."""

Where = tuple[float, float]


def tracks(feet: Mapping[int, Where], class_id: int = 0, predicted: Sequence[int] = ()) -> Tracks:
    """Tracks of one size, by the point that they stand on."""
    ids = np.array(list(feet), np.int64)
    x, y = np.array(list(feet.values()), np.float32).reshape(-1, 2).T
    return Tracks(
        ids=ids,
        boxes=np.stack([x - HALF_WIDTH, y - HEIGHT, x + HALF_WIDTH, y], axis=1),
        scores=np.ones(len(ids), np.float32),
        classes=np.full(len(ids), class_id, np.int64),
        predicted=np.isin(ids, predicted),
        detection=np.arange(len(ids)),
    )


def walk(
    counter: Counter, feet: Iterable[Where | None], *, class_id: int = 0, step: float = 0.1
) -> list[Event]:
    """Lead track 1 from place to place, a frame each; it is not in the picture where None."""
    return [
        event
        for number, foot in enumerate(feet)
        for event in counter.update(
            tracks({} if foot is None else {1: foot}, class_id), NAMES, number * step
        )
    ]
