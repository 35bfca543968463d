"""The way of the service beside the plain loop over frames: the same objects, the same tracks."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from models import load_detector, load_embedder
from models.embedder import Embedder
from models.runtime.cpu import has_vnni
from models.types import Detections, Image
from service.decoding.decoders import Decoders
from service.tracks import lines, local
from service.tracks.session import FrameTracks
from tracker import DeepSort

FRAMES = 40


def frame_by_frame(video: Path, embedder_name: str) -> list[dict[str, Any]]:
    """Detector, embedder and tracker called one after the other, a frame at a time."""
    precision = "int8" if has_vnni() else "auto"  # as for frames of videos
    detector, embed = load_detector("yolo26n", precision=precision), load_embedder(embedder_name)
    tracker = DeepSort()
    messages = []
    with av.open(str(video), "r") as container:
        for number, decoded in zip(range(FRAMES), container.decode(video=0), strict=False):
            frame: Image = np.asarray(decoded.to_ndarray(format="bgr24"), np.uint8)
            found = detector.predict([frame], conf=0.1)[0]
            tracks = tracker.update(
                found.boxes,
                found.scores,
                found.classes,
                partial(_embedded, embed, frame, found),
                frame,
                float(decoded.time or 0),
            )
            assert tracks is not None
            messages.append(lines.frame(FrameTracks(number, 0.0, tracks, found)))
    detector.close()
    return messages


def _embedded(
    embed: Embedder, frame: Image, found: Detections, rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    return embed(frame, found.boxes[rows])


@pytest.mark.weights
def test_batches_threads_and_processes_change_nothing(mot_dir: Path) -> None:
    video = mot_dir / "TUD-Campus" / "TUD-Campus.mp4"
    wanted = frame_by_frame(video, "osnet-x0.25")
    request = local.Request(video, embedder="osnet-x0.25")
    with Decoders() as decoders, local.follow(request, decoders) as messages:
        said = (message for message in messages if message["type"] == "frame")
        ours = [message for _, message in zip(range(FRAMES), said, strict=False)]
    assert sum(len(message["objects"]) for message in wanted) > 100
    assert [one["objects"] for one in ours] == [one["objects"] for one in wanted]
