"""What a training run is made of: everything that decides its outcome, checked."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from models.errors import InvalidInput, UnknownName
from models.fcn_spec import Kind

NETWORKS: dict[str, tuple[Kind, int]] = {
    "fcn": ("detector", 8),
    "fcn-32s": ("segmenter", 32),
    "fcn-16s": ("segmenter", 16),
    "fcn-8s": ("segmenter", 8),
}
"""What can be trained: its kind, and the stride of its finest map."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A training run.

    Attributes
    ----------
    network : str
        One of `NETWORKS`.
    data, val : tuple of str
        Paths of the data sets that are learnt, and of those that are measured; see
        `models.training.data`. Where ``val`` is empty, the ``val`` parts of ``data``.
    backbone : str
        A name of `models.backbones`; its weights are the published ones.
    imgsz : int
        Side of the input that it is measured and served at, a multiple of 32.
    crop : int
        Side of the squares that it learns from, a multiple of 32: parts of pictures that are scaled
        for ``imgsz``. The network is convolutional, so what it learns there holds for the whole;
        smaller ones cost less.
    epochs, frozen_epochs : int
        Passes in all, and with the backbone frozen, the first ones.
    samples : int
        Pictures of a pass; 0 takes as many as there are.
    batch : int
        Pictures of a step.
    lr : float
        Greatest learning rate of the heads; the backbone learns at a tenth of it.
    patience : int
        Passes without a better score after which training ends.
    mosaic : float
        Share of the samples that are put together of four.
    paste : float
        Cut-out objects that are pasted onto a sample, in the mean.
    bf16 : bool
        Compute in bfloat16 while training, weights apart; faster where the processor has it.
    seed : int
        Of everything random.
    """

    network: str
    data: tuple[str, ...]
    val: tuple[str, ...] = ()
    backbone: str = "mobilenet"
    imgsz: int = 640
    crop: int = 320
    epochs: int = 30
    frozen_epochs: int = 3
    samples: int = 0
    batch: int = 8
    lr: float = 2e-3
    patience: int = 10
    mosaic: float = 0.5
    paste: float = 1.0
    bf16: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise UnknownName(f"network {self.network!r}: one of {', '.join(NETWORKS)} expected")
        if not self.data:
            raise InvalidInput("data: at least one labelled data set expected, got none")
        for name in ("imgsz", "crop"):
            if (side := getattr(self, name)) < 32 or side % 32:
                raise InvalidInput(f"{name}: a multiple of 32 expected, got {side}")
        for name, least in (("epochs", 1), ("batch", 2), ("patience", 1), ("frozen_epochs", 0)):
            if getattr(self, name) < least:
                raise InvalidInput(f"{name}: at least {least} expected, got {getattr(self, name)}")
        for name in ("samples", "paste", "seed"):
            if not getattr(self, name) >= 0:
                raise InvalidInput(f"{name}: at least 0 expected, got {getattr(self, name)}")
        if not 0 <= self.mosaic <= 1:
            raise InvalidInput(f"mosaic: a share from 0 to 1 expected, got {self.mosaic}")
        if not 0 < self.lr < 1:
            raise InvalidInput(f"lr: a number between 0 and 1 expected, got {self.lr}")

    @property
    def kind(self) -> Kind:
        """``detector`` or ``segmenter``."""
        return NETWORKS[self.network][0]

    @property
    def stride(self) -> int:
        """Stride of the finest map."""
        return NETWORKS[self.network][1]

    def differences(self, saved: dict[str, Any]) -> list[str]:
        """What differs between this recipe and one that was saved, as sentences."""
        # JSON and torch's files give lists back for tuples.
        here = {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}
        there = {key: list(v) if isinstance(v, tuple) else v for key, v in saved.items()}
        return [
            f"{key} was {there.get(key)!r} and is {here.get(key)!r}"
            for key in sorted(here.keys() | there.keys())
            if here.get(key) != there.get(key)
        ]
