"""The client against a real server, and against servers that misbehave."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import cv2
import httpx
import pytest

from models.errors import InvalidInput
from service.client import Client, RequestRefused, StreamFailed
from service.duplex import DuplexTransport
from tests.service.clips import clip, picture
from tests.service.gate import WAIT
from tests.service.serving import serving


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with serving() as (address, _), Client(address, timeout=WAIT) as made:
        yield made


def png() -> bytes:
    ok, data = cv2.imencode(".png", picture(3))
    assert ok
    return data.tobytes()


def test_the_objects_of_a_picture(client: Client) -> None:
    answer = client.detect(png(), classes=["red"])
    assert [item["name"] for item in answer["detections"]] == ["red"]
    assert answer["image"] == {"width": 160, "height": 120}


def test_a_picture_with_its_objects_drawn(client: Client) -> None:
    assert client.annotate(png()).startswith(b"\xff\xd8")


def test_the_frames_of_a_video_by_path(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip("mp4", 20))
    sent: list[tuple[int, int]] = []
    stream = client.track(path, progress=lambda done, size: sent.append((done, size)))
    frames = list(stream)
    assert stream.header["frames"] == 20
    assert [frame["frame"] for frame in frames] == list(range(20))
    assert stream.end is not None
    assert stream.end["tracks"] == 2
    assert sent[-1] == (path.stat().st_size, path.stat().st_size)


def test_what_the_server_refuses_is_raised_with_its_reason(client: Client) -> None:
    with pytest.raises(RequestRefused, match="pigeon") as caught:
        client.detect(png(), classes=["pigeon"])
    assert caught.value.status == 422
    with pytest.raises(RequestRefused) as caught:
        client.track(b"no video at all")
    assert caught.value.status in (400, 415)


def test_a_file_that_is_not_there_is_named(client: Client) -> None:
    with pytest.raises(InvalidInput, match=r"nothing\.mp4"):
        client.track("nothing.mp4")


def test_no_server_is_not_ready() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with Client(f"http://127.0.0.1:{port}") as client:
        assert not client.ready()


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that reads one request's head, answers these bytes and hangs up."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(WAIT)
            while b"\r\n\r\n" not in connection.recv(65536):
                pass
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)
            # Until the client has hung up too: closing earlier would reset what it still reads.
            while connection.recv(65536):
                pass

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(WAIT)
        assert not thread.is_alive()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n"
HEADER = b'{"type":"header","frames":null}\n'
FRAME = b'{"type":"frame","frame":0,"time":0.0,"objects":[]}\n'


def test_a_stream_that_is_cut_fails() -> None:
    with answering(HEAD + HEADER + FRAME) as address, Client(address) as client:
        stream = client.track(b"bytes")
        frames = iter(stream)
        assert next(frames)["frame"] == 0
        with pytest.raises(StreamFailed, match="cut"):
            next(frames)


def test_an_error_line_fails_with_its_message() -> None:
    line = b'{"type":"error","code":"model_failed","message":"it broke","frame":1}\n'
    with answering(HEAD + HEADER + FRAME + line) as address, Client(address) as client:
        frames = iter(client.track(b"bytes"))
        next(frames)
        with pytest.raises(StreamFailed, match=r"it broke \(model_failed, frame 1\)"):
            next(frames)


def test_an_answer_that_is_no_http_is_an_error() -> None:
    with (
        answering(b"220 smtp ready\r\n") as address,
        httpx.Client(transport=DuplexTransport(), timeout=WAIT) as http,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        http.get(address)


def test_the_answer_is_read_while_the_body_is_still_sent() -> None:
    """The body waits for the first bytes of the answer: one direction at a time would hang."""
    answered = threading.Event()

    def body() -> Iterator[bytes]:
        yield b"first"
        assert answered.wait(WAIT)
        yield b"second"

    with (
        answering(HEAD + b"early") as address,
        httpx.Client(transport=DuplexTransport(), timeout=WAIT) as http,
        http.stream("POST", address, content=body()) as response,
    ):
        assert next(response.iter_raw()) == b"early"
        answered.set()
