"""Live connections: strangers hold nothing, and no flood grows the server or stops the others."""

from __future__ import annotations

import json
import socket
import struct
import time
from contextlib import ExitStack

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from service.live.socket import MOST_CONFIG
from tests.security.sockets import connect, pour, resident
from tests.service.gate import WAIT
from tests.service.live_client import LOSSLESS, hear, live, photo
from tests.service.serving import serving

KEY = "5f0d9a7e61b24c83"
MIB = 1 << 20


def test_callers_without_a_key_take_no_place_from_those_who_have_one() -> None:
    with serving(api_keys=KEY, max_sessions=1) as (address, app), ExitStack() as strangers:
        for _ in range(5):
            strangers.enter_context(live(address))
        assert app.state.sessions.count == 0
        with live(address, LOSSLESS | {"key": KEY}) as known:
            known.send(photo(0))
            assert hear(known)["type"] == "header"
            with live(address, LOSSLESS | {"key": KEY}) as another:
                assert hear(another)["code"] == "queue_full"


@pytest.mark.parametrize(
    "first",
    [
        "[" * 60_000,
        '{"lines":' * 6000,
        json.dumps({f"unknown{number}": 1 for number in range(3000)}),
        "{" + " " * (2 * MOST_CONFIG) + "}",
        json.dumps({"key": "k" * (2 * MOST_CONFIG)}),
        '{"key": "\\ud800"}',
        '{"fps": NaN}',
        '{"conf": 1e999}',
    ],
)
def test_a_first_message_of_any_shape_is_refused_in_short(first: str) -> None:
    with serving() as (address, _), live(address, first) as wire:
        said = wire.recv(WAIT)
        assert json.loads(said)["type"] == "error"
        assert len(said) < 1000
        with pytest.raises(ConnectionClosed):
            wire.recv(WAIT)


def handshake(address: str) -> socket.socket:
    """A WebSocket connection whose frames are written by hand."""
    wire = connect(address)
    wire.sendall(
        b"GET /v1/live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    said = b""
    while b"\r\n\r\n" not in said:
        said += wire.recv(4096)
    assert said.startswith(b"HTTP/1.1 101 ")
    return wire


def frame(opcode: int, content: bytes, *, last: bool = True) -> bytes:
    """A frame of a client, masked with zeros (RFC 6455, section 5.2)."""
    size = len(content)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack(">H", size)
    return bytes([0x80 * last | opcode]) + length + bytes(4) + content


TEXT, BINARY, PING, CONTINUED = 1, 2, 9, 0
FLOODS = {
    "pings, and no pong is read": (b"", frame(PING, b"a" * 125) * 500),
    "empty messages": (b"", frame(TEXT, b"") * 20_000),
    "a message of endless parts": (
        frame(BINARY, b"a", last=False),
        frame(CONTINUED, b"a" * 60_000, last=False),
    ),
    "a message of endless empty parts": (
        frame(BINARY, b"a", last=False),
        frame(CONTINUED, b"", last=False) * 20_000,
    ),
    "frames before the answer to any": (
        frame(TEXT, json.dumps(LOSSLESS).encode()),
        frame(BINARY, b"\xff\xd8\xff" + b"a" * 60_000),
    ),
}
KEPT = {"pings, and no pong is read", "a message of endless empty parts"}
"""Floods of which something would stay until the connection ends."""


@pytest.mark.parametrize("flood", sorted(FLOODS.keys() - KEPT))
def test_a_flood_neither_grows_the_server_nor_stops_the_others(flood: str) -> None:
    first, piece = FLOODS[flood]
    with serving(stall_seconds=1.0) as (address, _), handshake(address) as wire:
        grown, sent, slowest = resident(), 0, 0.0
        next(grown)
        with httpx.Client(base_url=address, timeout=WAIT) as other:
            wire.sendall(first)
            wire.settimeout(0.2)
            end = time.monotonic() + 1.0
            while time.monotonic() < end and sent < 100 * MIB:
                try:
                    sent += wire.send(piece)
                except (TimeoutError, OSError):
                    sent = 100 * MIB  # it is cut off, or held back: both are well
                began = time.monotonic()
                assert other.get("/v2/health/live").is_success
                slowest = max(slowest, time.monotonic() - began)
        assert next(grown) < 100 * MIB
        assert slowest < 3.0


@pytest.mark.parametrize(
    "flood", ["pings, and no pong is read", "a message of endless empty parts"]
)
def test_a_flood_that_would_be_kept_ends_the_connection(flood: str) -> None:
    first, piece = FLOODS[flood]
    with serving() as (address, _), handshake(address) as wire:
        grown = resident()
        next(grown)
        wire.sendall(first)
        assert pour(wire, piece, 64 * MIB) < 64 * MIB
        assert next(grown) < 32 * MIB
