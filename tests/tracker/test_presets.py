"""The published trackers: what each paper promises, on small scenes and on the reference's rows."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from itertools import islice, pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.tracker_stream import stream
from models.errors import UnknownName
from tracker.base import OnlineTracker
from tracker.mot import Rows, read_mot, to_rows
from tracker.presets import PRESETS, make_tracker
from tracker.presets.botsort import BoTSort
from tracker.presets.bytetrack import ByteTrack
from tracker.presets.paper import PaperSettings, PaperTracker
from tracker.presets.sort import AreaFilter, Sort, SortSettings

REAL = ("KITTI-17", "PETS09-S2L1", "TUD-Campus", "TUD-Stadtmitte")
ALL = (PaperTracker, Sort, ByteTrack, BoTSort)

Make = Callable[[], OnlineTracker]

RED, BLUE = np.eye(2, 8, dtype=np.float32)


def box(left: float, top: float = 100.0, height: float = 80.0) -> list[float]:
    return [left, top, left + 0.5 * height, top + height]


def see(
    tracker: OnlineTracker,
    boxes: list[list[float]],
    score: float = 0.9,
    looks: list[NDArray[np.float32]] | None = None,
) -> dict[int, list[float]]:
    """One frame; boxes that the tracker answers, by ID."""
    embeddings = None if looks is None else np.array(looks, np.float32).reshape(-1, 8)
    answer = tracker.update(boxes, [score] * len(boxes), embeddings=embeddings)
    return dict(zip(answer.ids.tolist(), answer.boxes.tolist(), strict=True))


@pytest.mark.parametrize("make", ALL)
def test_someone_who_walks_keeps_one_id_and_starts_with_one(make: Make) -> None:
    tracker = make()
    seen = [set(see(tracker, [box(100 + 4 * t), box(600 - 3 * t)])) for t in range(20)]
    assert seen[-1] == {1, 2}
    assert set().union(*seen) == {1, 2}


@pytest.mark.parametrize(("make", "frames"), [(PaperTracker, 3), (Sort, 3), (ByteTrack, 2)])
def test_no_id_is_shown_before_a_track_is_confirmed(make: Make, frames: int) -> None:
    tracker = make()
    shown = [bool(see(tracker, [box(100)])) for _ in range(4)]
    assert shown == [t + 1 >= frames for t in range(4)]


@pytest.mark.parametrize("make", ALL)
def test_ids_of_ghosts_are_not_spent(make: Make) -> None:
    tracker = make()
    for t in range(12):
        # A new ghost in every other frame, each somewhere else, beside someone who stays.
        ghost = [box(300 + 150 * t, top=500)] if t % 2 else []
        assert set(see(tracker, [box(100), *ghost])) <= {1}
    for _ in range(4):
        last = see(tracker, [box(100), box(700)])
    assert set(last) == {1, 2}


@pytest.mark.parametrize(("make", "returns"), [(PaperTracker, True), (Sort, False)])
def test_only_a_tracker_with_memory_knows_who_comes_from_behind_a_post(
    make: Make, returns: bool
) -> None:
    tracker = make()
    for t in range(10):
        see(tracker, [box(100 + 4 * t)], looks=[RED])
    for _ in range(10):
        see(tracker, [], looks=[])
    for t in range(20, 25):
        last = see(tracker, [box(100 + 4 * t)], looks=[RED])
    assert (set(last) == {1}) is returns


def bounce(tracker: OnlineTracker, looks: list[NDArray[np.float32]] | None) -> dict[int, float]:
    """Two balls meet half way and bounce back; the final left edges by ID."""
    for t in range(60):
        # Hidden at the moment of the bounce: where each went cannot be seen, only guessed.
        way = min(t, 60 - t) * 8.0
        boxes = [box(100 + way), box(600 - way)] if abs(t - 30) > 1 else []
        last = see(tracker, boxes, looks=looks if boxes or looks is None else [])
    return {identity: xyxy[0] for identity, xyxy in last.items()}


def test_balls_that_bounce_keep_their_ids_by_their_looks() -> None:
    by_looks = bounce(PaperTracker(), [RED, BLUE])
    assert by_looks[1] < by_looks[2]


def test_unsure_detections_carry_a_byte_track_on_but_begin_none() -> None:
    tracker = ByteTrack()
    for t in range(5):
        see(tracker, [box(100 + 2 * t)])
    for t in range(5, 15):
        assert set(see(tracker, [box(100 + 2 * t)], score=0.2)) == {1}
    fresh = ByteTrack()
    assert not any(see(fresh, [box(100)], score=0.5) for _ in range(5))


def test_bot_sort_tells_neighbours_apart_by_their_looks() -> None:
    def change_places(looks: list[NDArray[np.float32]] | None) -> dict[int, float]:
        tracker = BoTSort()
        for _ in range(10):
            see(tracker, [box(100), box(110)], looks=looks)
        last = see(tracker, [box(110), box(100)], looks=looks)
        return {identity: round(xyxy[0], -1) for identity, xyxy in last.items()}

    assert change_places([RED, BLUE]) == {1: 110, 2: 100}
    assert change_places(None) == {1: 100, 2: 110}


def test_bot_sort_takes_a_jump_of_the_camera_out() -> None:
    rng = np.random.default_rng(2)
    ground = cv2.resize(rng.integers(0, 255, (60, 160), np.uint8), (1280, 480))

    def after_a_jump(with_frames: bool) -> set[int]:
        tracker = BoTSort()
        last: set[int] = set()
        for t in range(20):
            shift = 0 if t < 10 else 30 * (t - 10)
            view = np.repeat(ground[:, 200 + shift : 840 + shift, None], 3, axis=2)
            boxes = [box(400 - shift), box(420 - shift, top=300)]
            answer = tracker.update(boxes, [0.9, 0.9], frame=view if with_frames else None)
            last = set(answer.ids.tolist())
        return last

    assert after_a_jump(with_frames=True) == {1, 2}
    assert after_a_jump(with_frames=False) != {1, 2}


@pytest.mark.parametrize("make", ALL)
def test_a_copy_continues_the_same_and_reset_begins_anew(make: Make) -> None:
    rng = np.random.default_rng(4)
    frames = [[box(100 + 5 * t + rng.normal()), box(700 - 5 * t + rng.normal())] for t in range(30)]
    looks = [RED, BLUE]
    tracker = make()
    first = [see(tracker, boxes, looks=looks) for boxes in frames[:15]]
    twin = copy.deepcopy(tracker)
    rest = [see(tracker, boxes, looks=looks) for boxes in frames[15:]]
    assert [see(twin, boxes, looks=looks) for boxes in frames[15:]] == rest
    tracker.reset()
    assert [see(tracker, boxes, looks=looks) for boxes in frames[:15]] == first


@pytest.mark.parametrize("make", ALL)
def test_embeddings_may_come_and_go(make: Make) -> None:
    tracker = make()
    for t in range(12):
        last = see(tracker, [box(100 + 2 * t)], looks=[RED] if t % 3 else None)
    assert set(last) == {1}


@pytest.mark.parametrize("make", ALL)
def test_nothing_a_thousand_and_all_in_one_place_are_taken(make: Make) -> None:
    tracker = make()
    for boxes in ([], [box(10)], [box(5 * i, top=3 * i) for i in range(1000)], [box(50)] * 20, []):
        answer = tracker.update(boxes, [0.9] * len(boxes))
        assert len(set(answer.ids.tolist())) == len(answer)


@pytest.mark.parametrize("make", ALL)
def test_the_class_is_voted_for(make: Make) -> None:
    tracker = make()
    for t in range(9):
        answer = tracker.update([box(100)], [0.9], classes=[7 if t in (3, 8) else 2])
    assert answer.classes.tolist() == [2]


def test_the_area_filter_gives_boxes_back() -> None:
    boxes = np.array([[10.0, 20, 50, 120], [0, 0, 300, 10]]).T
    motion = AreaFilter()
    np.testing.assert_allclose(motion.boxes(motion.measure(boxes)), boxes)
    assert motion.boxes(motion.measure(np.array([[5.0], [5], [5], [9]]))).shape == (4, 1)


def test_a_box_that_shrinks_to_nothing_stays_finite_in_sort() -> None:
    tracker = Sort(SortSettings(max_age=30))
    for t in range(6):
        see(tracker, [box(100, height=120 - 20 * t)])
    for _ in range(20):
        see(tracker, [])
    assert all(np.isfinite(xyxy).all() for xyxy in see(tracker, [box(100)]).values())


def test_the_gallery_holds_no_more_than_its_budget() -> None:
    tracker = PaperTracker(PaperSettings(budget=3))
    for _ in range(5):
        see(tracker, [box(100)], looks=[RED])
    for _ in range(3):
        see(tracker, [box(100)], looks=[BLUE])
    for _ in range(2):
        see(tracker, [], looks=[])
    # Three blues have pushed red out, so a red one here is someone else.
    assert not see(tracker, [box(100)], looks=[RED])


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_made_by_name_and_can_be_delayed(name: str) -> None:
    at_once, later = make_tracker(name), make_tracker(name, delay=2)
    boxes = [[box(100 + 3 * t)] for t in range(12)]
    direct = [at_once.update(frame, [0.9]) for frame in boxes]
    delayed = [later.update(frame, [0.9]) for frame in boxes]
    assert delayed[:2] == [None, None]
    assert None not in direct
    assert None not in delayed[2:]
    assert len(later.flush()) == 2
    assert at_once.flush() == []


def test_settings_reach_the_preset() -> None:
    tracker = make_tracker("sort", min_hits=1, max_age=5)
    answer = tracker.update([box(100)], [0.9])
    assert answer is not None
    assert len(answer) == 0
    answer = tracker.update([box(100)], [0.9])
    assert answer is not None
    assert answer.ids.tolist() == [1]


@pytest.mark.parametrize("name", PRESETS)
def test_state_does_not_grow_with_births_and_deaths(name: str) -> None:
    tracker = make_tracker(name)
    sizes = []
    for number, frame in enumerate(islice(stream(6, turnover=0.02), 1200)):
        tracker.update(frame.boxes, frame.scores, embeddings=frame.embeddings)
        if number >= 200:
            sizes.append(len(pickle.dumps(tracker)) if number % 50 == 0 else 0)
    early, late = max(sizes[:500]), max(sizes[500:])
    assert late < 1.5 * early


def test_unknown_names_are_refused_with_those_that_are_known() -> None:
    with pytest.raises(UnknownName, match="botsort, got 'bytes'"):
        make_tracker("bytes")
    with pytest.raises(UnknownName, match="min_hits, got 'n_init'"):
        make_tracker("sort", n_init=3)


def same_identities(ours: Rows, reference: Rows) -> float:
    """Share of rows in both with the same box and, by one relabelling, the same identity."""
    there: dict[int, int] = {}
    back: dict[int, int] = {}
    same = 0
    for row in reference:
        rows = ours[ours[:, 0] == row[0]]
        apart = np.abs(rows[:, 2:6] - row[2:6]).max(axis=1, initial=0)
        if not len(rows) or apart.min() > 0.01:
            continue
        mine, theirs = int(rows[apart.argmin(), 1]), int(row[1])
        same += there.setdefault(theirs, mine) == mine and back.setdefault(mine, theirs) == theirs
    return same / max(len(ours), len(reference))


@pytest.mark.parametrize("name", REAL)
def test_the_paper_preset_gives_the_identities_of_the_reference(mot_dir: Path, name: str) -> None:
    ready = np.load(mot_dir / name / "yolo26n-osnet.npz")
    detections, embeddings, offsets = ready["det"], ready["emb"], ready["off"]
    tracker = PaperTracker()
    answers = []
    for t, (start, stop) in enumerate(pairwise(offsets)):
        boxes, scores = detections[start:stop, :4], detections[start:stop, 4]
        answers.append((t + 1, tracker.update(boxes, scores, embeddings=embeddings[start:stop])))
    reference = read_mot(mot_dir / name / "deep_sort-reference.txt")
    assert same_identities(to_rows(answers), reference) >= 0.995
