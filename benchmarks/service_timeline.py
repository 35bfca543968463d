"""A timeline of the way of a video: which stage works when, while several frames are under way.

    python -m benchmarks.service_timeline VIDEO [-o docs/performance/timeline.svg]

The stages are wrapped from outside, in the process that follows the video; the decoder, which has
a process of its own, shows as the frames that it hands over.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from threading import get_ident
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.service_process import ROOT
from models.runtime.openvino import OpenVinoRuntime
from models.yolo import YoloDetector
from service.decoding.decoders import Decoders
from service.decoding.video import Video, VideoFrame
from service.tracks import lines, local
from tracker import DeepSort

TARGET = ROOT / "docs" / "performance" / "timeline.svg"
WARM_UP, SHOWN = 120, 8
"""Frames before those that are shown, and how many those are."""
COLOURS = {
    "frame comes": "#8a8a8a",
    "letterbox": "#2b66b1",
    "network": "#c8372d",
    "boxes": "#d08a1d",
    "tracker": "#2f8f4e",
    "appearance": "#7d4fa3",
    "line": "#444444",
}


@dataclass(frozen=True, slots=True)
class Span:
    """One piece of work; times in seconds."""

    stage: str
    thread: int
    start: float
    end: float


class Recorder:
    """Wraps functions so that each call leaves a span."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def wrap(self, owner: Any, name: str, stage: str | Callable[..., str | None]) -> None:
        """Record the calls of ``owner.name``; a callable tells the stage, or None, of each."""
        original = getattr(owner, name)

        @wraps(original)
        def recorded(*arguments: Any, **keywords: Any) -> Any:
            start = time.perf_counter()
            answer = original(*arguments, **keywords)
            told = stage if isinstance(stage, str) else stage(answer, *arguments)
            if told is not None:
                self.spans.append(Span(told, get_ident(), start, time.perf_counter()))
            return answer

        setattr(owner, name, recorded)


def record(video: Path) -> list[Span]:
    """Follow a video's first frames and answer what was done when."""
    recorder = Recorder()
    recorder.wrap(YoloDetector, "preprocess", "letterbox")
    recorder.wrap(YoloDetector, "postprocess", "boxes")
    recorder.wrap(DeepSort, "update", "tracker")
    recorder.wrap(OpenVinoRuntime, "forward", _network)
    recorder.wrap(Video, "receive", _received)
    with (
        Decoders() as decoders,
        local.follow(local.Request(video), decoders) as messages,
    ):
        for message in messages:
            start = time.perf_counter()
            lines.ndjson(message)
            recorder.spans.append(Span("line", get_ident(), start, time.perf_counter()))
            if message["type"] == "frame" and message["frame"] == WARM_UP + SHOWN:
                break
    return recorder.spans


def _network(_answer: Any, runtime: OpenVinoRuntime, *_: Any) -> str:
    return "appearance" if runtime.split else "network"


def _received(said: Any, *_: Any) -> str | None:
    return "frame comes" if isinstance(said, VideoFrame) else None


def draw(spans: list[Span]) -> Figure:
    """The last frames: a row for each stage and thread, a bar for each piece of work."""
    said = [span for span in spans if span.stage == "line"][-SHOWN:]
    first, last = said[0].start - 0.02, said[-1].end
    shown = [span for span in spans if span.end > first and span.start < last]
    order = list(COLOURS)
    rows = sorted({(order.index(span.stage), span.thread) for span in shown})
    figure = Figure(figsize=(9, 0.45 * len(rows) + 1), layout="constrained")
    axes = figure.subplots()
    for span in shown:
        row = rows.index((order.index(span.stage), span.thread))
        left, width = 1000 * (span.start - first), 1000 * (span.end - span.start)
        axes.barh(row, max(width, 0.15), left=left, height=0.7, color=COLOURS[span.stage])
    axes.set_yticks(range(len(rows)), [order[stage] for stage, _ in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, 1000 * (last - first))
    axes.set_xlabel("ms; one row for each thread that works on a stage")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def main(arguments: list[str]) -> None:
    """Record and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("video", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=TARGET)
    given = parser.parse_args(arguments)
    mpl.rcParams["svg.hashsalt"] = "trackline"
    given.output.parent.mkdir(parents=True, exist_ok=True)
    draw(record(given.video)).savefig(given.output, metadata={"Date": None})


if __name__ == "__main__":
    main(sys.argv[1:])
