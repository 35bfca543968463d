"""Labels of a teacher, written so that they are read again as they were."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from models.errors import InvalidInput, UnknownName
from models.ground_truth import read_ground_truth
from models.training.labels import Classes, YoloFolder
from models.types import Detections

TEACHER = {0: "person", 2: "car", 5: "bus", 7: "truck"}


def found(segments: bool = False) -> Detections:
    boxes = np.asarray([[10, 10, 50, 60], [12, 10, 51, 60], [60, 20, 90.5, 44.25]], np.float32)
    outlines = tuple(
        np.asarray([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], np.float32) for x1, y1, x2, y2 in boxes
    )
    classes = np.asarray([2, 7, 0])
    scores = np.asarray([0.9, 0.8, 0.7])
    return Detections(boxes, scores, classes, TEACHER, outlines if segments else None)


def test_classes_are_chosen_and_merged() -> None:
    everything = Classes.of(TEACHER, None, {})
    assert everything.names == ("person", "car", "bus", "truck")
    vehicle = {"vehicle": ["car", "bus", "truck"]}
    both = Classes.of(TEACHER, ["person"], vehicle)
    assert both.names == ("person", "vehicle")
    assert dict(both.numbers) == {0: 0, 2: 1, 5: 1, 7: 1}
    assert Classes.of(TEACHER, None, vehicle).names == ("vehicle",)


def test_classes_that_cannot_be_are_refused() -> None:
    with pytest.raises(UnknownName, match="'dog'"):
        Classes.of(TEACHER, ["dog"], {})
    with pytest.raises(InvalidInput, match="named twice"):
        Classes.of(TEACHER, ["car"], {"vehicle": ["car", "bus"]})


@pytest.mark.parametrize("segments", [False, True])
def test_what_becomes_one_class_is_one_object(segments: bool) -> None:
    vehicle = Classes.of(TEACHER, ["person"], {"vehicle": ["car", "truck"]})
    labelled = vehicle.relabelled(found(segments))
    assert labelled.classes.tolist() == [1, 0]
    assert labelled.scores.tolist() == pytest.approx([0.9, 0.7])
    apart = Classes.of(TEACHER, None, {}).relabelled(found(segments))
    assert len(apart) == 3
    assert len(Classes.of(TEACHER, ["bus"], {}).relabelled(found(segments))) == 0


@pytest.mark.parametrize("segments", [False, True])
def test_a_folder_is_read_as_it_was_written(tmp_path: Path, segments: bool) -> None:
    folder = YoloFolder(tmp_path, TEACHER.values())  # type: ignore[arg-type]
    named = Classes.of(TEACHER, None, {}).relabelled(found(segments))
    ok, jpeg = cv2.imencode(".jpg", np.zeros((80, 100, 3), np.uint8))
    assert ok
    for stem in ("a", "b", "c"):
        folder.add(stem, jpeg.tobytes(), named, (80, 100))
    folder.add("empty", jpeg.tobytes(), named[[]], (80, 100))
    with pytest.raises(InvalidInput, match="no part 'val'"):
        read_ground_truth(tmp_path)
    folder.measure(["c"])
    learnt, measured = (read_ground_truth(tmp_path, split=part) for part in ("train", "val"))
    assert [picture.key for picture in learnt.pictures] == ["a", "b", "empty"]
    assert [picture.key for picture in measured.pictures] == ["c"]
    truth = measured.pictures[0]
    np.testing.assert_allclose(truth.truth.boxes, named.boxes, atol=0.002)
    assert truth.truth.classes.tolist() == named.classes.tolist()
    assert [len(outline) for outline in truth.outlines] == [int(segments)] * 3
    if segments:
        np.testing.assert_allclose(truth.outlines[2][0][2], [90.5, 44.25], atol=0.002)
    with pytest.raises(InvalidInput, match="there already"):
        YoloFolder(tmp_path, ["person"])
