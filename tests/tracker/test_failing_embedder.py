"""An embedder that fails in the middle of a frame leaves every tracker as it was."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.tracker_stream import Frame, stream
from models.errors import InvalidInput
from models.types import Image
from tracker.presets import PRESETS, make_tracker
from tracker.types import Tracker, Tracks

SCENE = np.random.default_rng(1).integers(0, 255, (30, 60, 3), np.uint8).repeat(8, 0).repeat(8, 1)
"""Squares of eight pixels, over which a camera can pan."""


def follow(tracker: Tracker, number: int, frame: Frame, embed: Any) -> Tracks:
    """Show a tracker one frame, of a camera that pans by four pixels a frame."""
    picture: Image = np.ascontiguousarray(SCENE[:200, 4 * number : 4 * number + 300])
    boxes = frame.boxes / 6.4
    answer = tracker.update(boxes, frame.scores, None, embed, picture, number / 25)
    assert answer is not None
    return answer


def numbers_missing(rows: NDArray[np.int64]) -> NDArray[np.float32]:
    return np.full((len(rows), 128), np.nan, np.float32)


def rows_missing(rows: NDArray[np.int64]) -> NDArray[np.float32]:
    return np.ones((len(rows) + 1, 128), np.float32)


def broken(rows: NDArray[np.int64]) -> NDArray[np.float32]:
    raise ConnectionError("the embedder is gone")


@pytest.mark.parametrize("fails", [numbers_missing, rows_missing, broken])
@pytest.mark.parametrize("name", [name for name in PRESETS if name not in ("sort", "bytetrack")])
def test_a_frame_whose_embeddings_fail_can_be_given_again(name: str, fails: Any) -> None:
    disturbed, calm = make_tracker(name), make_tracker(name)
    for number, frame in enumerate(islice(stream(6, turnover=0.05), 30)):

        def embed(rows: NDArray[np.int64], frame: Frame = frame) -> NDArray[np.float32]:
            return frame.embeddings[rows]

        before = disturbed.motion.copy()
        if number % 5 == 4:
            with pytest.raises((InvalidInput, ConnectionError)):
                follow(disturbed, number, frame, fails)
            np.testing.assert_array_equal(disturbed.motion, before)
        answer, expected = (follow(one, number, frame, embed) for one in (disturbed, calm))
        np.testing.assert_array_equal(answer.ids, expected.ids)
        np.testing.assert_array_equal(answer.boxes, expected.boxes)
        np.testing.assert_array_equal(disturbed.motion, calm.motion)
