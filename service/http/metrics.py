"""Prometheus metrics of the server; each application has a registry of its own."""

from __future__ import annotations

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
STAGE_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0)
REQUEST_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0)
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counters and histograms of one application.

    Attributes
    ----------
    stage : Histogram
        Seconds of one stage of an image's way, by ``model`` and ``stage``: decode, preprocess,
        queue, inference, postprocess, track.
    batch_size : Histogram
        Images of a forward, by ``model``.
    queue_length : Gauge
        Images and frames that wait for or are in a model, by ``model``.
    model_ready : Gauge
        1 while the model passes its forwards, else 0, by ``model``.
    forward_failures : Counter
        Forwards that raised, hung or answered nonsense, by ``model`` and ``cause``.
    nonfinite : Counter
        Detections dropped because a number of theirs was not finite, by ``model``.
    requests : Counter
        Requests answered, by ``method``, ``route`` and ``status``.
    request_seconds : Histogram
        Seconds from the request's first byte to the answer's last, by ``route``.
    sessions : Gauge
        Videos and live connections that are followed.
    jobs : Gauge
        Jobs that wait or run, by ``status``.
    live_seconds : Histogram
        Seconds from a live frame's last byte to its answer, by ``model``.
    live_dropped : Counter
        Live frames that were left out for newer ones, by ``model``.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        histogram = partial(Histogram, registry=self.registry)
        gauge = partial(Gauge, registry=self.registry)
        counter = partial(Counter, registry=self.registry)
        self.stage = histogram(
            "trackline_stage_seconds",
            "Seconds of one stage of an image's way.",
            ("model", "stage"),
            buckets=STAGE_SECONDS,
        )
        self.batch_size = histogram(
            "trackline_batch_size", "Images of a forward.", ("model",), buckets=BATCH_SIZES
        )
        self.queue_length = gauge(
            "trackline_queue_length",
            "Images and frames that wait for or are in a model.",
            ("model",),
        )
        self.model_ready = gauge(
            "trackline_model_ready", "1 while the model passes its forwards.", ("model",)
        )
        self.forward_failures = counter(
            "trackline_forward_failures",
            "Forwards that raised, hung or answered nonsense.",
            ("model", "cause"),
        )
        self.nonfinite = counter(
            "trackline_nonfinite_detections",
            "Detections dropped because a number of theirs was not finite.",
            ("model",),
        )
        self.requests = counter(
            "trackline_requests", "Requests answered.", ("method", "route", "status")
        )
        self.request_seconds = histogram(
            "trackline_request_seconds",
            "Seconds from the request's first byte to the answer's last.",
            ("route",),
            buckets=REQUEST_SECONDS,
        )
        self.sessions = gauge(
            "trackline_sessions", "Videos and live connections that are followed."
        )
        self.jobs = gauge("trackline_jobs", "Jobs that wait or run.", ("status",))
        self.live_seconds = histogram(
            "trackline_live_seconds",
            "Seconds from a live frame's last byte to its answer.",
            ("model",),
            buckets=STAGE_SECONDS,
        )
        self.live_dropped = counter(
            "trackline_live_dropped_frames",
            "Live frames that were left out for newer ones.",
            ("model",),
        )

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)
