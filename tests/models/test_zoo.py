"""TorchVision's detectors: with weights made on the spot, since their own take a network."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models import catalog, load_detector
from models.detector import detect_options
from models.errors import InvalidInput, ModelError, RuntimeUnavailable, WeightsUnavailable
from models.torchvision_compat import load_torchvision
from models.types import Detections
from models.zoo import ZooDetector, class_of_label, load_zoo
from models.zoo_network import LEAST_SCORE, MOST_OBJECTS, RECIPES, WIDEST_IOU, build

COCO = catalog.entry("yolo26n").classes
CLASSES = ("apple", "pear", "quince")
QUICK = "ssdlite320_mobilenet_v3_large"
LABELS = 91  # COCO's, with the background

Add = Callable[..., str]


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Add:
    """A function that gives weights a name in an operator's catalogue."""

    def add(
        network: str, state: object, classes: Sequence[str] = CLASSES, task: str = "detect"
    ) -> str:
        weights = tmp_path / "weights.pth"
        torch.save(state, weights)
        entry = {
            "task": task,
            "network": network,
            "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
            "classes": list(classes),
            "sources": [{"path": "weights.pth"}],
        }
        return _write(tmp_path / "catalog.toml", entry, monkeypatch)

    return add


def _write(path: Path, entry: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> str:
    def value(item: object) -> str:
        if isinstance(item, dict):
            return "{" + ", ".join(f"{key} = {value(inner)}" for key, inner in item.items()) + "}"
        return f"[{', '.join(map(value, item))}]" if isinstance(item, list) else f'"{item}"'

    lines = [f"{key} = {value(item)}" for key, item in entry.items()]
    path.write_text("\n".join(["[entries.orchard]", *lines]), encoding="utf-8")
    monkeypatch.setenv("TRACKLINE_CATALOG", str(path))
    catalog._read.cache_clear()
    return "orchard"


def random_state(network: str, outputs: int = 1 + len(CLASSES), spread: float = 30) -> Any:
    """Random weights whose scores differ from box to box."""
    torch.manual_seed(0)
    state = build(network, outputs).state_dict()
    for name, tensor in state.items():
        if "cls_score.weight" in name or "classification_head.module_list" in name:
            tensor *= spread
        if name.endswith("cls_logits.bias"):
            tensor += 3  # these begin with all but nothing above the threshold
    return state


def picture(height: int, width: int) -> NDArray[np.uint8]:
    """A picture with something in it: blurred noise."""
    noise = np.random.default_rng(height).integers(0, 256, (height, width, 3))
    return np.asarray(cv2.GaussianBlur(noise.astype(np.uint8), (0, 0), 3), np.uint8)


@pytest.mark.parametrize("network", RECIPES)
def test_a_network_is_built_as_torchvision_builds_it_for_its_published_weights(
    network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    detection = load_torchvision().models.detection
    (weights,) = (name for name in dir(detection) if name.lower() == f"{network}_weights")
    published = getattr(detection, weights).COCO_V1
    with torch.device("meta"):
        ours = build(network, len(published.meta["categories"]))
        monkeypatch.setattr(
            type(published), "get_state_dict", lambda *_, **__: ours.state_dict()
        )  # in place of the download
        theirs = getattr(detection, network)(weights=published)
    assert _layers(ours) == _layers(theirs)


def _layers(model: torch.nn.Module) -> dict[str, tuple[str, float | None]]:
    """The kind of each layer, and the epsilon of those that normalise."""
    return {
        name: (type(module).__name__, getattr(module, "eps", None))
        for name, module in model.named_modules()
    }


@pytest.mark.parametrize("name", ["ssdlite320", "ssd300", "retinanet", "fcos", "mask-rcnn"])
def test_a_published_file_carries_the_beginning_of_its_hash(name: str) -> None:
    entry = catalog.entry(name)
    assert entry.file.endswith(f"-{entry.sha256[:8]}.pth")
    assert entry.licence == "BSD-3-Clause"
    assert entry.network in RECIPES


@pytest.mark.parametrize(
    "network",
    [
        "fasterrcnn_mobilenet_v3_large_fpn",
        "maskrcnn_resnet50_fpn",
        "retinanet_resnet50_fpn",
        "fcos_resnet50_fpn",
        "ssdlite320_mobilenet_v3_large",
    ],
)
def test_pictures_of_mixed_sizes(network: str, add: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.zoo_network.MOST_MASKS", 10)  # each takes its time
    segments = network.startswith("mask")
    name = add(network, random_state(network), task="segment" if segments else "detect")
    detector = load_detector(name)
    images = [picture(120, 80), picture(60, 150)]
    imgsz = 320 if network == QUICK else 160
    found = detector.predict(images, conf=0.02, imgsz=imgsz)
    detector.close()
    for image, detections in zip(images, found, strict=True):
        height, width = image.shape[:2]
        assert 0 < len(detections) <= (10 if segments else 300)
        assert np.isfinite(detections.boxes).all()
        assert (detections.boxes >= 0).all()
        assert (detections.boxes <= [width, height, width, height]).all()
        assert (detections.boxes[:, 2:] >= detections.boxes[:, :2]).all()
        assert (np.diff(detections.scores) <= 0).all()
        assert detections.names == dict(enumerate(CLASSES))
        assert set(detections.classes.tolist()) <= set(detections.names)
        assert (detections.segments is not None) is segments
        for box, outline in zip(detections.boxes, detections.segments or (), strict=False):
            assert (outline >= np.floor(box[:2])).all()
            assert (outline <= np.ceil(box[2:])).all()


@pytest.mark.parametrize(
    ("network", "thresholds"),
    [("fasterrcnn_mobilenet_v3_large_320_fpn", "box_"), (QUICK, "")],
)
def test_the_same_boxes_as_torchvision(network: str, thresholds: str, add: Add) -> None:
    state = random_state(network)
    settings = {
        f"{thresholds}score_thresh": LEAST_SCORE,
        f"{thresholds}nms_thresh": WIDEST_IOU,
        f"{thresholds}detections_per_img": MOST_OBJECTS,
    }
    function = getattr(load_torchvision().models.detection, network)
    model = function(
        weights=None, weights_backbone=None, num_classes=1 + len(CLASSES), **settings
    ).eval()
    model.load_state_dict(state, strict=False)  # ordinary batch normalisation counts batches
    image = picture(360, 500)
    rgb = torch.from_numpy(image[..., ::-1].copy()).permute(2, 0, 1) / 255
    with torch.inference_mode():
        (expected,) = model([rgb])
    detector = load_detector(add(network, state))
    (found,) = detector.predict([image], conf=LEAST_SCORE, iou=WIDEST_IOU, max_det=MOST_OBJECTS)
    assert len(found) == len(expected["boxes"]) > 50
    np.testing.assert_allclose(found.scores, expected["scores"].numpy(), atol=1e-3)
    pairs = load_torchvision().ops.box_iou(torch.from_numpy(found.boxes), expected["boxes"])
    same = torch.from_numpy(found.classes)[:, None] == expected["labels"][None] - 1
    assert float((pairs * same).amax(1).min()) > 0.98


def test_coco_labels_become_the_ids_of_the_eighty_classes() -> None:
    ids = class_of_label(COCO)
    assert len(ids) == LABELS
    assert (ids[0], ids[1], ids[3], ids[90]) == (-1, 0, COCO.index("car"), 79)
    assert sorted(ids[ids >= 0].tolist()) == list(range(80))


def test_other_classes_are_counted_from_the_first_label() -> None:
    assert class_of_label(CLASSES).tolist() == [-1, 0, 1, 2]


@pytest.mark.parametrize(("label", "class_name"), [(1, "person"), (90, "toothbrush"), (12, None)])
def test_classes_are_asked_for_as_of_any_detector(
    label: int, class_name: str | None, add: Add
) -> None:
    state = random_state(QUICK, LABELS, spread=1)
    for key, tensor in state.items():
        if re.search(r"classification_head\.module_list\.\d\.1\.bias", key):
            tensor.view(-1, LABELS)[:, label] += 9
    detector = load_detector(add(QUICK, state, COCO))
    (found,) = detector.predict([picture(64, 64)], conf=0.5)
    assert {found.name(row) for row in range(len(found))} == ({class_name} - {None})
    (person,) = detector.predict([picture(64, 64)], conf=0.5, classes=["person"])
    assert len(person) == (len(found) if class_name == "person" else 0)


@pytest.fixture
def quick(add: Add) -> ZooDetector:
    return load_zoo(add(QUICK, random_state(QUICK)), device="cpu", threads=1)


def test_thresholds_apply_after_the_forward(quick: ZooDetector) -> None:
    prepared = quick.preprocess(picture(200, 300))
    (raw,) = quick.start([prepared]).result()

    def read(**options: Any) -> Detections:
        return quick.postprocess(raw, prepared, detect_options(quick.names, **options))

    everything = read(conf=0, iou=1)
    assert len(everything) == len(raw.scores)
    middle = float(np.median(everything.scores))
    assert len(read(conf=middle, iou=1)) == (everything.scores >= middle).sum()
    counts = [len(read(conf=0, iou=iou)) for iou in (0.7, 0.5, 0.3, 0.1)]
    assert all(wider > tighter for wider, tighter in pairwise(counts))
    assert len(read(conf=0, iou=0.5, agnostic=True)) < len(read(conf=0, iou=0.5))
    assert len(read(conf=0, max_det=7)) == 7
    assert set(read(conf=0, classes=["pear"]).classes.tolist()) == {1}


def test_a_batch_answers_like_its_images_alone(quick: ZooDetector) -> None:
    batch = [quick.preprocess(picture(80, 100)), quick.preprocess(picture(200, 50))]
    assert batch[0].key == batch[1].key == (320, 320, False)
    assert batch[0].pixels == 320 * 320
    for together, prepared in zip(quick.start(batch).result(), batch, strict=True):
        (alone,) = quick.start([prepared]).result()
        np.testing.assert_allclose(together.scores, alone.scores, atol=1e-4)


def test_a_picture_keeps_its_aspect_where_the_network_lets_it(add: Add) -> None:
    network = "fasterrcnn_mobilenet_v3_large_320_fpn"
    detector = load_detector(add(network, random_state(network)))
    assert detector.preprocess(picture(480, 640)).pixels == 320 * 426
    assert detector.preprocess(picture(100, 1000)).pixels == 64 * 640
    assert detector.preprocess(picture(480, 640), 320).pixels == 160 * 213


def test_images_of_two_sizes_are_no_batch(add: Add) -> None:
    network = "fasterrcnn_mobilenet_v3_large_320_fpn"
    detector = load_detector(add(network, random_state(network)))
    batch = [detector.preprocess(picture(48, 64)), detector.preprocess(picture(64, 48))]
    with pytest.raises(InvalidInput, match="expected images of one input size"):
        detector.start(batch)


def test_bad_input_is_named(quick: ZooDetector) -> None:
    with pytest.raises(InvalidInput, match="imgsz: orchard takes 320 alone, got 640"):
        quick.preprocess(picture(64, 64), 640)
    with pytest.raises(InvalidInput, match="got dtype float64"):
        quick.preprocess(np.zeros((64, 64, 3)))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="expected at least one"):
        quick.predict([])


def test_a_closed_detector_says_so(quick: ZooDetector) -> None:
    quick.close()
    with pytest.raises(ModelError, match="has been closed"):
        quick.predict([picture(64, 64)])


def test_it_runs_in_torch_alone(add: Add) -> None:
    with pytest.raises(RuntimeUnavailable, match="orchard runs in torch alone"):
        load_detector(add(QUICK, {}), runtime="openvino")


def test_weights_of_another_network_are_refused(add: Add) -> None:
    with pytest.raises(ModelError, match=f"expected the weights of {QUICK}"):
        load_detector(add(QUICK, {"backbone.weight": torch.zeros(1)}))


class _Pickled:
    """Calls a function when it is unpickled, as a malicious file would."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return pytest.fail, ("code in a file of weights was run",)


def test_no_code_in_a_file_of_weights_is_run(add: Add) -> None:
    with pytest.raises(ModelError, match="expected the weights"):
        load_detector(add(QUICK, {"backbone.weight": _Pickled()}))


def test_an_unknown_network_gets_the_known_ones(add: Add) -> None:
    with pytest.raises(InvalidInput, match="network 'yolov1': one of fasterrcnn"):
        load_detector(add("yolov1", {}))


def test_weights_that_are_not_to_be_had_say_where_to_put_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKLINE_CACHE_DIR", str(tmp_path / "cache"))
    entry = {
        "task": "detect",
        "network": QUICK,
        "file": "ssdlite.pth",
        "sha256": "0" * 64,
        "sources": [{"path": "nowhere/ssdlite.pth"}],
    }
    name = _write(tmp_path / "catalog.toml", entry, monkeypatch)
    with pytest.raises(WeightsUnavailable, match=r"Put ssdlite.pth with sha256 0+ in .*cache"):
        load_detector(name)
