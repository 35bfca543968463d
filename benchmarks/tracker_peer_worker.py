"""Run one peer over one stream of detections: a process of its own, in the peers' environment.

    python tracker_peer_worker.py --list
    python tracker_peer_worker.py PEER INPUT.npz OUTPUT.npz

This file imports nothing of Trackline, so that it runs where only the peers are installed. INPUT
holds ``det`` [N, 5] (x1, y1, x2, y2, confidence), ``emb`` [N, D], ``off`` [T + 1] (frame t owns
rows ``off[t]:off[t + 1]``) and ``wh``. OUTPUT gets ``rows`` [K, 7] (frame from 1, id, left, top,
width, height, score) and the milliseconds of every update, ``wall`` and ``cpu`` [T]. What a peer
takes is made ready, and what it answers is read, outside of the time that is measured.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import io
import json
import logging
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]


class Peer(NamedTuple):
    """Three steps of one peer: detections in its own form, its update, and rows of its answer."""

    prepare: Callable[[Array, Array, Array], Any]
    update: Callable[[Any], Any]
    read: Callable[[Any], Array]
    """The answer as id, x1, y1, x2, y2, score, float [K, 6]."""


def rows(values: list[list[float]]) -> Array:
    """Rows of six numbers, also when there are none."""
    return np.asarray(values, np.float64).reshape(-1, 6)


def boxmot(name: str, backend: str = "python", **options: bool) -> Peer:
    """BoxMOT's trackers, appearance given, without camera motion."""
    import torch

    structures = importlib.import_module("boxmot.structures")
    trackers = importlib.import_module("boxmot.trackers")
    tracker = trackers.create_tracker(
        trackers.TrackerSpec(name=name, backend=backend, options=tuple(options.items()))
    )
    if backend == "python":
        # No frames are given to any tracker; some have no option to go without.
        tracker.cmc, tracker._requires_frame = None, False

    def prepare(boxes: Array, scores: Array, embeddings: Array) -> Any:
        return structures.Detections(
            geometry=structures.Boxes(torch.from_numpy(boxes)),
            scores=torch.from_numpy(scores),
            class_ids=torch.zeros(len(boxes), dtype=torch.int64),
            sample_id="frame",
            embeddings=torch.from_numpy(embeddings) if tracker.requirements.embeddings else None,
        )

    def read(tracks: Any) -> Array:
        ids, scores = tracks.track_ids.numpy(), tracks.scores.numpy()
        return np.column_stack([ids, tracks.geometry.values.numpy(), scores])

    return Peer(prepare, tracker.update, read)


class UltralyticsBoxes:
    """What Ultralytics' trackers look at in a result."""

    def __init__(self, xyxy: Array, conf: Array) -> None:
        self.xyxy, self.conf, self.cls = xyxy, conf, np.zeros(len(conf), np.float32)
        size = xyxy[:, 2:] - xyxy[:, :2]
        self.xywh = np.concatenate([xyxy[:, :2] + size / 2, size], axis=1)

    def __len__(self) -> int:
        return len(self.conf)

    def __getitem__(self, kept: Any) -> UltralyticsBoxes:
        return UltralyticsBoxes(self.xyxy[kept], self.conf[kept])


def ultralytics(name: str, **changes: Any) -> Peer:
    """Ultralytics' trackers with the settings of their YAML files."""
    utils = importlib.import_module("ultralytics.utils")
    checks = importlib.import_module("ultralytics.utils.checks")
    trackers = importlib.import_module("ultralytics.trackers")
    settings = utils.YAML.load(checks.check_yaml(f"{name}.yaml")) | changes
    kind = {"bytetrack": trackers.BYTETracker, "botsort": trackers.BOTSORT}[name]
    tracker = kind(utils.IterableSimpleNamespace(**settings))

    def update(given: Any) -> Any:
        boxes, embeddings = given
        return tracker.update(boxes, None, embeddings)

    def read(answer: Any) -> Array:
        found: Array = np.asarray(answer, np.float64).reshape(-1, 8)[:, [4, 0, 1, 2, 3, 5]]
        return found

    return Peer(lambda b, s, e: (UltralyticsBoxes(b, s), e), update, read)


def roboflow(name: str) -> Peer:
    """Roboflow's trackers at their defaults."""
    supervision = importlib.import_module("supervision")
    tracker = getattr(importlib.import_module("trackers"), name)()

    def prepare(boxes: Array, scores: Array, embeddings: Array) -> Any:
        classes = np.zeros(len(boxes), int)
        return supervision.Detections(xyxy=boxes, confidence=scores, class_id=classes)

    def read(answer: Any) -> Array:
        if answer.tracker_id is None or not len(answer):
            return rows([])
        known = answer.tracker_id >= 0
        found = np.column_stack([answer.tracker_id, answer.xyxy, answer.confidence])
        return np.asarray(found[known], np.float64)

    return Peer(prepare, tracker.update, read)


def norfair() -> Peer:
    """Norfair with IoU as the distance, the settings of its own documentation for boxes."""
    module = importlib.import_module("norfair")
    tracker = module.Tracker(distance_function="iou", distance_threshold=0.7)

    def prepare(boxes: Array, scores: Array, embeddings: Array) -> Any:
        corners = boxes.astype(np.float64).reshape(-1, 2, 2)
        both = np.repeat(scores[:, None], 2, axis=1)
        return [module.Detection(c, scores=s) for c, s in zip(corners, both, strict=True)]

    def read(answer: Any) -> Array:
        seen = [t for t in answer if t.last_detection.age == t.age or t.hit_counter > 0]
        return rows([[t.id, *t.estimate.ravel(), 1.0] for t in seen])

    return Peer(prepare, tracker.update, read)


def deep_sort_realtime() -> Peer:
    """deep-sort-realtime at its defaults, embeddings given; the filter's box where it matched."""
    module = importlib.import_module("deep_sort_realtime.deepsort_tracker")
    tracker = module.DeepSort(embedder=None)

    def prepare(boxes: Array, scores: Array, embeddings: Array) -> Any:
        sizes = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
        raw = [(box, score, 0) for box, score in zip(sizes.tolist(), scores.tolist(), strict=True)]
        return raw, list(embeddings)

    def read(answer: Any) -> Array:
        seen = [t for t in answer if t.is_confirmed() and t.time_since_update == 0]
        return rows([[int(t.track_id), *t.to_ltrb(), 1.0] for t in seen])

    return Peer(prepare, lambda given: tracker.update_tracks(*given), read)


PEERS: dict[str, tuple[str, Callable[[], Peer]]] = {
    "BoxMOT StrongSORT": ("boxmot", lambda: boxmot("strongsort")),
    "BoxMOT OccluBoost": ("boxmot", lambda: boxmot("occluboost", use_cmc=False)),
    "BoxMOT OccluBoost, C++": ("boxmot", lambda: boxmot("occluboost", "cpp", use_cmc=False)),
    "BoxMOT BoostTrack": ("boxmot", lambda: boxmot("boosttrack", use_cmc=False)),
    "BoxMOT BoT-SORT": ("boxmot", lambda: boxmot("botsort", use_cmc=False)),
    "BoxMOT BoT-SORT, C++": ("boxmot", lambda: boxmot("botsort", "cpp", use_cmc=False)),
    "BoxMOT Deep OC-SORT": ("boxmot", lambda: boxmot("deepocsort", cmc_off=True)),
    "BoxMOT HybridSORT": ("boxmot", lambda: boxmot("hybridsort")),
    "Ultralytics ByteTrack": ("ultralytics", lambda: ultralytics("bytetrack")),
    "Ultralytics BoT-SORT": ("ultralytics", lambda: ultralytics("botsort", gmc_method="none")),
    "Ultralytics BoT-SORT + ReID": (
        "ultralytics",
        lambda: ultralytics("botsort", gmc_method="none", with_reid=True),
    ),
    "Roboflow ByteTrack": ("trackers", lambda: roboflow("ByteTrackTracker")),
    "Roboflow OC-SORT": ("trackers", lambda: roboflow("OCSORTTracker")),
    "Norfair": ("norfair", norfair),
    "deep-sort-realtime": ("deep-sort-realtime", deep_sort_realtime),
}


def run(peer: Peer, stream: dict[str, Array]) -> tuple[Array, Array, Array]:
    """Drive a peer through all frames: its rows, and wall and CPU ms of every update."""
    found, wall, cpu = [np.zeros((0, 7))], [], []
    offsets = stream["off"]
    for t in range(len(offsets) - 1):
        part = slice(offsets[t], offsets[t + 1])
        detections, embeddings = stream["det"][part], stream["emb"][part]
        given = peer.prepare(
            np.ascontiguousarray(detections[:, :4], np.float32),
            np.ascontiguousarray(detections[:, 4], np.float32),
            np.ascontiguousarray(embeddings, np.float32),
        )
        wall_start, cpu_start = time.perf_counter(), time.process_time()
        answer = peer.update(given)
        cpu.append(time.process_time() - cpu_start)
        wall.append(time.perf_counter() - wall_start)
        answer = peer.read(answer)
        block = np.column_stack([np.full(len(answer), t + 1.0), answer])
        block[:, 4:6] -= block[:, 2:4]
        found.append(block)
    return np.concatenate(found), 1000 * np.array(wall), 1000 * np.array(cpu)


def installed() -> dict[str, str]:
    """The version of each peer that is installed here."""
    versions = {}
    for name, (distribution, _) in PEERS.items():
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = f"{distribution} {importlib.metadata.version(distribution)}"
    return versions


def main(arguments: list[str]) -> None:
    """Answer ``--list`` or run one peer."""
    if arguments == ["--list"]:
        print(json.dumps(installed()))
        return
    name, source, target = arguments
    logging.disable(logging.WARNING)
    with np.load(source) as stored:
        stream = dict(stored)
    with contextlib.redirect_stdout(io.StringIO()):
        found, wall, cpu = run(PEERS[name][1](), stream)
    np.savez(target, rows=found, wall=wall, cpu=cpu)


if __name__ == "__main__":
    main(sys.argv[1:])
