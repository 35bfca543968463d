"""Prometheus metrics of the server; each application has a registry of its own."""

from __future__ import annotations

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
        self.stage = Histogram(
            "trackline_stage_seconds",
            "Seconds of one stage of an image's way.",
            ("model", "stage"),
            buckets=STAGE_SECONDS,
            registry=self.registry,
        )
        self.batch_size = Histogram(
            "trackline_batch_size",
            "Images of a forward.",
            ("model",),
            buckets=BATCH_SIZES,
            registry=self.registry,
        )
        self.queue_length = Gauge(
            "trackline_queue_length",
            "Images and frames that wait for or are in a model.",
            ("model",),
            registry=self.registry,
        )
        self.model_ready = Gauge(
            "trackline_model_ready",
            "1 while the model passes its forwards.",
            ("model",),
            registry=self.registry,
        )
        self.forward_failures = Counter(
            "trackline_forward_failures",
            "Forwards that raised, hung or answered nonsense.",
            ("model", "cause"),
            registry=self.registry,
        )
        self.nonfinite = Counter(
            "trackline_nonfinite_detections",
            "Detections dropped because a number of theirs was not finite.",
            ("model",),
            registry=self.registry,
        )
        self.requests = Counter(
            "trackline_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "trackline_request_seconds",
            "Seconds from the request's first byte to the answer's last.",
            ("route",),
            buckets=REQUEST_SECONDS,
            registry=self.registry,
        )
        self.sessions = Gauge(
            "trackline_sessions",
            "Videos and live connections that are followed.",
            registry=self.registry,
        )
        self.jobs = Gauge(
            "trackline_jobs",
            "Jobs that wait or run.",
            ("status",),
            registry=self.registry,
        )
        self.live_seconds = Histogram(
            "trackline_live_seconds",
            "Seconds from a live frame's last byte to its answer.",
            ("model",),
            buckets=STAGE_SECONDS,
            registry=self.registry,
        )
        self.live_dropped = Counter(
            "trackline_live_dropped_frames",
            "Live frames that were left out for newer ones.",
            ("model",),
            registry=self.registry,
        )

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)
