"""What one caller can take from the server: bytes, time, places in the queue, and no more."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from models.fake import FakeDetector
from service.http import protocol
from tests.service.gate import WAIT, Gate, until
from tests.service.pictures import encode, jpeg, with_red_box
from tests.service.serving import serving
from tests.service.test_http import JPEG, assert_problem

SMALL = 20_000


def connect(address: str) -> socket.socket:
    """A connection to a server."""
    host, _, port = address.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=WAIT)


def head_of(length: int) -> bytes:
    """The head of a request with a picture of so many bytes."""
    return b"POST /v1/detect HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % length


def raw(address: str, request: bytes) -> bytes:
    """All that the server says to some bytes, until it closes the connection."""
    with connect(address) as sock:
        sock.sendall(request)
        answer = b""
        while chunk := sock.recv(65536):
            answer += chunk
    return answer


@pytest.fixture(scope="module")
def small() -> Iterator[httpx.Client]:
    """A client of a server that takes small bodies."""
    with (
        serving(max_image_bytes=SMALL, max_image_pixels=40_000, max_images=2) as (address, _),
        httpx.Client(base_url=address, timeout=WAIT) as http,
    ):
        yield http


def test_a_body_that_declares_too_much_is_refused_before_it_is_sent(small: httpx.Client) -> None:
    request = b"POST /v1/detect HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n"
    began = time.monotonic()
    answer = raw(str(small.base_url).rstrip("/"), request + b"x" * 100)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in answer
    assert time.monotonic() - began < WAIT / 2


def test_a_client_that_sends_on_still_reads_the_refusal(small: httpx.Client) -> None:
    response = small.post("/v1/detect", content=b"\xff\xd8" + b"x" * 3_000_000, headers=JPEG)
    assert_problem(response, 413, "too-large")
    assert response.headers["connection"] == "close"


def test_a_body_without_a_length_is_counted_as_it_comes(small: httpx.Client) -> None:
    response = small.post("/v1/detect", content=iter([b"x" * 9000] * 4), headers=JPEG)
    assert_problem(response, 413, "too-large")


def test_a_form_is_counted_like_any_body(small: httpx.Client) -> None:
    response = small.post("/v1/detect", files={"image": b"x" * (2 * SMALL)})
    assert_problem(response, 413, "too-large")


def test_a_body_up_to_the_limit_is_taken(small: httpx.Client) -> None:
    body = jpeg()
    padded = body + b"\0" * (SMALL - len(body))
    assert small.post("/v1/detect", content=padded, headers=JPEG).is_success


def test_pixels_are_counted_before_they_are_decoded(small: httpx.Client) -> None:
    large = encode(with_red_box(400, 300), "PNG")
    document = assert_problem(small.post("/v1/detect", content=large), 413, "too-large")
    assert "400x300" in document["detail"]


def test_more_pictures_than_allowed(small: httpx.Client) -> None:
    files = [("image", ("a.jpg", jpeg()))] * 3
    assert_problem(small.post("/v1/detect", files=files), 413, "too-large")


def test_a_body_that_stops_coming_is_given_up() -> None:
    request = b"POST /v1/detect HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\nonly this"
    with serving(stall_seconds=0.3) as (address, _):
        answer = raw(address, request)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"upload-stalled" in answer


def test_an_endless_header_is_refused(small: httpx.Client) -> None:
    request = b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * (2 * protocol.HEAD_BYTES)
    answer = raw(str(small.base_url).rstrip("/"), request)
    assert answer.startswith(b"HTTP/1.1 431 ")


def test_a_header_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    with serving() as (address, _):
        assert raw(address, b"GET / HTTP/1.1\r\nHost:").startswith(b"HTTP/1.1 408 ")


def test_what_is_not_http_is_answered_as_a_problem(small: httpx.Client) -> None:
    answer = raw(str(small.base_url).rstrip("/"), b"\x16\x03\x01 hello\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer
    assert b"\r\nx-request-id: " in answer


def test_a_body_that_breaks_off_its_encoding_is_refused(small: httpx.Client) -> None:
    head = b"POST /v1/detect HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = raw(str(small.base_url).rstrip("/"), head + b"4\r\nabcd\r\nno number\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


def before_the_body(address: str, length: int) -> bytes:
    """What is answered to a picture of so many bytes of which none was sent yet."""
    with connect(address) as connection:
        connection.sendall(head_of(length))
        return connection.recv(65536)


def test_a_full_queue_is_429_at_once_and_the_accepted_work_ends(gate: Gate) -> None:
    with (
        serving(lambda name: FakeDetector(gate), image_queue=2) as (address, app),
        httpx.Client(base_url=address, timeout=WAIT) as http,
        ThreadPoolExecutor(2) as pool,
    ):
        gate.wait_entered()
        gate.shut()
        try:
            accepted = [
                pool.submit(http.post, "/v1/detect", content=jpeg(), headers=JPEG) for _ in "12"
            ]
            until(lambda: app.state.models.batcher()._waiting["images"] == 2)
            refused = http.post("/v1/detect", content=jpeg(), headers=JPEG)
            unread = http.post("/v1/detect", content=b"no picture", headers=JPEG)
            unsent = before_the_body(address, 15_000_000)
        finally:
            gate.open()
        assert_problem(refused, 429, "queue-full")
        assert_problem(unread, 429, "queue-full")
        assert unsent.startswith(b"HTTP/1.1 429 ")
        assert int(refused.headers["retry-after"]) >= 1
        assert [future.result(WAIT).status_code for future in accepted] == [200, 200]


def test_more_requests_at_once_than_allowed_are_429_before_their_body_is_read(gate: Gate) -> None:
    with (
        serving(lambda name: FakeDetector(gate), max_requests=1) as (address, _),
        httpx.Client(base_url=address, timeout=WAIT) as http,
        ThreadPoolExecutor(1) as pool,
    ):
        gate.wait_entered()
        gate.shut()
        try:
            held = pool.submit(http.post, "/v1/detect", content=jpeg(), headers=JPEG)
            gate.wait_entered()
            assert_problem(http.post("/v1/detect", content=b""), 429, "queue-full")
        finally:
            gate.open()
        assert held.result(WAIT).is_success
        assert http.post("/v1/detect", content=jpeg(), headers=JPEG).is_success


def test_a_client_that_leaves_takes_its_work_with_it(gate: Gate) -> None:
    with (
        serving(lambda name: FakeDetector(gate), max_batch=1) as (address, app),
        httpx.Client(base_url=address, timeout=WAIT) as http,
        ThreadPoolExecutor(1) as pool,
    ):
        gate.wait_entered()
        gate.shut()
        try:
            held = pool.submit(http.post, "/v1/detect", content=jpeg(), headers=JPEG)
            gate.wait_entered()
            batcher = app.state.models.batcher()
            image = encode(with_red_box(200, 200), "PNG")
            with connect(address) as leaving:
                leaving.sendall(head_of(len(image)) + image)
                until(lambda: batcher._waiting["images"] == 2)
            until(lambda: batcher._waiting["images"] == 1)
        finally:
            gate.open()
        assert held.result(WAIT).is_success
        assert len(gate.served) == 1


def test_a_model_that_breaks_makes_the_server_unready_until_it_recovers(gate: Gate) -> None:
    with (
        serving(lambda name: FakeDetector(gate), probe_seconds=0.05) as (address, _),
        httpx.Client(base_url=address, timeout=WAIT) as http,
    ):
        gate.broken = RuntimeError("device /dev/secret0 lost")
        failed = http.post("/v1/detect", content=jpeg(), headers=JPEG)
        assert "secret" not in assert_problem(failed, 500, "model-failed")["detail"]
        until(lambda: http.get("/v2/health/ready").status_code == 503)
        document = assert_problem(http.get("/v2/health/ready"), 503, "model-not-ready")
        assert document["ready"] is False
        refused = http.post("/v1/detect", content=jpeg(), headers=JPEG)
        assert_problem(refused, 503, "model-not-ready")
        gate.broken = None
        until(lambda: http.get("/v2/health/ready").is_success)
        assert http.post("/v1/detect", content=jpeg(), headers=JPEG).is_success


def test_the_server_answers_while_its_model_still_loads() -> None:
    may_load = threading.Event()
    live: list[int] = []

    def load(name: str) -> FakeDetector:
        assert may_load.wait(WAIT)
        return FakeDetector()

    def look(address: str) -> None:
        live.append(httpx.get(f"{address}/v2/health/live", timeout=WAIT).status_code)
        live.append(httpx.get(f"{address}/v2/health/ready", timeout=WAIT).status_code)
        may_load.set()

    with serving(load, on_listening=look) as (address, _):
        live.append(httpx.get(f"{address}/v2/health/ready", timeout=WAIT).status_code)
    assert live == [200, 503, 200]


def test_a_server_that_ends_is_unready_at_once_and_finishes_what_it_has(gate: Gate) -> None:
    with (
        serving(lambda name: FakeDetector(gate)) as (address, app),
        httpx.Client(base_url=address, timeout=WAIT) as http,
        ThreadPoolExecutor(1) as pool,
    ):
        gate.wait_entered()
        gate.shut()
        try:
            held = pool.submit(http.post, "/v1/detect", content=jpeg(), headers=JPEG)
            gate.wait_entered()
            app.state.shutdown.begin()
            assert_problem(http.get("/v2/health/ready"), 503, "shutting-down")
            refused = http.post("/v1/detect", content=jpeg(), headers=JPEG)
            assert_problem(refused, 503, "shutting-down")
        finally:
            gate.open()
        assert held.result(WAIT).is_success
