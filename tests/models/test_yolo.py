"""YOLO detectors against Ultralytics' own prediction, and what they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from models.detector import detect_options
from models.errors import InvalidInput, ModelError, UnknownName
from models.types import Image
from models.yolo import YoloDetector, load_yolo
from tests.models.yolo_oracle import (
    PHOTOGRAPHS,
    assert_same,
    frame,
    photograph,
    predict,
    weights,
)

pytestmark = pytest.mark.weights

CHECKPOINTS = [
    "yolo26n",
    "yolo26n-e2e",
    "yolo26s",
    "yolo26m",
    "yolo26l",
    "yolo11n",
    "yolov10n",
    "yolov8n",
    "yolov8s",
    "yolov5nu",
    "yolo26n-seg",
    "yolo11n-seg",
]


@pytest.fixture(scope="module")
def end_to_end() -> Iterator[YoloDetector]:
    """A detector that needs no suppression, in torch."""
    weights("yolo26n-e2e")
    detector = load_yolo("yolo26n-e2e", runtime="torch")
    yield detector
    detector.close()


@pytest.fixture(scope="module")
def suppressed() -> Iterator[YoloDetector]:
    """A detector that needs suppression, in torch."""
    weights("yolov8n")
    detector = load_yolo("yolov8n", runtime="torch")
    yield detector
    detector.close()


@pytest.fixture(params=["end_to_end", "suppressed"])
def detector(request: pytest.FixtureRequest) -> YoloDetector:
    """Either of the two kinds of head."""
    found: YoloDetector = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_photographs_give_what_ultralytics_finds(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights(name)
    detector = load_yolo(name, runtime="torch")
    for picture in PHOTOGRAPHS:
        image = photograph(picture)
        found = detector.predict([image])[0]
        assert_same(found, predict(name, image, monkeypatch), image)
        assert np.all(np.diff(found.scores) <= 0)


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_frame_of_a_crowded_road_gives_what_ultralytics_finds(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights(name)
    image = frame(200)
    detector = load_yolo(name, runtime="torch")
    (found,) = detector.predict([image])
    detector.close()
    assert len(found) > 5
    assert_same(found, predict(name, image, monkeypatch), image)


@pytest.mark.parametrize(
    "settings",
    [
        {"conf": 0.05},
        {"conf": 0.01, "iou": 0.4},
        {"conf": 0.05, "max_det": 4},
        {"classes": [0, 27]},
        {"imgsz": 320},
        {"imgsz": 960},
    ],
    ids=str,
)
def test_every_option_means_what_it_means_to_ultralytics(
    detector: YoloDetector, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = photograph("zidane.jpg")
    found = detector.predict([image], **settings)[0]
    assert_same(found, predict(detector.name, image, monkeypatch, **settings), image)


def test_suppression_across_classes(
    detector: YoloDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = photograph("bus.jpg")
    found = detector.predict([image], conf=0.01, agnostic=True)[0]
    theirs = predict(detector.name, image, monkeypatch, conf=0.01, agnostic_nms=True)
    assert_same(found, theirs, image)
    if not detector.spec.end_to_end:
        assert len(found) < len(detector.predict([image], conf=0.01)[0])


@pytest.mark.parametrize(
    "shape", [(1080, 810), (200, 1080), (1000, 40), (33, 31)], ids=lambda shape: f"{shape}"
)
def test_any_size_and_aspect(
    detector: YoloDetector, shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.ascontiguousarray(photograph("bus.jpg")[-shape[0] :, : shape[1]])
    found = detector.predict([image])[0]
    assert_same(found, predict(detector.name, image, monkeypatch), image)


def test_images_of_several_sizes_are_answered_each_as_if_alone(detector: YoloDetector) -> None:
    images = [photograph(name) for name in PHOTOGRAPHS]
    images.append(images[0][200:, ::2])
    together = detector.predict(images)
    for image, found in zip(images, together, strict=True):
        alone = detector.predict([image])[0]
        np.testing.assert_array_equal(found.boxes, alone.boxes)
        np.testing.assert_array_equal(found.scores, alone.scores)


def test_batch_gives_what_its_images_give_alone(detector: YoloDetector) -> None:
    image = photograph("bus.jpg")
    prepared = [detector.preprocess(image), detector.preprocess(image[:, ::-1])]
    options = detect_options(detector.names)
    for raw, one in zip(detector.start(prepared).result(), prepared, strict=True):
        alone = detector.start([one]).result()[0]
        found, expected = (detector.postprocess(answer, one, options) for answer in (raw, alone))
        np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-2)
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)


def test_thresholds_are_applied_after_the_forward(end_to_end: YoloDetector) -> None:
    prepared = end_to_end.preprocess(photograph("bus.jpg"))
    raw = end_to_end.start([prepared]).result()[0]
    few, many = (
        end_to_end.postprocess(raw, prepared, detect_options(end_to_end.names, conf=conf))
        for conf in (0.9, 0.1)
    )
    assert 0 < len(few) < len(many)
    np.testing.assert_array_equal(few.boxes, many.boxes[: len(few)])


def test_classes_may_be_named(end_to_end: YoloDetector) -> None:
    found = end_to_end.predict([photograph("bus.jpg")], classes=["bus"])[0]
    assert [found.name(row) for row in range(len(found))] == ["bus"]


def test_plain_grey_holds_nothing(detector: YoloDetector) -> None:
    found = detector.predict([np.full((48, 64, 3), 128, np.uint8)])[0]
    assert found.boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("images", "settings", "message"),
    [
        ([], {}, "images: expected at least one uint8 array"),
        ([np.zeros((4, 4, 3), np.float32)], {}, "got dtype float32"),
        ([np.zeros((4, 4), np.uint8)], {}, r"got shape \[4, 4\]"),
        ([np.zeros((4, 4, 4), np.uint8)], {}, r"got shape \[4, 4, 4\]"),
        ([np.zeros((0, 4, 3), np.uint8)], {}, r"got shape \[0, 4, 3\]"),
        ([np.zeros((4, 4, 3), np.uint8)], {"conf": 1.5}, "conf: expected a number from 0 to 1"),
        ([np.zeros((4, 4, 3), np.uint8)], {"iou": -1}, "iou: expected a number from 0 to 1"),
        ([np.zeros((4, 4, 3), np.uint8)], {"max_det": 0}, "max_det: expected at least 1, got 0"),
        ([np.zeros((4, 4, 3), np.uint8)], {"imgsz": 0}, "imgsz: expected 1 to 8192"),
    ],
)
def test_bad_input_is_named(
    end_to_end: YoloDetector, images: list[Image], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        end_to_end.predict(images, **settings)


def test_unknown_class_is_named(end_to_end: YoloDetector) -> None:
    with pytest.raises(InvalidInput, match="'unicorn' is none of this model's classes"):
        end_to_end.predict([photograph("bus.jpg")], classes=["unicorn"])


def test_inputs_of_several_sizes_do_not_share_a_batch(end_to_end: YoloDetector) -> None:
    prepared = [end_to_end.preprocess(photograph(name)) for name in PHOTOGRAPHS]
    with pytest.raises(InvalidInput, match="batch: expected images of one input size"):
        end_to_end.start(prepared)


def test_closed_detector_says_so() -> None:
    weights("yolo26n")
    detector = load_yolo("yolo26n", runtime="torch")
    detector.close()
    with pytest.raises(ModelError, match="closed"):
        detector.predict([photograph("bus.jpg")])


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_exported_network_finds_the_same_in_float32(
    runtime: str, detector: YoloDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = load_yolo(detector.name, runtime=runtime, precision="f32")
    image = photograph("bus.jpg")
    theirs = predict(detector.name, image, monkeypatch)
    assert_same(exported.predict([image])[0], theirs, image)
    exported.close()


def test_default_runtime_finds_the_same_objects(end_to_end: YoloDetector) -> None:
    fast = load_yolo("yolo26n-e2e")
    for name in PHOTOGRAPHS:
        image = photograph(name)
        found, expected = fast.predict([image])[0], end_to_end.predict([image])[0]
        assert sorted(found.classes) == sorted(expected.classes)
    fast.close()


def test_unknown_runtime_is_named() -> None:
    with pytest.raises(UnknownName, match="runtime 'abacus': one of auto, openvino"):
        load_yolo("yolo26n", runtime="abacus")
