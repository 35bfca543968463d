"""Labelled images: COCO's and YOLO's form of the same data, and what is wrong in either."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from models.average_precision import average_precision
from models.errors import InvalidInput
from models.ground_truth import GroundTruth, read_ground_truth
from models.ground_truth_coco import read_results

WIDTH, HEIGHT = 200, 100
PICTURES: dict[str, list[tuple[int, list[float]]]] = {
    "street": [(0, [20, 10, 60, 50]), (1, [100, 20, 180, 80])],
    "empty": [],
    "yard": [(1, [40, 40, 80, 60])],
}
"""Class ids and corners."""
NAMES = ["person", "car"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The same labelled images as YOLO's folders and as COCO's file."""
    for name in ("images/val", "labels/val"):
        (tmp_path / name).mkdir(parents=True)
    for stem, objects in PICTURES.items():
        cv2.imwrite(
            str(tmp_path / f"images/val/{stem}.png"), np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        )
        lines = [
            f"{class_id} {(x1 + x2) / 2 / WIDTH} {(y1 + y2) / 2 / HEIGHT} "
            f"{(x2 - x1) / WIDTH} {(y2 - y1) / HEIGHT}"
            for class_id, (x1, y1, x2, y2) in objects
        ]
        if lines:
            (tmp_path / f"labels/val/{stem}.txt").write_text("\n".join(lines) + "\n")
    (tmp_path / "data.yaml").write_text("path: .\nval: images/val\nnames: [person, car]\n")
    (tmp_path / "coco.json").write_text(json.dumps(coco()))
    return tmp_path


def coco() -> dict[str, Any]:
    return {
        "images": [
            {"id": number, "file_name": f"val/{stem}.png", "width": WIDTH, "height": HEIGHT}
            for number, stem in enumerate(PICTURES, 7)
        ],
        "categories": [
            {"id": 10 * (1 + number), "name": name} for number, name in enumerate(NAMES)
        ],
        "annotations": [
            {"id": 1, "image_id": number, "category_id": 10 * (1 + class_id)}
            | {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1), "iscrowd": 0}
            for number, objects in enumerate(PICTURES.values(), 7)
            for class_id, (x1, y1, x2, y2) in objects
        ],
    }


def by_name(truth: GroundTruth) -> dict[str, list[tuple[str, list[float]]]]:
    return {
        picture.path.stem: [
            (truth.names[int(class_id)], np.round(box, 6).tolist())
            for class_id, box in zip(picture.truth.classes, picture.truth.boxes, strict=True)
        ]
        for picture in truth.pictures
    }


def test_both_forms_say_the_same(folder: Path) -> None:
    expected = {
        stem: [(NAMES[class_id], box) for class_id, box in objects]
        for stem, objects in PICTURES.items()
    }
    for path in (folder, folder / "data.yaml", folder / "coco.json"):
        truth = read_ground_truth(path)
        assert by_name(truth) == expected
        assert all(picture.path.is_file() for picture in truth.pictures)
        assert all((one.width, one.height) == (WIDTH, HEIGHT) for one in truth.pictures)


def test_both_forms_give_the_same_numbers(folder: Path) -> None:
    answers = []
    for path, ids in ((folder, ["street", "yard"]), (folder / "coco.json", [7, 9])):
        truth = read_ground_truth(path)
        person, car = sorted(truth.names)
        rows = [
            {"image_id": ids[0], "category_id": person, "bbox": [20, 10, 40, 38], "score": 0.9},
            {"image_id": ids[0], "category_id": car, "bbox": [100, 20, 60, 60], "score": 0.4},
            {"image_id": ids[1], "category_id": car, "bbox": [0, 0, 9, 9], "score": 0.8},
        ]
        (folder / "results.json").write_text(json.dumps(rows))
        found = read_results(folder / "results.json", truth)
        answers.append(average_precision([one.truth for one in truth.pictures], found, truth.names))
    assert answers[0] == answers[1]
    # The car that is found comes second of two boxes and is one of two cars.
    assert answers[0].classes["car"].ap50 == pytest.approx(51 * 0.5 / 101)
    assert answers[0].classes["person"].ap50 == 1


def test_folders_without_a_yaml_take_the_names_from_a_text_file(folder: Path) -> None:
    (folder / "data.yaml").unlink()
    with pytest.raises(InvalidInput, match="the names of the classes expected"):
        read_ground_truth(folder)
    (folder / "classes.txt").write_text("person\ncar\n")
    assert by_name(read_ground_truth(folder))["yard"] == [("car", [40, 40, 80, 60])]


def test_a_text_file_lists_pictures_and_names_may_be_a_mapping(folder: Path) -> None:
    (folder / "some.txt").write_text("./images/val/yard.png\n")
    (folder / "data.yaml").write_text("test: some.txt\nnames: {0: person, 1: car}\n")
    assert list(by_name(read_ground_truth(folder, split="test"))) == ["yard"]
    with pytest.raises(InvalidInput, match="no part 'val'; there are: test"):
        read_ground_truth(folder)


def test_outlines_are_kept_in_both_forms(folder: Path) -> None:
    corners = [[20.0, 10.0], [60.0, 10.0], [40.0, 50.0]]
    flat = [value for corner in corners for value in corner]
    shares = " ".join(f"{x / WIDTH} {y / HEIGHT}" for x, y in corners)
    (folder / "labels/val/street.txt").write_text(f"0 {shares}\n1 0.7 0.5 0.4 0.6\n")
    data = coco()
    data["annotations"][0]["segmentation"] = [flat]
    data["annotations"][1]["segmentation"] = {"counts": [1, 2], "size": [HEIGHT, WIDTH]}
    (folder / "coco.json").write_text(json.dumps(data))
    for path in (folder, folder / "coco.json"):
        pictures = {one.path.stem: one for one in read_ground_truth(path).pictures}
        (outline,), none = pictures["street"].outlines
        np.testing.assert_allclose(outline, corners)
        assert none == ()
        assert len(pictures["street"].truth.boxes) == 2
        assert pictures["empty"].outlines == ()
    cars = read_ground_truth(folder).only(["car"])
    assert [len(one.outlines) for one in cars.pictures] == [0, 1, 1]


def test_outlines_that_are_none_are_refused(folder: Path) -> None:
    data = coco()
    data["annotations"][0]["segmentation"] = [[1, 2, 3, 4]]
    (folder / "coco.json").write_text(json.dumps(data))
    with pytest.raises(InvalidInput, match=r"annotations\[0\].*three"):
        read_ground_truth(folder / "coco.json")


def test_of_an_outline_the_box_is_taken(folder: Path) -> None:
    (folder / "labels/val/empty.txt").write_text("0 0.1 0.2 0.5 0.3 0.4 0.9\n")
    assert by_name(read_ground_truth(folder))["empty"] == [("person", [20, 20, 100, 90])]


def test_a_picture_on_its_side_is_measured_the_right_way_up(folder: Path) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (WIDTH, HEIGHT)).save(folder / "images/val/yard.png", exif=exif)
    picture = read_ground_truth(folder).pictures[-1]
    assert (picture.width, picture.height) == (HEIGHT, WIDTH)
    assert picture.truth.boxes[0].tolist() == pytest.approx([20, 80, 40, 120])


def test_only_keeps_the_images_and_drops_the_other_classes(folder: Path) -> None:
    truth = read_ground_truth(folder).only(["car"])
    assert truth.names == {1: "car"}
    assert [len(picture.truth.boxes) for picture in truth.pictures] == [0, 1, 1]
    with pytest.raises(InvalidInput, match=r"labelled ones expected \(person, car\), got car, dog"):
        read_ground_truth(folder).only(["car", "dog"])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2 0.5 0.5 0.1 0.1", "class 2 has no name"),
        ("0 0.5 0.5 0.1", "got 3 numbers"),
        ("0 50 50 10 10", "from 0 to 1"),
        ("0 nan 0.5 0.1 0.1", "from 0 to 1"),
        ("person 0.5 0.5 0.1 0.1", "could not convert"),
    ],
)
def test_a_wrong_label_is_named_with_its_line(folder: Path, line: str, said: str) -> None:
    (folder / "labels/val/yard.txt").write_text(f"0 0.5 0.5 0.1 0.1\n{line}\n")
    with pytest.raises(InvalidInput, match=rf"yard\.txt, line 2: .*{said}"):
        read_ground_truth(folder)


def test_missing_pictures_and_labels_are_named(folder: Path) -> None:
    with pytest.raises(InvalidInput, match="nothing is at"):
        read_ground_truth(folder / "nowhere")
    for labels in (folder / "labels/val").iterdir():
        labels.unlink()
    with pytest.raises(InvalidInput, match="none of 3 pictures has labels"):
        read_ground_truth(folder)
    (folder / "images/val/yard.png").write_bytes(b"no picture")
    (folder / "labels/val/yard.txt").write_text("")
    with pytest.raises(InvalidInput, match=r"yard\.png: a picture that can be read expected"):
        read_ground_truth(folder)
    (folder / "data.yaml").write_text("val: elsewhere\nnames: [person]\n")
    with pytest.raises(InvalidInput, match="elsewhere"):
        read_ground_truth(folder)
    (folder / "data.yaml").write_text("val: images/val\n")
    with pytest.raises(InvalidInput, match="'names' expected"):
        read_ground_truth(folder)


def change(**parts: Any) -> str:
    return json.dumps(coco() | parts)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "a JSON file expected"),
        ("[]", "an object with images, annotations and categories expected"),
        (change(images={}), "images: a list expected, got dict"),
        (change(images=[3]), r"images\[0\]: an object expected, got int"),
        ("[" * 100_000, "a JSON file expected"),
        (change(images=[{"id": 1}]), r"images\[0\]: 'file_name' is missing"),
        (
            change(images=[{"id": 1, "file_name": "a.png", "width": 1e999, "height": 1}]),
            r"images\[0\]: cannot convert float infinity",
        ),
        (change(categories=[]), r"annotations\[0\]: an image and a category of this file"),
        (
            change(annotations=[{"image_id": 7, "category_id": 10, "bbox": [0, 0, -1, 1]}]),
            r"annotations\[0\]: bbox: finite x, y, width, height expected",
        ),
    ],
)
def test_a_wrong_entry_of_coco_is_named(folder: Path, text: str, said: str) -> None:
    (folder / "coco.json").write_text(text)
    with pytest.raises(InvalidInput, match=said):
        read_ground_truth(folder / "coco.json")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"annotations": []}, "a list of results expected"),
        ([{"image_id": 1, "category_id": 10, "bbox": [0, 0, 1, 1], "score": 1}], "has the id '1'"),
        ([{"image_id": 7, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 1}], "category_id 1 is"),
        ([{"image_id": 7, "category_id": 10, "bbox": [0, 0, 1], "score": 1}], "not enough values"),
        ([{"image_id": 7, "category_id": 10, "bbox": [0, 0, 1, 1], "score": 7}], "from 0 to 1"),
        ([{"image_id": 7, "category_id": 10, "bbox": [0, 0, 1, 1]}], "'score' is missing"),
    ],
)
def test_wrong_results_are_named(folder: Path, rows: Any, said: str) -> None:
    (folder / "results.json").write_text(json.dumps(rows))
    with pytest.raises(InvalidInput, match=said):
        read_results(folder / "results.json", read_ground_truth(folder / "coco.json"))


def test_results_are_refused_where_two_pictures_have_one_name(folder: Path) -> None:
    (folder / "images/val/night").mkdir()
    (folder / "images/val/yard.png").rename(folder / "images/val/night/street.png")
    (folder / "results.json").write_text("[]")
    with pytest.raises(InvalidInput, match="have one name"):
        read_results(folder / "results.json", read_ground_truth(folder))


def test_labels_that_are_no_text_are_named(folder: Path) -> None:
    (folder / "labels/val/yard.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInput, match=r"yard\.txt: a text file in UTF-8 expected"):
        read_ground_truth(folder)
