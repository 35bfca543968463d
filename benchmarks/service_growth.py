"""How the cost of the way grows: with the size of pictures, and with the objects of a frame."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from itertools import pairwise

import httpx
import numpy as np

from benchmarks.service_images import pictures
from benchmarks.service_process import Process
from benchmarks.tracker_stream import stream
from models.nms import batched_nms
from models.types import Detections
from service.tracks import lines
from service.tracks.session import FrameTracks
from tracker import DeepSort

SIZES = ((320, 180), (640, 360), (1280, 720), (1920, 1080), (3840, 2160))
OBJECTS = (1, 5, 10, 20, 50, 100, 200)
STAGES = ("decode", "preprocess", "queue", "inference", "postprocess")
WARM_UP, FRAMES = 60, 120


def image_sizes(server: Process, video: bytes) -> list[dict[str, float]]:
    """Milliseconds of each stage, of one client after the other, for JPEGs of several sizes."""
    figures = []
    with httpx.Client(base_url=server.address) as client:
        for width, height in SIZES:
            files = pictures(video, width, height)
            answers, whole = [], []
            for file in [*files, *files]:
                began = time.perf_counter()
                answer = client.post("/v1/detect", content=file).raise_for_status()
                whole.append(1000 * (time.perf_counter() - began))
                answers.append(answer.json()["timing"])
            later = answers[len(files) :]
            medians = {
                stage: statistics.median(timing[f"{stage}_ms"] for timing in later)
                for stage in STAGES
            }
            all_ms = statistics.median(whole[len(files) :])
            figures.append({"megapixels": width * height / 1e6, "all": all_ms} | medians)
    return figures


def objects() -> list[dict[str, float]]:
    """CPU milliseconds a frame of what depends on the number of objects, embeddings given."""
    return [{"objects": count} | _object_costs(count) for count in OBJECTS]


def _object_costs(count: int) -> dict[str, float]:
    tracker, spent = DeepSort(), {"suppression": 0.0, "tracker": 0.0, "line": 0.0}
    names = {0: "person"}
    for number, given in zip(range(WARM_UP + FRAMES), stream(count), strict=False):
        classes = np.zeros(len(given.boxes), np.int32)
        times = [time.thread_time()]
        batched_nms(given.boxes, given.scores, classes, 0.7)
        times.append(time.thread_time())
        tracks = tracker.update(given.boxes, given.scores, classes, given.embeddings)
        times.append(time.thread_time())
        assert tracks is not None
        found = Detections(given.boxes, given.scores, classes, names)
        lines.ndjson(lines.frame(FrameTracks(number, 0.0, tracks, found)))
        times.append(time.thread_time())
        if number >= WARM_UP:
            for stage, seconds in zip(spent, np.diff(times), strict=True):
                spent[stage] += 1000 * float(seconds) / FRAMES
    return spent


def frames(seen: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    """CPU milliseconds a frame and memory between the marks of a long video."""
    return [
        {
            "frames": after["frames"],
            "mib": after["mib"],
            "cpu_ms": 1000
            * (after["cpu_s"] - before["cpu_s"])
            / (after["frames"] - before["frames"]),
        }
        for before, after in pairwise(seen)
    ]
