"""What goes through a model: an image on its way, and the answer."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from models.types import Detections, DetectOptions

if TYPE_CHECKING:
    from models.detector import Prepared

STAGES = ("preprocess", "queue", "inference", "postprocess")
"""Where the time of an image goes, in this order."""


@dataclass(frozen=True, slots=True)
class Inference:
    """What a model answers for one image, and where its time went.

    Attributes
    ----------
    detections : Detections
        The objects, in pixels of the image as it was submitted.
    batch_size : int
        Images of the forward that it was part of.
    preprocess_ms, queue_ms, inference_ms, postprocess_ms : float
        Milliseconds of each stage; ``queue_ms`` is all the time in which it only waited.
    """

    detections: Detections
    batch_size: int
    preprocess_ms: float
    queue_ms: float
    inference_ms: float
    postprocess_ms: float

    @property
    def stages_ms(self) -> dict[str, float]:
        """Milliseconds by the name of the stage, in their order."""
        return {stage: getattr(self, f"{stage}_ms") for stage in STAGES}


@dataclass(eq=False, slots=True, weakref_slot=True)
class Item:
    """One image on its way through a model; times are those of ``time.monotonic``."""

    options: DetectOptions
    session: str | None
    deadline: float | None
    submitted: float
    future: Future[Inference] = field(default_factory=Future)
    prepared: Prepared | None = None
    preprocess_seconds: float = 0.0
    queued: float = 0.0
    taken: float = 0.0

    @property
    def ready(self) -> Prepared:
        """The prepared image of an item that is in the queue or past it."""
        if self.prepared is None:
            raise RuntimeError("the item has not been prepared")
        return self.prepared
