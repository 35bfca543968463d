"""Both clients against a real server: pictures, models, keys, and what is refused."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from models.errors import InvalidInput
from service.client import (
    AnswerTimeout,
    AsyncClient,
    Client,
    ClientError,
    ConnectionLost,
    KeyRefused,
    NotThere,
    RequestRefused,
    ServerBusy,
    ServerUnreachable,
)
from service.client import parameters as told
from service.client.calls import Picture
from service.client.duplex import DuplexTransport
from service.client.pauses import Pauses
from service.http.parameters import DetectQuery
from service.live.query import LiveConfig
from service.tracks.query import FollowQuery, TrackQuery
from tests.service.clients import KINDS, NOW, calling
from tests.service.clips import picture
from tests.service.gate import WAIT
from tests.service.pictures import encode
from tests.service.scripted import HEAD, answering, problem
from tests.service.serving import serving
from tests.service.test_segment import RedSegmenter

PNG = encode(picture(3), "PNG")
KEY = "a-key-of-enough-letters"
MODELS = b'{"default":null,"models":[],"embedders":[],"segmenters":[]}'
NO_MODELS = (
    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(MODELS) + MODELS
)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving() as (address, _):
        yield address


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> type[Client | AsyncClient]:
    chosen: type[Client | AsyncClient] = request.param
    return chosen


@pytest.fixture
def client(address: str, kind: type[Client]) -> Iterator[Client]:
    with calling(kind, address) as made:
        yield made


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that a client would have waited, had it been let."""
    taken: list[float] = []
    real = Pauses.after

    def after(self: Pauses, error: ClientError) -> float:
        taken.append(real(self, error))
        return 0.0

    monkeypatch.setattr(Pauses, "after", after)
    return taken


def test_the_objects_of_a_picture(client: Client) -> None:
    answer = client.detect(PNG, classes=["red"])
    assert [item.name for item in answer.detections] == ["red"]
    assert (answer.image.width, answer.image.height) == (160, 120)
    assert answer["detections"][0]["class"] == answer.detections[0].class_
    with pytest.raises(KeyError):
        answer["nothing"]


def test_a_picture_as_path_bytes_or_pixels_is_the_same(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(PNG)
    ways: list[Picture] = [path, str(path), PNG, picture(3)]
    answers = [answer.detections for answer in client.detect_several(ways)]
    assert answers == [client.detect(way).detections for way in ways]
    assert answers[0] == answers[1] == answers[2] == answers[3]
    assert client.detect_several([PNG])[0].detections == answers[0]


def test_an_array_that_is_no_picture_is_refused(client: Client) -> None:
    with pytest.raises(InvalidInput, match=r"float64 \[160, 120\]"):
        client.detect(picture(3)[..., 0].T * 1.0)  # type: ignore[arg-type]


def test_a_picture_with_its_objects_drawn(client: Client) -> None:
    assert client.annotate(PNG).startswith(b"\xff\xd8")


def test_what_each_pixel_belongs_to(kind: type[Client], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.inference.engine.load_segmenter", lambda *_: RedSegmenter())
    with serving() as (address, _), calling(kind, address) as client:
        answer = client.segment(PNG)
    ids = answer.class_ids()
    assert ids.shape == (120, 160)
    assert {one.class_: one.pixels for one in answer.classes} == {
        class_id: int((ids == class_id).sum()) for class_id in (0, 2)
    }


def test_what_the_server_refuses_is_raised_with_its_problem(client: Client) -> None:
    with pytest.raises(RequestRefused, match="pigeon") as caught:
        client.detect(PNG, classes=["pigeon"])
    error = caught.value
    assert (error.status, error.code, error.title) == (422, "invalid-parameter", error.title)
    assert error.instance == "/v1/detect"
    assert error.request_id
    assert "pigeon" in error.detail


def test_the_models_and_the_server(client: Client) -> None:
    assert client.ready()
    assert [one.name for one in client.models() if one.loaded] == ["fake"]
    assert client.info().limits["max_images"] == 16
    assert client.model("yolo26n").state == "unloaded"
    with pytest.raises(NotThere):
        client.model("nope")
    with pytest.raises(RequestRefused):
        client.unload("yolo26n")


@pytest.mark.parametrize("key", [None, "another-key-altogether"])
def test_a_key_that_is_not_known_is_refused(kind: type[Client], key: str | None) -> None:
    with serving(api_keys=[KEY], admin_key=KEY + "-admin") as (address, _):
        with calling(kind, address, api_key=key) as client, pytest.raises(KeyRefused):
            client.detect(PNG)
        with calling(kind, address, api_key=KEY) as client:
            assert client.detect(PNG).model == "fake"
            with pytest.raises(KeyRefused):
                client.load("fake")


def test_a_file_that_is_not_there_is_named(client: Client) -> None:
    for call in (client.detect, client.track, client.submit):
        with pytest.raises(InvalidInput, match=r"nothing\.mp4"):
            call("nothing.mp4")


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInput, match="localhost"):
        Client("localhost:8000")


@pytest.fixture
def nobody() -> Iterator[socket.socket]:
    """An address of the loopback that refuses connections until it is listened at."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound


def test_no_server_is_not_ready(kind: type[Client], nobody: socket.socket) -> None:
    with calling(kind, f"http://127.0.0.1:{nobody.getsockname()[1]}", **NOW) as client:
        assert not client.ready()
        for call in (client.models, lambda: client.track(b"a video")):
            with pytest.raises(
                ServerUnreachable, match=r"no connection to http://127\.0\.0\.1:\d+: "
            ):
                call()


def test_a_server_that_is_about_to_start_is_waited_for(
    nobody: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(*_: object) -> float:
        nobody.listen()
        threading.Thread(target=serve, daemon=True).start()
        return 0.0

    def serve() -> None:
        connection, _ = nobody.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(NO_MODELS)

    monkeypatch.setattr(Pauses, "after", start)
    with Client(f"http://127.0.0.1:{nobody.getsockname()[1]}", timeout=WAIT) as client:
        assert client.models() == []


def test_a_full_queue_is_tried_again_when_the_server_says(
    kind: type[Client], pauses: list[float]
) -> None:
    with (
        answering(problem(429, "7"), problem(429), NO_MODELS) as address,
        calling(kind, address) as client,
    ):
        assert client.models() == []
    assert 7 <= pauses[0] < 9
    assert 1 <= pauses[1] < 1.5


def test_a_queue_that_stays_full_is_raised(kind: type[Client], pauses: list[float]) -> None:
    with (
        answering(*[problem(429, "1", detail="64 wait")] * 4) as address,
        calling(kind, address) as client,
        pytest.raises(ServerBusy, match="64 wait") as caught,
    ):
        client.models()
    assert caught.value.retry_after == 1
    assert len(pauses) == 3


def test_a_server_that_is_not_ready_is_not_asked_again(
    kind: type[Client], pauses: list[float]
) -> None:
    with (
        answering(problem(503, "1")) as address,
        calling(kind, address) as client,
        pytest.raises(ServerBusy),
    ):
        client.models()
    assert pauses == []


def test_what_may_not_be_done_twice_is_not_tried_twice(
    kind: type[Client], pauses: list[float]
) -> None:
    with answering(b"") as address, calling(kind, address) as client, pytest.raises(ConnectionLost):
        client.submit(b"a video")
    assert pauses == []


def test_what_may_be_done_twice_is(kind: type[Client], pauses: list[float]) -> None:
    with answering(b"", NO_MODELS) as address, calling(kind, address) as client:
        assert client.models() == []
    assert len(pauses) == 1


def test_an_answer_that_does_not_come_is_given_up(kind: type[Client]) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        calling(kind, f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=1.0) as client,
    ):
        for call in (client.models, lambda: client.track(b"a video")):
            with pytest.raises(AnswerTimeout):
                call()


def test_a_proxy_that_refuses_in_its_own_words_is_quoted() -> None:
    page = b"HTTP/1.1 502 Bad\r\nContent-Length: 12\r\nConnection: close\r\n\r\n<h1>Bad</h1>"
    with (
        answering(page) as address,
        Client(address) as client,
        pytest.raises(RequestRefused, match="<h1>Bad</h1>"),
    ):
        client.models()


def test_an_answer_that_is_no_http_is_an_error(kind: type[Client]) -> None:
    with (
        answering(b"220 smtp ready\r\n") as address,
        calling(kind, address, **NOW) as client,
        pytest.raises(ConnectionLost),
    ):
        client.track(b"a video")


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


@pytest.mark.parametrize(
    ("typed", "query", "not_sent"),
    [
        (told.DetectParameters, DetectQuery, set()),
        (told.FollowParameters, FollowQuery, set()),
        (told.TrackParameters, TrackQuery, set()),
        (told.LiveParameters, LiveConfig, {"key"}),
    ],
)
def test_the_parameters_are_those_of_the_server(
    typed: type, query: type[DetectQuery], not_sent: set[str]
) -> None:
    assert typed.__annotations__.keys() == query.model_fields.keys() - not_sent
