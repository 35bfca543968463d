"""A real Prometheus that scrapes a real server, asked all that the dashboard and alerts ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.deploy.programs import DEPLOY, needed, running
from tests.deploy.test_static import alerts, panels
from tests.service.clips import clip
from tests.service.gate import WAIT
from tests.service.jobs_client import job_server, post, stream
from tests.service.pictures import jpeg
from tests.service.ports import free_port
from tests.service.test_http import JPEG
from tests.service.test_track import TRACK
from tests.service.wire import wait_until

SCRAPES = 120.0
"""Seconds that some scrapes, one a second, may take on a busy machine."""


@contextmanager
def prometheus(folder: Path, server: str, key: str = "") -> Iterator[Callable[..., Any]]:
    """Asks a Prometheus with our configuration that scrapes ``server`` every second."""
    program = needed("prometheus", "prometheus")
    port = free_port()
    text = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    for ours, here in (("5s", "1s"), ("trackline:8000", server)):
        assert ours in text
        text = text.replace(ours, here)
    if key:
        (folder / "key").write_text(key)
        for commented, here in (
            ("# authorization:", "authorization:"),
            ("#   credentials_file: /etc/prometheus/key", f"  credentials_file: {folder / 'key'}"),
        ):
            assert commented in text
            text = text.replace(commented, here)
    (folder / "prometheus.yml").write_text(text)
    (folder / "alerts.yml").write_text((DEPLOY / "prometheus" / "alerts.yml").read_text())
    address = f"127.0.0.1:{port}"
    options = {
        "config.file": folder / "prometheus.yml",
        "storage.tsdb.path": folder / "data",
        "web.listen-address": address,
    }
    command = [program, *(f"--{name}={value}" for name, value in options.items())]
    with running(command, port), httpx.Client(base_url=f"http://{address}", timeout=WAIT) as http:
        wait_until(lambda: http.get("/-/ready").is_success, SCRAPES)

        def ask(path: str, **parameters: str) -> Any:
            answer = http.get(f"/api/v1/{path}", params=parameters).json()
            assert answer["status"] == "success", (parameters, answer)
            return answer["data"]

        yield ask


def value(ask: Callable[..., Any], query: str) -> float:
    """The sum of what a query answers; 0 where it answers nothing."""
    return sum(float(row["value"][1]) for row in ask("query", query=query)["result"])


def test_every_query_of_the_dashboard_and_of_the_alerts_answers(tmp_path: Path) -> None:
    with (
        job_server(tmp_path / "jobs") as (http, _),
        prometheus(tmp_path, http.base_url.netloc.decode()) as ask,
    ):
        work(http)
        wait_until(lambda: value(ask, "sum(trackline_requests_total)") > 0, SCRAPES)
        work(http)  # a rate needs a change that was seen
        wait_until(lambda: value(ask, "sum(rate(trackline_requests_total[1m]))") > 0, SCRAPES)
        wait_until(lambda: all(rule["health"] == "ok" for rule in rules(ask)), SCRAPES)
        assert value(ask, "up") == 1
        for query in panels():
            found = ask("query", query=query.replace("$__rate_interval", "1m"))["result"]
            # No forward has failed, so there is no such counter yet.
            assert found or "forward_failures" in query, query
        assert len(rules(ask)) == len(alerts())
        assert {rule["state"] for rule in rules(ask)} == {"inactive"}


def test_where_keys_are_set_prometheus_reads_with_one(tmp_path: Path) -> None:
    key = "a-key-of-prometheus-alone"
    with job_server(tmp_path / "jobs", api_keys=[key]) as (http, _):
        address = http.base_url.netloc.decode()
        assert http.get("/metrics").status_code == 401
        with prometheus(tmp_path, address, key) as ask:
            wait_until(lambda: value(ask, "up") == 1, SCRAPES)


def work(http: httpx.Client) -> None:
    """A picture, one that is none, a video, and a job."""
    assert http.post("/v1/detect", content=jpeg(), headers=JPEG).is_success
    assert http.post("/v1/detect", content=b"no picture", headers=JPEG).is_error
    assert http.post(TRACK, content=clip("mp4", 10)).is_success
    assert stream(http, post(http))[-1]["type"] == "end"


def rules(ask: Callable[..., Any]) -> list[dict[str, Any]]:
    """What Prometheus makes of the alert rules."""
    return [rule for group in ask("rules")["groups"] for rule in group["rules"]]
