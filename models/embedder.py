"""Embedders: what an object looks like, as a row of numbers of length 1.

Two rows of one object point in nearly the same direction; their dot product is what the tracker
compares. By name:

``osnet-x0.25``
    A network trained to tell people apart (Zhou et al. 2019, arXiv:1905.00953).
``mobilenet``
    A network trained on ImageNet; for objects of any kind.
``colour``
    Stripes of colour histograms; needs no weights.
``auto``
    ``osnet-x0.25`` if its file can be had, else ``colour``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.embed_colour import ColourEmbedder
from models.errors import UnknownName, WeightsUnavailable
from models.types import Image

EMBEDDERS = ("osnet-x0.25", "mobilenet", "colour")

FOR_PEOPLE = frozenset({"osnet-x0.25"})
"""Embedders that were trained on people alone and say little of anything else."""

_log = logging.getLogger(__name__)


class Embedder(Protocol):
    """Says what the boxes of an image look like. Any number of threads may call it.

    The rows depend on the image and the boxes alone, and a box's row not on the other boxes.
    Boxes are clipped at the border; one that holds no pixel of the image looks like the pixel
    nearest to it.

    Attributes
    ----------
    name : str
        Its name; never ``auto``.
    dim : int
        Length of a row.
    """

    name: str
    dim: int

    def __call__(self, image: Image, boxes: ArrayLike) -> NDArray[np.float32]:
        """Unit rows float32 [N, dim] for boxes [N, 4] x1, y1, x2, y2 in pixels of the image.

        Raises
        ------
        InvalidInput
            The image is not uint8 [H, W, 3], or the boxes are not finite numbers [N, 4].
        """

    def close(self) -> None:
        """Give back what it holds."""


def suits(name: str, classes: Iterable[str] | None) -> bool:
    """Whether an embedder was made for objects of one of these classes; None are all classes."""
    return name not in FOR_PEOPLE or classes is None or "person" in classes


def load_embedder(
    name: str = "auto",
    runtime: str = "auto",
    threads: int | None = None,
    precision: str = "auto",
) -> Embedder:
    """An embedder that is ready to be called.

    Parameters
    ----------
    name : {"auto", "osnet-x0.25", "mobilenet", "colour"}
        Which one. ``auto`` falls back to ``colour``, with a warning in the log.
    runtime : {"auto", "openvino", "onnx", "torch"}
        What runs a network.
    threads : int or None
        CPU threads of a network; None takes all cores.
    precision : {"auto", "f32", "bf16"}
        What a network computes in; ``auto`` is bf16 where the runtime and the CPU have it.

    Raises
    ------
    UnknownName
        No such embedder or runtime.
    WeightsError
        Its weights are not to be had.
    ModelError
        The network cannot be run.
    """
    if name not in ("auto", *EMBEDDERS):
        raise UnknownName(f"embedder {name!r}: one of auto, {', '.join(EMBEDDERS)} expected")
    if name == "colour":
        return ColourEmbedder()
    # The runtimes are loaded only for an embedder that needs one.
    from models.embed_network import NetworkEmbedder

    if name != "auto":
        return NetworkEmbedder(name, runtime, threads, precision)
    try:
        return NetworkEmbedder("osnet-x0.25", runtime, threads, precision)
    except WeightsUnavailable as error:
        _log.warning("appearance by colour, the weaker kind: %s", error)
        return ColourEmbedder()
