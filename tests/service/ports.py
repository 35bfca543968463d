"""Ports for servers that have to be told where to listen before they are started."""

from __future__ import annotations

import random
import socket
from contextlib import suppress
from pathlib import Path

GIVEN_OUT = Path("/proc/sys/net/ipv4/ip_local_port_range")
"""Has the first of the ports that Linux gives to whoever asks for any, as every client does."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens at, and that nobody is given who asks for any."""
    first = int(GIVEN_OUT.read_text().split()[0]) if GIVEN_OUT.exists() else 0
    for port in random.sample(range(first - 10_000, first), 100) if first > 15_000 else ():
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    with socket.create_server(("127.0.0.1", 0)) as listening:
        given: int = listening.getsockname()[1]
    return given
