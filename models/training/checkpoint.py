"""What a run leaves behind: its state after the last epoch, to go on from, and its best network.

::

    last.pt              all that is needed to go on; tensors and plain values, no code
    best.safetensors     the network with the best score, as it is served
    history.json         what was measured after each epoch
    curves.png           the same as a picture
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from models.errors import InvalidInput

LAST, BEST, HISTORY, CURVES = "last.pt", "best.safetensors", "history.json", "curves.png"


@dataclass(slots=True)
class State:
    """Where a run is.

    Attributes
    ----------
    recipe : dict
        The fields of its `Recipe`.
    network, optimiser : dict
        Their states.
    history : list of dict
        What was measured after each epoch, the first one first.
    """

    recipe: dict[str, Any]
    network: dict[str, Any]
    optimiser: dict[str, Any]
    history: list[dict[str, float]] = field(default_factory=list)


def save_state(state: State, folder: Path) -> None:
    """Write a state; a run that is killed meanwhile leaves the one before."""
    target = folder / LAST
    partial = target.with_suffix(".partial")
    with partial.open("wb") as file:
        torch.save({name: getattr(state, name) for name in State.__slots__}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, target)
    write_history(state.history, folder)


def load_state(folder: Path) -> State:
    """The state of a run. Nothing but tensors and plain values is unpickled.

    Raises
    ------
    InvalidInput
        The folder has none, or one that cannot be read.
    """
    path = folder / LAST
    if not path.is_file():
        raise InvalidInput(f"{folder}: a run to go on with expected, there is no {LAST} in it")
    try:
        return State(**torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch raises what its reader happens to meet
        raise InvalidInput(f"{path}: the state of a training run expected: {error}") from error


def write_history(history: Sequence[dict[str, float]], folder: Path) -> None:
    """What was measured, as JSON."""
    (folder / HISTORY).write_text(json.dumps(list(history), indent=1) + "\n", encoding="utf-8")
