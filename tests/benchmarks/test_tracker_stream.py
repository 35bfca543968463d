"""The inputs of the tracker benchmarks: what is claimed of them holds, and they repeat."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from benchmarks.tracker_input import REPLICAS, Sequence, backwards, track
from benchmarks.tracker_stream import DIMENSIONS, FALSE, HEIGHT, MISSED, WIDTH, save, stream
from tracker.evaluate import evaluate
from tracker.mot import Rows
from tracker.presets.bytetrack import ByteTrack


def test_a_seed_gives_the_same_stream_and_another_seed_another() -> None:
    one, same, other = (list(islice(stream(30, seed), 5)) for seed in (1, 1, 2))
    for a, b in zip(one, same, strict=True):
        np.testing.assert_array_equal(a.boxes, b.boxes)
        np.testing.assert_array_equal(a.embeddings, b.embeddings)
    assert not np.array_equal(one[0].boxes, other[0].boxes)


def test_misses_and_false_boxes_are_as_frequent_as_said() -> None:
    frames = list(islice(stream(100), 200))
    false = np.mean([(frame.scores < 0.6).sum() for frame in frames]) / 100
    seen = np.mean([(frame.scores >= 0.6).sum() for frame in frames]) / 100
    assert false == pytest.approx(FALSE, abs=0.01)
    assert seen == pytest.approx(1 - MISSED, abs=0.01)


def test_objects_stay_in_the_picture_and_embeddings_have_length_one() -> None:
    for frame in islice(stream(50), 0, 2000, 100):
        centre = (frame.boxes[:, :2] + frame.boxes[:, 2:]) / 2
        assert (centre > -100).all()
        assert (centre < np.array([WIDTH, HEIGHT]) + 100).all()
        assert frame.embeddings.shape[1] == DIMENSIONS
        np.testing.assert_allclose(np.linalg.norm(frame.embeddings, axis=1), 1, atol=1e-5)


def test_a_tracker_follows_the_stream() -> None:
    tracker = ByteTrack()
    for frame in islice(stream(20), 100):
        tracks = tracker.update(frame.boxes, frame.scores)
    assert len(tracks) >= 15


def test_with_turnover_new_objects_come() -> None:
    def ids(turnover: float) -> int:
        tracker = ByteTrack()
        frames = islice(stream(20, turnover=turnover), 200)
        return max(int(tracker.update(f.boxes, f.scores).ids.max(initial=0)) for f in frames)

    assert ids(0.05) > 2 * ids(0.0)


def test_a_saved_stream_has_the_layout_of_the_ready_inputs(tmp_path: Path) -> None:
    save(tmp_path / "stream.npz", 10, 7)
    with np.load(tmp_path / "stream.npz") as stored:
        offsets = stored["off"]
        assert len(offsets) == 8
        assert stored["det"].shape == (offsets[-1], 5)
        assert stored["emb"].shape == (offsets[-1], DIMENSIONS)


def walkers(frames: int = 60) -> Sequence:
    """Three people, each detected exactly where the truth is."""
    truth: list[list[float]] = []
    detections = []
    for t in range(frames):
        lefts = (150 + 3 * t, 500 - 3 * t, 300)
        boxes = [[left, 100 + 90 * i, 40, 80] for i, left in enumerate(lefts)]
        truth += [[t + 1, i + 1, *box, 1, -1, -1, -1] for i, box in enumerate(boxes)]
        corners = [[x, y, x + w, y + h, 0.9] for x, y, w, h in boxes]
        detections.append(np.array(corners, np.float32))
    looks = np.eye(3, 8, dtype=np.float32)
    rows: Rows = np.array(truth, np.float64)
    return Sequence("walkers", tuple(detections), (looks,) * frames, (640, 480), rows)


@pytest.mark.parametrize("name", REPLICAS)
@pytest.mark.parametrize("reverse", [False, True])
def test_truth_and_detections_are_disturbed_alike(name: str, reverse: bool) -> None:
    replica = REPLICAS[name](backwards(walkers()) if reverse else walkers())
    assert all(
        len(d) == len(e) for d, e in zip(replica.detections, replica.embeddings, strict=True)
    )
    assert replica.truth[:, 0].max() <= len(replica)
    # With boxes on the spot an IoU tracker is nearly perfect, unless truth and boxes part.
    score = evaluate({"a": replica.truth}, {"a": track(ByteTrack(), replica)})["a"]
    assert score.mota > 0.8
    assert score.idf1 > 0.8
