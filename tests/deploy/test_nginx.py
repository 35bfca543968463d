"""The configuration in ``deploy/nginx`` in a real nginx before a real server."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.deploy.programs import DEPLOY, needed, running
from tests.service.clips import AS_LONG_AS, clip
from tests.service.gate import WAIT
from tests.service.live_client import LOSSLESS, finish, hear, live, photo
from tests.service.pictures import encode
from tests.service.ports import free_port
from tests.service.serving import serving
from tests.service.test_client_tls import certificate
from tests.service.test_track import TRACK, comparable, lines_of
from tests.service.wire import Wire

__all__ = ["certificate"]

SERVER = "127.0.0.1:8000"
INSIDE = ("/etc/nginx/certificate.pem", "/etc/nginx/key.pem")
LONG = 60.0
"""Seconds for 27 MB through a proxy and a decoder on a busy machine."""
NGINX = """
daemon off; user {user}; worker_processes 1; pid {folder}/pid; error_log stderr;
events {{ }}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    include {folder}/trackline.conf;
}}
"""


@contextmanager
def nginx(folder: Path, server: str, *certificate: Path) -> Iterator[str]:
    """The address of nginx with our configuration, in clear text where there is no certificate."""
    program = needed("nginx", "nginx-light")
    port = free_port()
    text = (DEPLOY / "nginx" / "trackline.conf").read_text()
    if not certificate:
        text = "\n".join(line for line in text.splitlines() if "ssl_certificate" not in line)
    listen = f"listen 127.0.0.1:{port}{' ssl' if certificate else ''}"
    files = zip(INSIDE, certificate, strict=False)
    for ours, here in (("listen 443 ssl", listen), (SERVER, server), *files):
        assert ours in text
        text = text.replace(ours, str(here))
    (folder / "trackline.conf").write_text(text)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, user=folder.owner()))
    with running([program, "-p", folder, "-e", "stderr", "-c", folder / "nginx.conf"], port):
        yield f"http{'s' if certificate else ''}://127.0.0.1:{port}"


@pytest.fixture
def proxied(tmp_path: Path, client: httpx.Client) -> Iterator[str]:
    """The address of nginx before the server of ``client``."""
    with nginx(tmp_path, client.base_url.netloc.decode()) as address:
        yield address


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """A client of the server itself, which takes bodies of some size."""
    with (
        serving(max_image_bytes=30_000_000) as (address, _),
        httpx.Client(base_url=address, timeout=WAIT) as http,
    ):
        yield http


def test_tracks_come_while_the_video_is_still_sent(proxied: str, client: httpx.Client) -> None:
    video = clip("mp4", AS_LONG_AS)
    half = len(video) // 2
    with Wire(proxied, TRACK) as wire:
        wire.send(video[:half])
        first = [wire.line() for _ in range(10)]  # and nothing more is sent until they are here
        wire.send(video[half:])
        wire.finish()
        rest = list(wire.lines())
    direct = lines_of(client.post(TRACK, content=video))
    assert comparable(first + rest) == comparable(direct)


def test_live_pictures_are_answered_one_by_one(proxied: str) -> None:
    with live(proxied, LOSSLESS) as socket:
        for number in range(5):
            socket.send(photo(number))
            while (said := hear(socket))["type"] != "frame":
                assert said["type"] in ("header", "ready"), said
            assert said["frame"] == number
        assert finish(socket)[-1]["type"] == "end"


def test_large_bodies_go_through_and_the_server_refuses_what_is_too_large(proxied: str) -> None:
    large = encode(np.zeros((3000, 3000, 3), np.uint8), "BMP")
    with httpx.Client(base_url=proxied, timeout=LONG) as http:
        answer = http.post("/v1/detect", content=large, headers={"Content-Type": "image/bmp"})
        assert answer.json()["image"] == {"width": 3000, "height": 3000}
        refused = http.post("/v1/detect", content=large + large)
        assert refused.status_code == 413
        assert refused.headers["content-type"] == "application/problem+json"


def test_counters_stay_inside(proxied: str, client: httpx.Client) -> None:
    assert client.get("/metrics").status_code == 200
    assert httpx.get(f"{proxied}/metrics", timeout=WAIT).status_code == 404


def test_with_its_certificate_it_answers_by_tls_alone(
    tmp_path: Path, client: httpx.Client, certificate: tuple[Path, Path]
) -> None:
    trusted = ssl.create_default_context(cafile=str(certificate[0]))
    with nginx(tmp_path, client.base_url.netloc.decode(), *certificate) as address:
        assert httpx.get(f"{address}/v2/health/ready", verify=trusted, timeout=WAIT).is_success
        in_clear = httpx.get(address.replace("https", "http"), timeout=WAIT)
        assert (in_clear.status_code, in_clear.headers["server"].split("/")[0]) == (400, "nginx")
