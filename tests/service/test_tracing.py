"""Spans of a server process reach a collector, each stage below its request."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tests.service.clips import clip
from tests.service.gate import WAIT, until
from tests.service.pictures import jpeg
from tests.service.test_serve import address_of, process
from tests.service.test_track import TRACK

pytest.importorskip("opentelemetry.sdk", reason="no OpenTelemetry SDK: pip install trackline[otel]")
collector = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")

PICTURE_TRACE, VIDEO_TRACE = "11" * 16, "22" * 16
STAGES = {"preprocess", "queue", "inference", "postprocess"}


@contextmanager
def collecting() -> Iterator[tuple[str, list[Any]]]:
    """The address of a collector, and the spans that it has been sent."""
    spans: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces":
                request = collector.ExportTraceServiceRequest.FromString(body)
                for resource in request.resource_spans:
                    spans.extend(span for scope in resource.scope_spans for span in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", spans
        finally:
            server.shutdown()
            serving.join()


def caller(trace: str) -> dict[str, str]:
    """The header of a caller who traces (W3C Trace Context)."""
    return {"traceparent": f"00-{trace}-{'33' * 8}-01"}


def number_of(span: Any) -> int:
    """The frame that a span is of."""
    (number,) = (one.value.int_value for one in span.attributes if one.key == "trackline.frame")
    return int(number)


def test_stages_are_spans_below_the_request_of_a_caller_who_traces() -> None:
    with collecting() as (endpoint, spans):
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "TRACKLINE_EMBEDDER": "colour",
        }
        with process("--port", "0", "--models", "fake", **variables) as running:
            address = address_of(running)
            with httpx.Client(base_url=address, timeout=WAIT) as http:
                until(lambda: http.get("/v2/health/ready").is_success)
                http.post("/v1/detect", content=jpeg(), headers=caller(PICTURE_TRACE))
                http.post(TRACK, content=clip("mp4", 5), headers=caller(VIDEO_TRACE))
            running.terminate()
            assert running.wait(WAIT * 3) == 0

    def of(trace: str, names: set[str]) -> list[Any]:
        return [one for one in spans if one.trace_id.hex() == trace and one.name in names]

    picture = of(PICTURE_TRACE, STAGES | {"decode"})
    assert {one.name for one in picture} == STAGES | {"decode"}
    by_name = {one.name: one for one in picture}
    order = [by_name[name] for name in ("decode", "preprocess", "queue", "inference")]
    assert order == sorted(order, key=lambda one: one.start_time_unix_nano)
    (request,) = (
        one
        for one in spans
        if one.trace_id.hex() == PICTURE_TRACE and one.parent_span_id == b"3" * 8
    )
    assert request.name == "POST /v1/detect"
    assert {one.parent_span_id for one in picture} <= {one.span_id for one in spans}
    frames = of(VIDEO_TRACE, STAGES | {"decode", "track"})
    assert len(frames) == 5 * 6
    stages = ["decode", "preprocess", "queue", "inference", "postprocess", "track"]
    for number in range(5):
        starts = {one.name: one.start_time_unix_nano for one in frames if number_of(one) == number}
        assert sorted(starts, key=lambda name: starts[name]) == stages
