"""The pictures and tables of docs/tracker.md, from the trackers themselves and from figures.

    python -m benchmarks.tracker_peers --mot-dir DIR --json docs/tracker_figures.json
    python -m benchmarks.tracker_robustness --mot-dir DIR --json docs/tracker_robustness.json
    python -m benchmarks.tracker_pictures

The first two commands measure, the third draws docs/tracker/*.svg and writes the tables between the
markers in docs/tracker.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

from benchmarks.tracker_peers import accuracy_table, speed_table
from tracker import DeepSort
from tracker.evaluate import COMBINED
from tracker.gating import CHI_SQUARE_95, POSITION_AND_SIZE
from tracker.kalman import VALUE, VARIANCE, BoxFilter
from tracker.presets import make_tracker
from tracker.types import Tracker

DOCS = Path(__file__).resolve().parent.parent / "docs"
PICTURES = DOCS / "tracker"
FIGURES = DOCS / "tracker_figures.json"
ROBUSTNESS = DOCS / "tracker_robustness.json"
TABLE_SIZE = "50"
"""Number of objects at which the plot takes the cost."""

RED, BLUE, GREY, GREEN = "#c8372d", "#2b66b1", "#8a8a8a", "#2f8f4e"


def filter_picture(axes: Axes) -> None:
    """A hidden track: the gate grows with every frame and shrinks at the next detection."""
    motion = BoxFilter()
    gate = CHI_SQUARE_95[POSITION_AND_SIZE]
    rng = np.random.default_rng(3)
    state = motion.initiate(motion.measure(np.array([[0.0], [60], [40], [160]])))
    for t in range(1, 26):
        state = motion.predict(state)
        variance = state[VARIANCE] + motion.noise(state[VALUE])
        hidden = 9 <= t < 18
        place = state[VALUE, :2, 0]
        width, height = 2 * np.sqrt(gate * variance[:2, 0])
        colour = GREY if hidden else BLUE
        axes.add_patch(Ellipse((place[0], place[1]), width, height, fill=False, color=colour))
        axes.plot(*place, ".", color=colour, markersize=3)
        if not hidden:
            x = 20 + 14 * t + rng.normal(0, 2)
            y = 110 + 18 * np.sin(t / 8) + rng.normal(0, 2)
            axes.plot(x, y, "+", color=RED)
            seen = motion.measure(np.array([[x - 20], [y - 50], [x + 20], [y + 50]]))
            state = motion.update(state, seen, motion.noise(state[VALUE]))
    axes.set_title("The gate of a track that is hidden for nine frames")
    axes.set_xlabel("x in pixels; crosses are detections")
    axes.set_aspect("equal")
    axes.invert_yaxis()


def _bounce(tracker: Tracker, looks: np.ndarray | None) -> dict[int, list[tuple[int, float]]]:
    """Where each identity was, frame by frame, while two balls meet and bounce."""
    paths: dict[int, list[tuple[int, float]]] = {}
    for t in range(60):
        way = 8.0 * min(t, 60 - t)
        hidden = abs(t - 30) <= 1
        boxes = [] if hidden else [[80 + way, 0, 120 + way, 40], [580 - way, 0, 620 - way, 40]]
        embeddings = None if looks is None else looks[: len(boxes)]
        tracks = tracker.update(boxes, [0.9] * len(boxes), embeddings=embeddings)
        if tracks is None:
            continue
        for identity, box in zip(tracks.ids.tolist(), tracks.boxes.tolist(), strict=True):
            paths.setdefault(identity, []).append((t, (box[0] + box[2]) / 2))
    return paths


def bounce_pictures(motion: Axes, appearance: Axes) -> None:
    """Two balls bounce off each other: motion alone lets them pass, appearance does not."""
    looks = np.eye(2, 16, dtype=np.float32)
    for axes, given, title in (
        (motion, None, "Motion alone: they seem to pass"),
        (appearance, looks, "With appearance: they bounce"),
    ):
        for identity, path in _bounce(DeepSort(), given).items():
            t, x = zip(*path, strict=True)
            axes.plot(t, x, ".", markersize=4, color=(RED, BLUE)[(identity - 1) % 2])
            axes.annotate(f"ID {identity}", (t[-1], x[-1]), fontsize=8)
        axes.set_title(title)
        axes.set_xlabel("frame")
    motion.set_ylabel("x in pixels")


def delay_picture(axes: Axes) -> None:
    """What a delay of five frames makes of noisy boxes with a gap."""
    rng = np.random.default_rng(8)
    late = make_tracker("deepsort", delay=5)
    trackers: dict[str, Tracker] = {"at once": DeepSort(), "delay=5": late}
    answers: dict[str, list[tuple[int, float]]] = {name: [] for name in trackers}
    seen = []
    for t in range(70):
        y = 200 + 60 * np.sin(t / 9) + rng.normal(0, 5)
        boxes = [] if 32 <= t < 36 else [[4.0 * t + 50, y - 60, 4.0 * t + 100, y + 60]]
        seen += [(t, y)] * len(boxes)
        for name, tracker in trackers.items():
            tracks = tracker.update(boxes, [0.9] * len(boxes))
            if tracks is not None and len(tracks):
                frame = t - (5 if tracker is late else 0)
                answers[name].append((frame, float(tracks.boxes[0, 1::2].mean())))
    times = np.arange(70)
    axes.plot(times, 200 + 60 * np.sin(times / 9), color=GREY, linewidth=1, label="truth")
    axes.plot(*zip(*seen, strict=True), "+", color=RED, label="detections")
    for (name, path), colour in zip(answers.items(), (BLUE, GREEN), strict=True):
        at, height = np.array(path).T
        # No line over frames without an answer.
        height[np.diff(at, prepend=at[0]) > 1] = np.nan
        axes.plot(at, height, color=colour, label=name)
    axes.set_title("Answered at once, and five frames later")
    axes.set_xlabel("frame")
    axes.set_ylabel("y of the centre in pixels")
    axes.legend(fontsize=8)


def trade_off(axes: Axes, figures: Mapping[str, Any]) -> None:
    """HOTA against milliseconds, ours and the peers'."""
    scores, costs = figures["accuracy"], figures["speed"]
    named = sorted(scores.keys() & costs.keys(), key=lambda name: -scores[name][COMBINED]["hota"])
    for number, name in enumerate(named, start=1):
        marker, colour = ("o", RED) if name.startswith("Trackline") else ("s", BLUE)
        x, y = costs[name][TABLE_SIZE]["cpu_ms"], 100 * scores[name][COMBINED]["hota"]
        axes.plot(x, y, marker, color=colour, markersize=6, label=f"{number}  {name}")
        # Numbers of close neighbours stand above and below by turns.
        offset = (0, 6) if number % 2 else (0, -13)
        axes.annotate(
            str(number), (x, y), xytext=offset, textcoords="offset points", fontsize=8, ha="center"
        )
    axes.legend(bbox_to_anchor=(1.01, 1), loc="upper left", fontsize=7, frameon=False)
    axes.set_xscale("log")
    axes.margins(y=0.08)
    axes.set_xlabel(f"CPU ms an update, {TABLE_SIZE} objects, one thread")
    axes.set_ylabel("HOTA on the four sequences")
    axes.set_title("Accuracy against cost: Trackline in red")
    axes.grid(alpha=0.3)


def draw(name: str, paint: Callable[..., None], columns: int = 1, height: float = 3.4) -> None:
    """One picture, the same bytes for the same input."""
    figure = Figure(figsize=(7.5, height), layout="constrained")
    paint(*figure.subplots(1, columns, squeeze=False, sharey=columns > 1)[0])
    figure.savefig(PICTURES / f"{name}.svg", metadata={"Date": None})


def robustness_text(figures: Mapping[str, Any]) -> str:
    """What the neighbours of the settings say, in a sentence or two."""
    neighbours = figures["neighbours"]
    left_out = "; ".join(
        f"{way} HOTA {100 * total['hota']:.1f}, IDF1 {100 * total['idf1']:.1f}, "
        f"MOTA {100 * total['mota']:.1f}"
        for way, rows in figures["leave_one_out"].items()
        for total in [rows[COMBINED]]
    )
    return (
        f"Mean HOTA of a sequence over twelve replicas: {figures['default']:.1f} by default, "
        f"{np.median(neighbours):.1f} in the median of {len(neighbours)} random neighbours of the "
        f"settings, {max(neighbours):.1f} for the best of them. With the settings chosen on the "
        f"other three sequences, each sequence left out once: {left_out}."
    )


def fill(text: str, name: str, table: str) -> str:
    """The text with a table between its markers.

    Raises
    ------
    ValueError
        The markers are not there.
    """
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    filled, count = pattern.subn(lambda _: f"{begin}\n{table}\n{end}", text)
    if count != 1:
        raise ValueError(f"expected the markers {begin} and {end} once, found them {count} times")
    return filled


def main() -> None:
    """Draw all pictures and fill all tables."""
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "trackline", "font.size": 9})
    PICTURES.mkdir(exist_ok=True)
    draw("gate", filter_picture, height=2.6)
    draw("bounce", bounce_pictures, columns=2)
    draw("delay", delay_picture)
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    draw("trade_off", lambda axes: trade_off(axes, figures), height=4.6)
    page = DOCS / "tracker.md"
    text = fill(page.read_text(encoding="utf-8"), "accuracy", accuracy_table(figures["accuracy"]))
    text = fill(text, "speed", speed_table(figures["speed"]))
    measured = json.loads(ROBUSTNESS.read_text(encoding="utf-8"))
    text = fill(text, "robustness", robustness_text(measured))
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
