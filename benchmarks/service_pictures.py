"""The pictures and the table of docs/performance.md, from the figures of a run.

    python -m benchmarks.service --mot-dir DIR --json docs/performance_figures.json
    python -m benchmarks.service_timeline DIR/PETS09-S2L1/PETS09-S2L1.mp4
    python -m benchmarks.service_pictures

The first command measures, the second draws the timeline, and the third draws the rest of
docs/performance/*.svg and writes what stands between the markers in docs/performance.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.service_growth import STAGES
from benchmarks.service_process import ROOT
from benchmarks.service_table import number
from benchmarks.tracker_pictures import fill

DOCS = ROOT / "docs"
PICTURES = DOCS / "performance"
FIGURES = DOCS / "performance_figures.json"
COLOURS = ("#8a8a8a", "#2b66b1", "#c8372d", "#2f8f4e", "#7d4fa3")

Figures = Mapping[str, Any]


def cost_shares(figures: Figures) -> dict[str, dict[str, float]]:
    """CPU milliseconds a frame of each stage, by clip."""
    shares = {}
    for clip, rates in figures["videos"].items():
        stages = {
            name: 1000 * median(one[name] for one in rates["stages"])
            for name in ("decode", "letterbox", "inference")
        }
        motion, whole = (1000 * median(rates[name]) for name in ("motion_cpu", "whole_cpu"))
        rest = {"everything else": max(motion - sum(stages.values()), 0.0)}
        shares[clip] = stages | rest | {"appearance": max(whole - motion, 0.0)}
    return shares


def stages_picture(axes: Axes, figures: Figures) -> None:
    """A bar for each clip, made of its stages."""
    shares = cost_shares(figures)
    _stack(axes, list(shares), list(shares.values()), sideways=True)
    axes.set_xlabel("CPU ms a frame, of all cores")


def images_picture(axes: Axes, figures: Figures) -> None:
    """Where the time of a picture goes, by its size."""
    rows = figures["growth"]["image size"]
    names = [f"{row['megapixels']:.1f}" for row in rows]
    _stack(axes, names, [{stage: row[stage] for stage in STAGES} for row in rows])
    axes.set_xlabel("megapixels of the JPEG")
    axes.set_ylabel("ms, one client")


def objects_picture(axes: Axes, figures: Figures) -> None:
    """What depends on the objects, by their number."""
    rows = figures["growth"]["objects"]
    counts = [row["objects"] for row in rows]
    for stage, colour in zip(("suppression", "tracker", "line"), COLOURS[1:], strict=False):
        axes.plot(counts, [row[stage] for row in rows], ".-", color=colour, label=stage)
    axes.set_xlabel("objects in a frame")
    axes.set_ylabel("CPU ms a frame")
    axes.set_ylim(0)
    axes.legend(frameon=False)


def videos_picture(axes: Axes, figures: Figures) -> None:
    """Frames a second of all videos together, by their number."""
    rows = figures["growth"]["videos"]
    axes.plot([row["videos"] for row in rows], [row["fps"] for row in rows], ".-", color=COLOURS[1])
    axes.set_xlabel("videos at once")
    axes.set_ylabel("frames a second, all together")
    axes.set_ylim(0)


def frames_pictures(memory: Axes, cost: Axes, figures: Figures) -> None:
    """Memory, and the cost of a frame, along a very long video."""
    rows = figures["growth"]["frames"]
    counts = [row["frames"] / 1000 for row in rows]
    memory.plot(counts, [row["mib"] for row in rows], ".-", color=COLOURS[1])
    memory.set_ylabel("MiB, server and decoder")
    cost.plot(counts, [row["cpu_ms"] for row in rows], ".-", color=COLOURS[1])
    cost.set_ylabel("CPU ms a frame")
    for axes in (memory, cost):
        axes.set_xlabel("thousand frames")
        axes.set_ylim(0)


def _stack(
    axes: Axes,
    names: Sequence[str],
    rows: Sequence[Mapping[str, float]],
    *,
    sideways: bool = False,
) -> None:
    """Bars of parts that stand on each other, the first part at the bottom."""
    reached = [0.0] * len(rows)
    for part, colour in zip(rows[0], COLOURS, strict=False):
        values = [row[part] for row in rows]
        if sideways:
            axes.barh(names, values, left=reached, color=colour, label=part)
        else:
            axes.bar(names, values, bottom=reached, color=colour, label=part)
        reached = [before + value for before, value in zip(reached, values, strict=True)]
    axes.legend(
        frameon=False, ncols=len(rows[0]), fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1)
    )


def table(figures: Figures) -> str:
    """The rows as Markdown, and what has to be said beside them."""
    head = ["what", "against", "ours", "theirs", "value", "wanted", "reached"]
    lines = [head, ["---"] * len(head)]
    for row in figures["rows"]:
        sign, unit = "≤" if row["at_most"] else "≥", row["unit"]
        lines.append(
            [
                row["what"],
                row["against"],
                f"{number(row['ours'])} {unit}".strip() if row["ours"] is not None else "",
                f"{number(row['theirs'])} {unit}".strip() if row["theirs"] is not None else "",
                number(row["value"]),
                f"{sign} {row['wanted']:.3g}",
                "yes" if row["reached"] else "**no**",
            ]
        )
    count = figures["rounds"]
    rounds = "One round." if count == 1 else f"Medians of {count} rounds."
    notes = " ".join(f"{note[0].upper()}{note[1:]}." for note in figures["notes"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + f"\n\n{rounds} {notes}"


def draw(name: str, paint: Callable[..., None], *, columns: int = 1, height: float = 3.0) -> None:
    """Draw a picture of one or two plots beside each other."""
    figure = Figure(figsize=(7.5, height), layout="constrained")
    plots = figure.subplots(1, columns, squeeze=False)[0]
    for axes in plots:
        axes.spines[["top", "right"]].set_visible(False)
    paint(*plots)
    figure.savefig(PICTURES / f"{name}.svg", metadata={"Date": None})


def main() -> None:
    """Draw all pictures and fill the table."""
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "trackline", "font.size": 9})
    PICTURES.mkdir(exist_ok=True)
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    draw("stages", lambda axes: stages_picture(axes, figures), height=2.0)
    draw("image_size", lambda axes: images_picture(axes, figures))
    draw("objects", lambda axes: objects_picture(axes, figures))
    draw("videos", lambda axes: videos_picture(axes, figures))
    draw("frames", lambda memory, cost: frames_pictures(memory, cost, figures), columns=2)
    page = DOCS / "performance.md"
    text = fill(page.read_text(encoding="utf-8"), "figures", table(figures))
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
