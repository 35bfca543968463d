"""What is drawn, and the video file that it is written to."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from models.errors import InvalidInput
from models.types import Detections
from service.decoding.decoders import Decoders
from service.drawing.annotate import annotate_video
from service.drawing.render import TRAIL_FRAMES, TrackPainter, colour_of, draw_detections
from service.drawing.videowriter import VideoWriter
from tests.service.clips import clip


def item(track_id: int, x: float, *, predicted: bool = False) -> dict[str, object]:
    box = {"x1": x, "y1": 40.0, "x2": x + 30, "y2": 90.0}
    return {"track_id": track_id, "name": "car", "box": box, "predicted": predicted}


def blank(height: int = 120, width: int = 160) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


def test_the_box_is_drawn_where_it_is_and_the_picture_left_alone() -> None:
    image = blank()
    found = Detections(
        np.array([[50, 40, 100, 90]], np.float32),
        np.array([0.9], np.float32),
        np.array([2], np.int32),
        {2: "car"},
    )
    drawn = draw_detections(image, found)
    assert not image.any()
    assert tuple(drawn[70, 50]) == colour_of(2)
    assert not drawn[70, 75].any(), "the inside of a box is left as it is"


def test_an_outline_is_filled() -> None:
    outline = np.array([[50, 40], [100, 40], [100, 90], [50, 90]], np.float32)
    found = Detections(
        np.array([[50, 40, 100, 90]], np.float32),
        np.array([0.9], np.float32),
        np.array([2], np.int32),
        {2: "car"},
        (outline,),
    )
    assert draw_detections(blank(), found)[70, 75].any()


def test_nothing_to_draw_changes_nothing() -> None:
    assert not draw_detections(blank(), Detections.empty()).any()


@pytest.mark.parametrize("box", [[-500, -500, 900, 900], [150, 100, 400, 400], [0, 0, 0, 0]])
def test_boxes_beyond_the_border_are_drawn_as_far_as_they_are_inside(box: list[float]) -> None:
    found = Detections(np.array([box]), np.array([0.5]), np.array([0]), {0: "car"})
    assert draw_detections(blank(), found).shape == (120, 160, 3)


def test_colours_of_neighbouring_ids_differ() -> None:
    assert len({colour_of(key) for key in range(50)}) == 50


def test_a_trail_follows_a_track_and_fades_when_it_is_gone() -> None:
    painter = TrackPainter()
    for x in range(20):
        drawn = painter.draw(blank(), [item(1, 3.0 * x)])
    foot = drawn[90, 40].astype(int)
    assert abs(foot - colour_of(1)).max() < 40, "the way that the foot point took"
    for _ in range(TRAIL_FRAMES):
        drawn = painter.draw(blank(), [])
    assert not drawn.any()


def test_a_written_video_has_the_pictures_at_their_times(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    times = [0.0, 0.1, 0.5, 0.6]
    with VideoWriter(path, 161, 121, 10.0) as writer:
        for number, time in enumerate(times):
            writer.write(np.full((121, 161, 3), 60 * number, np.uint8), time)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
    assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 160, 120)
    assert [round(float(frame.time or 0), 3) for frame in frames] == times
    levels = [float(frame.to_ndarray(format="bgr24").mean()) for frame in frames]
    assert levels == pytest.approx([0, 60, 120, 180], abs=4)


def test_a_video_needs_a_size(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="1x1"):
        VideoWriter(tmp_path / "out.mp4", 1, 1, 10.0)


def test_tracks_are_drawn_onto_their_frames(tmp_path: Path) -> None:
    source, out = tmp_path / "in.mp4", tmp_path / "out.mp4"
    source.write_bytes(clip("mp4", 10))
    lines = [{"frame": number, "objects": [item(1, 60.0)]} for number in range(0, 10, 2)]
    with Decoders() as decoders:
        written = list(annotate_video(source, lines, out, decoders))
    assert written == [0, 2, 4, 6, 8]
    with av.open(str(out)) as container:
        images = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    assert len(images) == 5
    blue, green, red = (int(value) for value in colour_of(1))
    edge = images[2][65, 60].astype(int)
    assert abs(edge - (blue, green, red)).max() < 70, "the left edge of the box"
