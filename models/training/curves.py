"""The curves of a training run as a picture: losses and scores over the epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path


def draw_curves(history: Sequence[Mapping[str, float]], title: str, path: Path) -> None:
    """Write a PNG: on the left what is minimised, on the right the scores.

    Parameters
    ----------
    history : sequence of mapping
        What was measured after each epoch; see `models.training.loop`.
    title : str
        Stands above.
    path : Path
        The file.
    """
    # Figures made like this need no screen and leave no global state behind.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    losses, scores = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in history]
    for name in (key for key in history[-1] if key.startswith("loss")):
        losses.plot(epochs, [row[name] for row in history], label=name)
    losses.set(xlabel="epoch", yscale="log")
    losses.legend()
    for name in (key for key in history[-1] if "AP@" in key or "IoU" in key):
        scores.plot(epochs, [100 * row[name] for row in history], label=name)
    scores.set(xlabel="epoch", ylabel="%", ylim=(0, 100))
    scores.legend()
    for axes in (losses, scores):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=100)
