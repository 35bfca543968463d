"""A detector run over labelled images, its classes matched with theirs by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from models.detector import Detector
from models.errors import InvalidInput
from models.ground_truth import GroundTruth, Picture
from models.types import Detections, Image


def detect_labelled(
    detector: Detector,
    truth: GroundTruth,
    read: Callable[[Path], Image],
    *,
    conf: float = 0.001,
    iou: float = 0.7,
    max_det: int = 300,
    imgsz: int | None = None,
) -> Iterator[Detections]:
    """What a detector finds in each labelled image, in order, with the class ids of the truth.

    Parameters
    ----------
    detector : Detector
        Used in the thread of the caller, which has to own it.
    truth : GroundTruth
        Only its classes are looked for.
    read : callable
        The pixels of a picture file, the right way up.
    conf, iou, max_det, imgsz
        As for `Detector.predict`. The curve of precision over recall needs the unsure ones too.

    Raises
    ------
    InvalidInput
        The detector does not know a class that has objects, or a picture is not of the size that
        its labels were made for.
    """
    to_truth = _matched(detector, truth)
    together = max(1, detector.slots * detector.max_batch)
    for start in range(0, len(truth.pictures), together):
        pictures = truth.pictures[start : start + together]
        answers = detector.predict(
            [_pixels(picture, read) for picture in pictures],
            conf=conf,
            iou=iou,
            classes=list(to_truth),
            max_det=max_det,
            imgsz=imgsz,
        )
        for found in answers:
            classes = np.array([to_truth[int(row)] for row in found.classes], np.int32)
            yield Detections(found.boxes, found.scores, classes, truth.names)


def _matched(detector: Detector, truth: GroundTruth) -> dict[int, int]:
    """The truth's id of each class of the detector that the truth has by the same name."""
    ids = {name: class_id for class_id, name in truth.names.items()}
    labelled = {int(row) for picture in truth.pictures for row in picture.truth.classes}
    unknown = sorted(
        truth.names[row] for row in labelled if truth.names[row] not in detector.names.values()
    )
    if unknown:
        knows = ", ".join(list(detector.names.values())[:8])
        raise InvalidInput(
            f"{detector.name} does not know the labelled classes {', '.join(unknown)}; it knows "
            f"{knows}{', …' if len(detector.names) > 8 else ''}. Name the classes to be scored"
        )
    return {row: ids[name] for row, name in detector.names.items() if name in ids}


def _pixels(picture: Picture, read: Callable[[Path], Image]) -> Image:
    image = read(picture.path)
    picture.check_size(image)
    return image
