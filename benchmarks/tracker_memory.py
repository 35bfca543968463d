"""Memory of a tracker over a very long video with births and deaths: it must stay flat.

    python -m benchmarks.tracker_memory [--tracker NAME] [--frames 100000] [--objects 20]

Prints the peak of resident memory every tenth of the way, and exits with 1 when it grew by more
than 4 MiB after the first tenth, in which caches and galleries fill. Linux counts it in KiB.
"""

from __future__ import annotations

import argparse
import resource
import sys

from benchmarks import one_thread
from benchmarks.tracker_stream import stream
from tracker.presets import PRESETS, make_tracker

TURNOVER = 0.01
"""Chance of an object to be replaced in a frame: a life of 100 frames on the average."""
ALLOWED_MIB = 4.0


def main() -> None:
    """Track, print, judge."""
    one_thread.restart("benchmarks.tracker_memory")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tracker", default="deepsort", choices=PRESETS)
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--objects", type=int, default=20)
    arguments = parser.parse_args()
    tracker = make_tracker(arguments.tracker)
    peak, last_id = [], 0
    step = arguments.frames // 10
    frames = stream(arguments.objects, turnover=TURNOVER)
    for number, frame in zip(range(1, arguments.frames + 1), frames, strict=False):
        tracks = tracker.update(frame.boxes, frame.scores, embeddings=frame.embeddings)
        if tracks is not None:
            last_id = max(last_id, int(tracks.ids.max(initial=0)))
        if number % step == 0:
            peak.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
            print(f"{number:8d} frames, {last_id:6d} tracks: {peak[-1]:7.1f} MiB", flush=True)
    growth = peak[-1] - peak[0]
    print(f"growth after the first tenth: {growth:+.1f} MiB")
    sys.exit(growth > ALLOWED_MIB)


if __name__ == "__main__":
    main()
