"""How DeepSort behaves where trackers go wrong: crossings, occlusions, leaving, odd input."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from models.errors import InvalidInput, UnknownName
from tracker import DeepSort, Tracks
from tracker.online import Online
from tracker.settings import Settings
from tracker.types import Float

Frame = tuple[list[list[float]], list[list[float]]]
"""Boxes x1, y1, x2, y2 and their embeddings."""

SIZE = (40.0, 100.0)
RED, BLUE, GREEN = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]
CORNER = [[600.0, 440.0, 640.0, 480.0], [0.0, 0.0, 20.0, 20.0]]
"""Two static objects that tell the tracker how large the image is."""


def box(x: float, y: float = 200.0, scale: float = 1.0) -> list[float]:
    """A box with its centre at x, y."""
    w, h = SIZE[0] * scale / 2, SIZE[1] * scale / 2
    return [x - w, y - h, x + w, y + h]


def follow(
    tracker: DeepSort, frames: Sequence[Frame], *, appearance: bool = True, fps: float | None = None
) -> list[Tracks]:
    """All answers; a wide image is implied by two static objects in its corners."""
    answers = []
    for i, (boxes, looks) in enumerate(frames):
        embeddings = np.array([*looks, GREEN, GREEN]) if appearance else None
        answer = tracker.update(
            [*boxes, *CORNER],
            [0.9] * (len(boxes) + 2),
            embeddings=embeddings,
            timestamp=None if fps is None else i / fps,
        )
        assert answer is not None
        answers.append(answer)
    return answers


def id_of(tracks: Tracks, row: int) -> int:
    """The ID that the detection in a row was given."""
    return int(tracks.ids[tracks.detection == row][0])


def bouncing_balls() -> list[Frame]:
    """Red comes from the left, blue from the right; they touch, and each goes back as fast.

    In one frame each ball moves further than half the distance that is left at the turn, so the
    place where red is expected next is nearer to where blue is seen.
    """
    steps = [6, 5, 4, 3, 2, 1, 0, 0, 1, 2, 3, 4, 5, 6]
    return [([box(305 - 20 * k), box(335 + 20 * k)], [RED, BLUE]) for k in steps]


def passing_people() -> list[Frame]:
    """One walks right, one walks left, one behind the other for some frames."""
    frames: list[Frame] = []
    for t in range(41):
        a, b = box(160 + 8 * t, 205), box(480 - 8 * t, 200)
        if abs(a[0] - b[0]) < 25:
            frames.append(([a], [RED]))
        else:
            frames.append(([a, b], [RED, BLUE]))
    return frames


def swapped(answers: list[Tracks]) -> bool:
    first, last = answers[3], answers[-1]
    return id_of(first, 0) == id_of(last, 1)


def test_bouncing_balls_keep_their_ids_with_appearance() -> None:
    answers = follow(DeepSort(), bouncing_balls())
    assert id_of(answers[3], 0) == id_of(answers[-1], 0)
    assert id_of(answers[3], 1) == id_of(answers[-1], 1)


def test_bouncing_balls_swap_with_motion_alone() -> None:
    assert swapped(follow(DeepSort(), bouncing_balls(), appearance=False))


@pytest.mark.parametrize("appearance", [True, False])
def test_people_who_cross_keep_their_ids(appearance: bool) -> None:
    answers = follow(DeepSort(), passing_people(), appearance=appearance)
    assert id_of(answers[3], 0) == id_of(answers[-1], 0)
    assert id_of(answers[3], 1) == id_of(answers[-1], 1)


@pytest.mark.parametrize("fps", [5.0, 25.0, 60.0])
def test_two_seconds_behind_a_lamp_post(fps: float) -> None:
    frames: list[Frame] = []
    for i in range(int(6 * fps)):
        seconds = i / fps
        hidden = 2.0 <= seconds < 4.0
        frames.append(([], []) if hidden else ([box(150 + 40 * seconds)], [RED]))
    answers = follow(DeepSort(), frames, fps=fps)
    assert id_of(answers[int(1.5 * fps)], 0) == id_of(answers[-1], 0)


def test_a_detection_that_two_claim_goes_to_the_better_fit_not_to_the_larger_number_of_pairs() -> (
    None
):
    tracker = DeepSort()
    for _ in range(5):
        tracker.update([box(300), box(317)], [0.9, 0.9])
    # It lies on the first one; each of the poorer pairs costs more than half of what they save.
    answer = tracker.update([box(302), box(285)], [0.9, 0.9])
    assert answer is not None
    assert id_of(answer, 0) == 1
    assert 2 not in answer.ids[answer.detection >= 0]


@pytest.mark.parametrize("behind", [True, False])
def test_who_is_cut_off_by_someone_nearer_keeps_the_height(behind: bool) -> None:
    stands, cut, nearer = [280.0, 150, 320, 250], [280.0, 150, 320, 225], [270.0, 190, 330, 300]
    aside = [470.0, 190, 530, 300]
    frames: list[Frame] = [([stands, aside], [RED, BLUE])] * 8
    frames += [([cut, nearer if behind else aside], [RED, BLUE])]
    last = follow(DeepSort(), frames)[-1]
    x1, y1, x2, y2 = last.boxes[last.detection == 0][0]
    assert (y2 - y1 > 99) == behind
    assert (x1 + x2, y1) == pytest.approx((600, 150), abs=2 if behind else 10)


def test_who_leaves_and_who_enters_there_are_two() -> None:
    tracker = DeepSort()
    out: list[Frame] = [([box(600 + 4 * t)], [RED]) for t in range(6)]
    gone: list[Frame] = [([], [])] * 20
    back: list[Frame] = [([box(620 - 4 * t)], [RED]) for t in range(8)]
    answers = follow(tracker, [*out, *gone, *back])
    assert id_of(answers[4], 0) != id_of(answers[-1], 0)


def test_who_leaves_may_return_with_reenter() -> None:
    tracker = DeepSort(reenter=True)
    out: list[Frame] = [([box(600 + 4 * t)], [RED]) for t in range(6)]
    gone: list[Frame] = [([], [])] * 6
    back: list[Frame] = [([box(620 - 4 * t)], [RED]) for t in range(8)]
    answers = follow(tracker, [*out, *gone, *back])
    assert id_of(answers[4], 0) == id_of(answers[-1], 0)


def test_another_person_at_the_same_place_is_another_track() -> None:
    frames: list[Frame] = [([box(300)], [RED])] * 10
    frames += [([], [])] * 3
    frames += [([box(300)], [BLUE])] * 5
    answers = follow(DeepSort(), frames)
    assert id_of(answers[9], 0) != id_of(answers[-1], 0)


def test_a_box_that_grows_as_it_nears() -> None:
    frames: list[Frame] = [([box(320, 240, 0.3 * 1.06**t)], [RED]) for t in range(30)]
    answers = follow(DeepSort(), frames, appearance=False)
    assert {id_of(a, 0) for a in answers[2:]} == {id_of(answers[2], 0)}


def test_a_camera_that_pans() -> None:
    tracker = DeepSort()
    ids = set()
    for t in range(40):
        shift = 12.0 * t
        answer = tracker.update([box(900 - shift), box(1200 - shift)], [0.9, 0.9])
        assert answer is not None
        ids.add(tuple(answer.ids.tolist()))
    assert ids == {(1, 2)}


@pytest.mark.parametrize("fps", [5.0, 60.0])
def test_steady_walk_at_any_frame_rate(fps: float) -> None:
    frames: list[Frame] = [([box(100 + 80 * i / fps)], [RED]) for i in range(int(5 * fps))]
    answers = follow(DeepSort(), frames, appearance=False, fps=fps)
    assert {id_of(a, 0) for a in answers[2:]} == {id_of(answers[2], 0)}


def test_dropped_frames_are_known_from_timestamps() -> None:
    def last_id(timestamps: bool) -> tuple[int, int]:
        tracker = DeepSort()
        seen = []
        for t in [*range(20), *range(26, 36)]:
            answer = tracker.update(
                [box(100 + 15 * t)], [0.9], timestamp=t / 25 if timestamps else None
            )
            assert answer is not None
            seen.append(id_of(answer, 0))
        return seen[5], seen[-1]

    before, after = last_id(timestamps=True)
    assert before == after
    before, after = last_id(timestamps=False)
    assert before != after


def test_no_id_is_shown_for_a_doubtful_detection_and_none_is_skipped() -> None:
    tracker = DeepSort()
    ghost = tracker.update([box(100)], [0.6])
    assert ghost is not None
    assert len(ghost) == 0
    tracker.update([], [])
    for _ in range(3):
        answer = tracker.update([box(300)], [0.7])
    assert answer is not None
    assert answer.ids.tolist() == [1]


def test_a_missed_detection_is_bridged_by_a_predicted_box() -> None:
    tracker = DeepSort()
    for t in range(10):
        tracker.update([box(100 + 5 * t), box(600)], [0.9, 0.9])
    answer = tracker.update([box(600)], [0.9])
    assert answer is not None
    assert answer.predicted.tolist() == [True, False]
    assert answer.detection.tolist() == [-1, 0]
    np.testing.assert_allclose(answer.boxes[0], box(150), atol=6)


@pytest.mark.parametrize(("detections", "shown"), [(4, False), (5, True)])
def test_only_a_track_of_some_detections_is_shown_without_one(detections: int, shown: bool) -> None:
    tracker = DeepSort(coast_hits=5)
    for _ in range(detections):
        tracker.update([box(300), box(600)], [0.9, 0.9])
    answer = tracker.update([box(600)], [0.9])
    assert answer is not None
    assert answer.predicted.any() == shown


def test_the_class_is_the_vote_of_the_detections() -> None:
    tracker = DeepSort()
    for class_id in (2, 7, 2, 2, 7, 2):
        answer = tracker.update([box(300)], [0.9], classes=[class_id])
    assert answer is not None
    assert answer.classes.tolist() == [2]
    assert answer.ids.tolist() == [1]


def test_per_class_keeps_classes_apart() -> None:
    tracker = DeepSort(per_class=True)
    tracker.update([box(300)], [0.9], classes=[2])
    answer = tracker.update([box(300)], [0.9], classes=[7])
    assert answer is not None
    assert answer.ids[answer.detection == 0].tolist() == [2]


def crowd(seed: int, frames: int = 30) -> list[Float]:
    """Boxes that wander, some missed, the same for the same seed."""
    generator = np.random.default_rng(seed)
    centres = generator.uniform(100, 900, (12, 2))
    answer = []
    for _ in range(frames):
        centres = centres + generator.normal(0, 4, centres.shape)
        seen = centres[generator.random(12) > 0.1]
        answer.append(np.hstack([seen - 20, seen + np.array([20, 60])]))
    return answer


def answers_of(tracker: DeepSort, frames: Sequence[Float]) -> list[Tracks]:
    answers = [tracker.update(boxes, np.full(len(boxes), 0.8)) for boxes in frames]
    return [answer for answer in answers if answer is not None]


def assert_same(a: Sequence[Tracks], b: Sequence[Tracks]) -> None:
    assert len(a) == len(b)
    for left, right in zip(a, b, strict=True):
        np.testing.assert_array_equal(left.ids, right.ids)
        np.testing.assert_array_equal(left.boxes, right.boxes)


def test_a_hundred_trackers_interleaved_give_what_each_gives_alone() -> None:
    videos = [crowd(seed, frames=8) for seed in range(100)]
    trackers = [DeepSort() for _ in videos]
    together: list[list[Tracks]] = [[] for _ in videos]
    for t in range(8):
        for tracker, video, answers in zip(trackers, videos, together, strict=True):
            answers += answers_of(tracker, [video[t]])
    for video, answers in zip(videos, together, strict=True):
        assert_same(answers_of(DeepSort(), video), answers)


def test_reset_starts_again() -> None:
    tracker = DeepSort()
    first = answers_of(tracker, crowd(1))
    tracker.reset()
    assert_same(answers_of(tracker, crowd(1)), first)


def test_a_copy_goes_on_the_same() -> None:
    tracker = DeepSort()
    video = crowd(2)
    answers_of(tracker, video[:15])
    twin = copy.deepcopy(tracker)
    assert_same(answers_of(tracker, video[15:]), answers_of(twin, video[15:]))


@pytest.mark.parametrize(
    "boxes",
    [
        pytest.param(np.zeros((0, 4)), id="none"),
        pytest.param(np.array([box(50)]), id="one"),
        pytest.param(np.tile(box(50), (1000, 1)), id="a thousand on one spot"),
        pytest.param(np.array([[5.0, 5, 5, 5], [7, 7, 7, 9]]), id="without area"),
        pytest.param(np.array([[-1e6, -1e6, 1e6, 1e6]]), id="huge"),
    ],
)
def test_odd_frames_are_taken(boxes: Float) -> None:
    tracker = DeepSort()
    for _ in range(3):
        answer = tracker.update(boxes, np.full(len(boxes), 0.9))
        assert answer is not None
        assert np.isfinite(answer.boxes).all()
        assert len(set(answer.ids.tolist())) == len(answer)
    tracker.update([], [])


def lazily(table: Float, asked: list[int]) -> Callable[[np.ndarray], Float]:
    def embed(rows: np.ndarray) -> Float:
        asked.extend(rows.tolist())
        chosen: Float = table[rows]
        return chosen

    return embed


def test_embeddings_are_asked_for_only_where_they_decide() -> None:
    tracker = DeepSort()
    counts = []
    for t in range(12):
        asked: list[int] = []
        table = np.eye(3)
        boxes = [box(100 + 3 * t), box(400), box(800 - 3 * t)]
        tracker.update(boxes, [0.9] * 3, embeddings=lazily(table, asked))
        assert len(set(asked)) == len(asked)
        counts.append(len(asked))
    assert counts[0] == 3
    assert sum(counts[1:]) <= 9


def test_settings_by_name() -> None:
    with pytest.raises(UnknownName, match="no_such"):
        DeepSort(no_such=1)
    with pytest.raises(InvalidInput, match="delay"):
        DeepSort(delay=-1)
    with pytest.raises(InvalidInput, match="no settings beside it"):
        DeepSort(engine=Online(Settings()), reenter=True)
    with pytest.raises(InvalidInput, match="no settings beside it"):
        DeepSort(Settings(), engine=Online(Settings()))


def test_reset_forgets_what_a_delay_holds_back() -> None:
    tracker = DeepSort(delay=2)
    for video in (1, 2):
        answers = [tracker.update(boxes, np.full(len(boxes), 0.8)) for boxes in crowd(video)[:5]]
        assert [answer is None for answer in answers] == [True, True, False, False, False]
        tracker.reset()
        assert tracker.flush() == []


def test_memory_is_flat_over_births_and_deaths() -> None:
    tracker = DeepSort()
    generator = np.random.default_rng(3)
    rows = []
    for _ in range(600):
        corner = generator.uniform(0, 1000, (10, 2))
        tracker.update(np.hstack([corner, corner + 50]), np.full(10, 0.9), embeddings=np.eye(10))
        rows.append(len(pickle.dumps(tracker)))
    assert max(rows[300:]) <= 1.2 * max(rows[150:300])
