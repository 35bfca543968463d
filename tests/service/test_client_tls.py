"""Both clients over TLS, as a proxy in front of the server speaks it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from service.client import Client, ServerUnreachable
from service.client.parameters import LiveParameters
from tests.service.clients import KINDS, NOW, calling
from tests.service.clips import clip
from tests.service.live_client import photo
from tests.service.serving import serving

FRAMES = 60
LOSSLESS: LiveParameters = {"embedder": "none", "mode": "lossless", "fps": 10}
NEW = (
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that nobody trusts by itself, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl here to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    paths = folder / "certificate.pem", folder / "key.pem"
    command = [openssl, *NEW.split(), "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-out", str(paths[0]), "-keyout", str(paths[1])]
    subprocess.run(command, check=True, capture_output=True)
    return paths


@pytest.fixture(scope="module")
def address(certificate: tuple[Path, Path]) -> Iterator[str]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    with serving() as (plain, _), start_blocking_portal() as portal:
        handle = partial(forward, int(plain.rpartition(":")[2]))
        start = partial(asyncio.start_server, handle, "127.0.0.1", 0, ssl=context)
        server: asyncio.Server = portal.call(start)
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        portal.call(server.close)


async def forward(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass the bytes of one connection on, in both directions at once."""
    inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
    ways = [(reader, inner_writer), (inner_reader, writer)]
    tasks = [asyncio.create_task(pump(*way)) for way in ways]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for one in (writer, inner_writer):
        one.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await one.wait_closed()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()


def test_every_kind_of_request(
    address: str,
    kind: type[Client],
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with calling(kind, address) as client:
        assert client.ready()
        assert [one.frame for one in client.track(clip("mp4", FRAMES))] == list(range(FRAMES))
        with client.live(**LOSSLESS) as live:
            assert len(list(live.follow(photo(number) for number in range(5)))) == 5


def test_both_directions_at_once(
    address: str,
    kind: type[Client],
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Many small pieces go out while as many lines come in: TLS has one state for both."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    video = clip("mp4", 300)
    pieces = (video[start : start + 500] for start in range(0, len(video), 500))
    with calling(kind, address) as client:
        assert len(list(client.track(pieces))) == 300


def test_a_certificate_that_nobody_trusts_is_not_taken(address: str, kind: type[Client]) -> None:
    with calling(kind, address, **NOW) as client:
        for call in (client.models, lambda: client.track(b"a video"), client.live):
            with pytest.raises(ServerUnreachable, match="certificate verify failed"):
                call()
