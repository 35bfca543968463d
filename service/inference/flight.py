"""One forward on its way, and what is decided about it when it comes back."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from models.errors import ModelError, TracklineError
from models.types import Detections
from service.inference.items import Inference, Item

if TYPE_CHECKING:
    from models.detector import Detector, Prepared

T = TypeVar("T")


class State(Enum):
    """Where a model stands; only a ready one takes work."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"
    HUNG = "hung"
    CLOSED = "closed"


@dataclass(eq=False, slots=True)
class Flight:
    """A forward that has been or is about to be started; times are of ``time.monotonic``.

    Attributes
    ----------
    items : list of Item
        What waits for it; empty for a probe.
    started, landed : float
        When the runtime got it and when it came back.
    probe : Prepared or None
        A blank picture, to see whether the model works.
    abandoned : bool
        It was given up as hung: nobody waits for it any more.
    """

    items: list[Item]
    started: float
    probe: Prepared | None = None
    landed: float = 0.0
    abandoned: bool = False

    @property
    def batch(self) -> list[Prepared]:
        """What the network is given."""
        return [item.ready for item in self.items] if self.probe is None else [self.probe]


def halves(items: Sequence[T]) -> tuple[list[T], list[T]]:
    """A batch of at least two, split in the middle."""
    middle = len(items) // 2
    return list(items[:middle]), list(items[middle:])


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, says that the memory did not suffice."""
    while error is not None:
        if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
            return True
        error = error.__cause__
    return False


def read(detector: Detector, item: Item, raw: Any, flight: Flight) -> tuple[Inference, int]:
    """What the caller of an item gets, and how many detections with non-finite numbers it lost."""
    began = time.monotonic()
    found, dropped = drop_nonfinite(detector.postprocess(raw, item.ready, item.options))
    seconds = {
        "preprocess": item.preprocess_seconds,
        "queue": item.taken - item.submitted - item.preprocess_seconds,
        "inference": flight.landed - flight.started,
        "postprocess": time.monotonic() - began,
    }
    times = {f"{stage}_ms": value * 1000 for stage, value in seconds.items()}
    return Inference(found, len(flight.items), **times), dropped


def drop_nonfinite(detections: Detections) -> tuple[Detections, int]:
    """Detections without those that hold a NaN or an infinity, and how many those were."""
    finite = np.isfinite(detections.boxes).all(axis=1) & np.isfinite(detections.scores)
    dropped = len(detections) - int(finite.sum())
    return (detections[finite], dropped) if dropped else (detections, 0)


def as_ours(error: Exception, text: str) -> TracklineError:
    """The error itself where it is of our tree, else a ModelError that it is the cause of."""
    if isinstance(error, TracklineError):
        return error
    ours = ModelError(f"{text}: {type(error).__name__}")
    ours.__cause__ = error
    return ours


def settle(future: Future[T], answer: T) -> None:
    """Answer a future, unless its caller or the watchdog was faster."""
    with suppress(InvalidStateError):
        future.set_result(answer)


def fail(futures: Iterable[Future[T]], error: Exception) -> None:
    """Fail futures, but for those that are done."""
    for future in futures:
        with suppress(InvalidStateError):
            future.set_exception(error)
