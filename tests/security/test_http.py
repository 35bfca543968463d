"""What is sent to a real server byte by byte: framing that lies, and requests without end."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from service.http.protocol import HEAD_BYTES, MOST_WAITING
from tests.security.sockets import connect, pour, resident, say, statuses, until_closed
from tests.service.gate import WAIT
from tests.service.pictures import jpeg
from tests.service.serving import serving
from tests.service.test_http import assert_problem

POST = b"POST /v1/detect HTTP/1.1\r\nHost: x\r\n"
VIDEO = b"POST /v1/track HTTP/1.1\r\nHost: x\r\n"
HEALTH = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n"
SMUGGLED = HEALTH + b"\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
MIB = 1 << 20


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(stall_seconds=1.0, max_body_seconds=2.0) as (address, _):
        yield address


TWO_READINGS = {
    "length and chunks": POST + b"Content-Length: 4\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "chunks and length": POST + CHUNKED + b"Content-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n",
    "the same length twice": POST + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "a list of lengths": POST + b"Content-Length: 0, 0\r\n\r\n",
    "a length with a sign": POST + b"Content-Length: +0\r\n\r\n",
    "a negative length": POST + b"Content-Length: -1\r\n\r\n",
    "a hexadecimal length": POST + b"Content-Length: 0x0\r\n\r\n",
    "a length beyond 64 bits": POST + b"Content-Length: 99999999999999999999\r\n\r\n",
    "a space before the colon": POST + b"Content-Length : 0\r\n\r\n",
    "an encoding that is none": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunks that are not last": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunks twice": POST + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n",
    "a vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": POST.replace(b"1.1", b"1.0") + CHUNKED + b"\r\n0\r\n\r\n",
    "a chunk of negative size": POST + CHUNKED + b"\r\n-4\r\nabcd\r\n0\r\n\r\n",
    "a chunk of 0x4": POST + CHUNKED + b"\r\n0x4\r\nabcd\r\n0\r\n\r\n",
    "a chunk beyond 64 bits": POST + CHUNKED + b"\r\n" + b"f" * 20 + b"\r\nabcd\r\n0\r\n\r\n",
    "a chunk larger than it says": POST + CHUNKED + b"\r\n4\r\nabcdefgh\r\n0\r\n\r\n",
    "an extension that ends in LF": POST + CHUNKED + b"\r\n4;a\nabcd\r\n0\r\n\r\n",
    "chunks that end in LF": POST + CHUNKED + b"\r\n4\nabcd\n0\n\n",
    "a head that ends in LF": HEALTH.replace(b"\r\n", b"\n") + b"\n",
    "one line that ends in LF": HEALTH + b"A: b\nC: d\r\n\r\n",
    "a CR within a line": HEALTH + b"A: b\rC: d\r\n\r\n",
    "a folded line": HEALTH + b"A: b\r\n c\r\n\r\n",
    "a zero byte": HEALTH + b"A: b\0c\r\n\r\n",
    "no host": b"GET /v2/health/live HTTP/1.1\r\n\r\n",
    "two hosts": HEALTH + b"Host: y\r\n\r\n",
    "HTTP/0.9": b"GET /v2/health/live\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a body behind an upgrade": POST
    + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 44\r\n\r\n",
    "chunks behind a WebSocket": HEALTH
    + b"Connection: upgrade\r\nUpgrade: websocket\r\n"
    + CHUNKED
    + b"\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("shape", TWO_READINGS)
def test_what_two_servers_may_read_differently_is_refused_with_all_behind_it(
    address: str, shape: str
) -> None:
    said = say(address, TWO_READINGS[shape] + SMUGGLED)
    assert statuses(said) == [400]
    assert b"\r\nconnection: close\r\n" in said
    assert b'"live"' not in said


def test_a_body_shorter_than_its_length_leaves_nothing_of_it_behind(address: str) -> None:
    said = say(address, POST + b"Content-Length: 3\r\n\r\n" + b"abcd" + SMUGGLED)
    assert statuses(said) == [400]


def test_a_body_that_never_gets_as_long_as_it_says_is_given_up(address: str) -> None:
    assert statuses(say(address, POST + b"Content-Length: 9999\r\n\r\n" + jpeg()[:99])) == [408]


def test_a_body_in_drops_is_given_up_although_it_never_stands_still() -> None:
    stop = threading.Event()
    with serving(max_body_seconds=2.0) as (address, _), connect(address) as sock:

        def drip() -> None:
            while not stop.wait(0.05):
                try:
                    sock.send(b"a")
                except OSError:
                    return

        sock.sendall(POST + b"Content-Length: 9999\r\n\r\n")
        dripping = threading.Thread(target=drip)
        dripping.start()
        said = until_closed(sock)
        stop.set()
        dripping.join(WAIT)
    assert statuses(said) == [408]
    assert b"longer to come than 2 s" in said


FORM = (
    b"Content-Type: multipart/form-data; boundary=a\r\nConnection: close\r\n"
    b"Content-Length: 20000000\r\n\r\n"
)
ENDLESS = {
    "trailers": (POST + CHUNKED + b"\r\n0\r\n", b"X-Trailer: abcdefgh\r\n" * 3000),
    "a trailer": (POST + CHUNKED + b"\r\n0\r\nX: ", b"a" * 65536),
    "a chunk's extension": (POST + CHUNKED + b"\r\n4;", b"a" * 65536),
    "chunks of a byte": (POST + CHUNKED + b"\r\n", b"1\r\na\r\n" * 10000),
    "a head": (HEALTH + b"X: ", b"a" * 65536),
    "requests on one connection": (b"", SMUGGLED * 3000),
    "a head of a part": (POST + FORM + b"--a\r\nX: ", b"a" * 65536),
    "lines of a part's head": (POST + FORM + b"--a\r\n", b"X-Y: a\r\n" * 8000),
    "parts": (POST + FORM, b'--a\r\nContent-Disposition: form-data; name="x"\r\n\r\n\r\n' * 1000),
    "a head of a video's part": (VIDEO + FORM + b"--a\r\nX: ", b"a" * 65536),
    "parts before a video": (
        VIDEO + FORM,
        b'--a\r\nContent-Disposition: form-data; name="x"\r\n\r\n\r\n' * 1000,
    ),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_what_does_not_end_is_cut_off_soon_and_nobody_else_waits(address: str, what: str) -> None:
    head, piece = ENDLESS[what]
    grown, slowest, stop = resident(), 0.0, threading.Event()
    next(grown)

    def ask() -> None:
        nonlocal slowest
        with httpx.Client(base_url=address, timeout=WAIT) as other:
            while not stop.wait(0.02):
                began = time.monotonic()
                other.get("/v2/health/live")
                slowest = max(slowest, time.monotonic() - began)

    asking = threading.Thread(target=ask)
    asking.start()
    with connect(address) as sock:
        sock.sendall(head)
        pour(sock, piece, 16 * MIB)
        said = until_closed(sock)
    stop.set()
    asking.join(WAIT)
    assert set(statuses(said)) <= {200, 400, 408, 413, 431}
    assert next(grown) < 32 * MIB
    assert slowest < 3.0


def test_more_requests_than_may_wait_on_one_connection_are_refused(address: str) -> None:
    said = say(address, SMUGGLED * (MOST_WAITING + 2))
    assert statuses(said)[-1] == 400
    assert said.endswith(b"}")


def test_some_requests_may_wait_on_one_connection(address: str) -> None:
    last = HEALTH + b"Connection: close\r\n\r\n"
    assert statuses(say(address, SMUGGLED * 3 + last)) == [200] * 4


def test_one_connection_too_many_is_told_so_and_the_others_are_served() -> None:
    with serving(max_connections=10) as (address, _), ExitStack() as open_ones:
        idle: list[socket.socket] = [open_ones.enter_context(connect(address)) for _ in range(9)]
        client = open_ones.enter_context(httpx.Client(base_url=address, timeout=WAIT))
        assert client.get("/v2/health/live").is_success
        said = say(address, b"")
        assert statuses(said) == [503]
        assert json.loads(said.partition(b"\r\n\r\n")[2])["type"].endswith("too-many-connections")
        assert client.get("/v2/health/live").is_success
        idle.pop().close()
        client.get("/v2/health/live")
        idle.append(open_ones.enter_context(connect(address)))
        idle[-1].sendall(HEALTH + b"Connection: close\r\n\r\n")
        assert statuses(until_closed(idle[-1])) == [200]


ODD_PATHS = [
    b"/web/../settings.py",
    b"/web/%2e%2e/settings.py",
    b"/web/..%2fsettings.py",
    b"/web/%00",
    b"/docs/assets//etc/passwd",
    b"/docs/assets/..%5c..%5cetc%5cpasswd",
    b"/v1/models/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    b"/v1/models/%ff%00",
    b"/v1/models/" + b"a" * 9000,
    b"/web/" + b"a/" * 9000,
]


@pytest.mark.parametrize("path", ODD_PATHS)
def test_no_path_leads_out_of_the_page(address: str, path: bytes) -> None:
    said = say(address, b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert statuses(said) == [404]
    assert b"root:" not in said


SINGLE_BYTES = b",".join(b"%d-%d" % (at, at) for at in range(0, 20000, 2))
RANGES = {
    "a number of 5000 digits": b"bytes=0-" + b"9" * 5000,
    "thousands of pieces": b"bytes=" + SINGLE_BYTES,
    "overlaps": b"bytes=" + b",".join([b"0-"] * 9000),
    "backwards": b"bytes=9-2",
    "nothing": b"bytes=-0",
    "words": b"bytes=a-b",
    "another unit": b"lines=1-2",
}


@pytest.mark.parametrize("what", RANGES)
def test_ranges_of_any_kind_cost_no_more_than_the_file(address: str, what: str) -> None:
    head = b"GET /web/app.js HTTP/1.1\r\nHost: x\r\nConnection: close\r\nRange: "
    began = time.process_time()
    said = say(address, head + RANGES[what] + b"\r\n\r\n")
    assert set(statuses(said)) <= {200, 206, 400, 416, 431}
    assert len(said) < 4 * HEAD_BYTES
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    "query",
    ["conf=nan", "conf=inf", "conf=1e999", "max_det=1" + "0" * 5000, "imgsz=1e9", "iou=-nan"],
)
def test_numbers_that_are_none_are_422(address: str, query: str) -> None:
    response = httpx.post(f"{address}/v1/detect?{query}", content=jpeg(), timeout=WAIT)
    assert_problem(response, 422, "invalid-parameter")


@pytest.mark.parametrize("shapes", ["[" * 5000, '[{"name":' * 900, "[" + "1," * 7000 + "1]"])
def test_json_that_is_deep_or_long_is_422(address: str, shapes: str) -> None:
    response = httpx.post(
        f"{address}/v1/track", params={"lines": shapes}, content=b"x", timeout=WAIT
    )
    assert_problem(response, 422, "invalid-parameter")
