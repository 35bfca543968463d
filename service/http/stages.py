"""Where the time of a picture or a frame goes: as metrics, and as spans for OpenTelemetry.

FastAPI makes a span of every request. The stages of the work become its children where somebody
collects spans (the extra ``otel``); else they cost a look at a variable.
"""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING

from opentelemetry import trace

if TYPE_CHECKING:
    from prometheus_client import Histogram

    from service.http.metrics import Metrics
    from service.inference.items import Inference

_tracer = trace.get_tracer("trackline")


class Stages:
    """Measures the stages of the work of one request; for the task or thread that does it.

    Parameters
    ----------
    metrics : Metrics
        Where they are counted.
    model : str
        The model's name.
    """

    def __init__(self, metrics: Metrics, model: str) -> None:
        self._metrics = metrics
        self._model = model

    def decoded(self, seconds: float, at: float, frame: int | None = None) -> None:
        """A picture or a frame was decoded, and that ended ``at``, by ``time.monotonic``."""
        self._decoding.observe(seconds)
        if _recording():
            self._span("decode", seconds, ago=time.monotonic() - at, frame=frame)

    def inferred(self, inference: Inference, frame: int | None = None, *, ago: float = 0.0) -> None:
        """A model answered ``ago`` seconds before now; it has counted its stages itself."""
        if not _recording():
            return
        seconds = {stage: ms / 1000 for stage, ms in inference.stages_ms.items()}
        left = sum(seconds.values()) + ago
        for stage, took in seconds.items():
            left -= took
            self._span(stage, took, ago=left, frame=frame)

    def tracked(self, seconds: float, frame: int) -> None:
        """A frame was just given to the tracker, which asked for the embeddings that it needs."""
        self._tracking.observe(seconds)
        if _recording():
            self._span("track", seconds, frame=frame)

    def answered_live(self, seconds: float) -> None:
        """A live frame is about to be answered, so long after it came."""
        self._metrics.live_seconds.labels(self._model).observe(seconds)

    def dropped_live(self) -> None:
        """A live frame was left out for a newer one."""
        self._metrics.live_dropped.labels(self._model).inc()

    @cached_property
    def _decoding(self) -> Histogram:
        return self._metrics.stage.labels(self._model, "decode")

    @cached_property
    def _tracking(self) -> Histogram:
        return self._metrics.stage.labels(self._model, "track")

    def _span(self, stage: str, seconds: float, ago: float = 0.0, frame: int | None = None) -> None:
        """Note a stage that ended ``ago`` seconds before now."""
        end = time.time_ns() - int(ago * 1e9)
        attributes: dict[str, str | int] = {"trackline.model": self._model}
        if frame is not None:
            attributes["trackline.frame"] = frame
        start = end - int(seconds * 1e9)
        _tracer.start_span(stage, start_time=start, attributes=attributes).end(end)


def _recording() -> bool:
    """Whether somebody collects the spans of the request that runs."""
    return trace.get_current_span().is_recording()
