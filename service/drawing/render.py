"""Drawing: boxes, labels, outlines and the trails of tracks, onto pictures."""

from __future__ import annotations

import colorsys
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from models.types import Detections, Image

Colour = tuple[int, int, int]

GOLDEN_ANGLE = 0.381966  # of a turn: neighbouring keys get hues that are far apart
TRAIL_FRAMES = 48
FONT = cv2.FONT_HERSHEY_SIMPLEX


def colour_of(key: int) -> Colour:
    """A bright colour (blue, green, red) that is the same for the same key everywhere."""
    hue = (key * GOLDEN_ANGLE) % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.72, 0.95)
    return round(255 * blue), round(255 * green), round(255 * red)


def draw_detections(image: Image, detections: Detections) -> Image:
    """Draw the objects of one picture.

    Parameters
    ----------
    image : uint8 [H, W, 3]
        Left as it is; the drawing is on a copy.
    detections : Detections
        Boxes, and outlines where there are any, in pixels of ``image``.

    Returns
    -------
    uint8 [H, W, 3]
    """
    canvas = image.copy()
    scale = _scale(canvas)
    if detections.segments is not None:
        for row, outline in enumerate(detections.segments):
            _draw_outline(canvas, outline, colour_of(int(detections.classes[row])))
    # The best is drawn last, on top.
    for row in reversed(range(len(detections))):
        colour = colour_of(int(detections.classes[row]))
        text = f"{detections.name(row)} {detections.scores[row]:.2f}"
        _draw_box(canvas, detections.boxes[row].tolist(), text, colour, scale)
    return canvas


class TrackPainter:
    """Draws the frames of one video: boxes, IDs, and the trail that each object leaves."""

    def __init__(self) -> None:
        self._trails: dict[int, deque[tuple[int, int]]] = {}

    def draw(self, image: Image, objects: Sequence[Mapping[str, Any]]) -> Image:
        """Draw the objects of the next frame.

        Parameters
        ----------
        image : uint8 [H, W, 3]
            Left as it is; the drawing is on a copy.
        objects : sequence of mapping
            As in a ``frame`` line of a track stream: ``track_id``, ``name``, ``box``,
            ``predicted``.
        """
        canvas = image.copy()
        scale = _scale(canvas)
        for item in objects:
            box = item["box"]
            foot = (round((box["x1"] + box["x2"]) / 2), round(box["y2"]))
            self._trails.setdefault(item["track_id"], deque(maxlen=TRAIL_FRAMES)).append(foot)
        self._fade(item["track_id"] for item in objects)
        for track_id, trail in self._trails.items():
            points = np.array(trail, np.int32).reshape(-1, 1, 2)
            cv2.polylines(canvas, [points], False, colour_of(track_id), scale, cv2.LINE_AA)
        for item in objects:
            box = [item["box"][corner] for corner in ("x1", "y1", "x2", "y2")]
            text = f"{item['track_id']} {item['name']}"
            thickness = 1 if item.get("predicted") else scale
            _draw_box(canvas, box, text, colour_of(item["track_id"]), thickness)
        return canvas

    def _fade(self, seen: Iterable[int]) -> None:
        """Shorten the trails of those who are gone, and forget them when nothing is left."""
        present = set(seen)
        for track_id in list(self._trails):
            if track_id in present:
                continue
            self._trails[track_id].popleft()
            if not self._trails[track_id]:
                del self._trails[track_id]


def _scale(image: Image) -> int:
    """Width of a line, in pixels, that looks the same on small and large pictures."""
    height, width = (int(side) for side in image.shape[:2])
    return max(1, round(max(height, width) / 500))


def _draw_outline(canvas: Image, outline: np.ndarray, colour: Colour) -> None:
    if len(outline) < 3:
        return
    points = np.rint(outline).astype(np.int32).reshape(-1, 1, 2)
    x, y, width, height = cv2.boundingRect(points)
    x, y = max(x, 0), max(y, 0)
    region = canvas[y : y + height, x : x + width]
    tint = region.copy()
    cv2.fillPoly(tint, [points - (x, y)], colour)
    cv2.addWeighted(tint, 0.4, region, 0.6, 0, dst=region)


def _draw_box(
    canvas: Image, box: Sequence[float], text: str, colour: Colour, thickness: int
) -> None:
    x1, y1, x2, y2 = (round(value) for value in box)
    cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, thickness)
    size = 0.35 + 0.15 * thickness
    weight = max(1, thickness // 2)
    (width, height), base = cv2.getTextSize(text, FONT, size, weight)
    # Above the box where there is room, else inside of it.
    top = y1 - height - base - 2 if y1 - height - base - 2 >= 0 else y1
    left = min(max(x1, 0), max(canvas.shape[1] - width - 4, 0))
    corner = (left + width + 4, top + height + base + 2)
    cv2.rectangle(canvas, (left, top), corner, colour, cv2.FILLED)
    dark = 0.114 * colour[0] + 0.587 * colour[1] + 0.299 * colour[2] > 130
    ink = (0, 0, 0) if dark else (255, 255, 255)
    cv2.putText(canvas, text, (left + 2, top + height + 1), FONT, size, ink, weight, cv2.LINE_AA)
