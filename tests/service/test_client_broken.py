"""Track streams that break, or go wrong: taken up again where that gives the same tracks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from service.client import (
    Client,
    ClientError,
    Progress,
    StreamChanged,
    StreamCut,
    StreamFailed,
)
from service.client.pauses import Pauses
from tests.service.clients import KINDS, calling
from tests.service.clips import clip, pieces
from tests.service.proxy import proxy
from tests.service.scripted import HEAD, HEADER, answering, frame, line
from tests.service.serving import serving

FRAMES = 60
CLIP = clip("mp4", FRAMES)
END = line(type="end", frames=2, tracks=1, elapsed_s=0.1, fps=20.0, damaged=0)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving() as (address, _):
        yield address


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[ClientError]:
    """Why a client would have paused; it does not, here."""
    taken: list[ClientError] = []
    real = Pauses.after

    def after(self: Pauses, error: ClientError) -> float:
        real(self, error)
        taken.append(error)
        return 0.0

    monkeypatch.setattr(Pauses, "after", after)
    return taken


@pytest.fixture(scope="module")
def undisturbed(address: str) -> list[bytes]:
    """The lines of the clip's frames."""
    with Client(address) as client:
        return list(client.track(CLIP).lines())[1:-1]


def test_a_broken_stream_goes_on_with_the_tracks_of_an_unbroken_one(
    address: str, kind: type[Client], undisturbed: list[bytes], pauses: list[ClientError]
) -> None:
    with proxy(address, 5000, 100, 12000) as cutting, calling(kind, cutting.address) as client:
        said: list[Progress] = []
        stream = client.track(CLIP, progress=said.append)
        lines = list(stream.lines())
    assert lines[1:-1] == undisturbed
    assert cutting.connections == 4
    assert len(pauses) == 3
    assert stream.end is not None
    assert said[-1].frames == FRAMES


def test_a_stream_that_breaks_before_its_first_line_is_begun_again(
    address: str, kind: type[Client], undisturbed: list[bytes]
) -> None:
    with proxy(address, 100) as cutting, calling(kind, cutting.address) as client:
        assert list(client.track(CLIP).lines())[1:-1] == undisturbed


def test_a_stream_that_never_gets_further_is_given_up(address: str, kind: type[Client]) -> None:
    with (
        proxy(address, *[5000] * 4) as cutting,
        calling(kind, cutting.address, resumes=2) as client,
        pytest.raises(StreamCut) as caught,
    ):
        list(client.track(CLIP))
    assert cutting.connections == 3
    assert caught.value.frame > 0


def test_a_video_that_can_be_had_only_once_is_not_sent_again(
    address: str, kind: type[Client]
) -> None:
    with proxy(address, 5000) as cutting, calling(kind, cutting.address) as client:
        frames = iter(client.track(pieces(CLIP, 1000)))
        with pytest.raises(StreamCut, match="cut"):
            list(frames)
    assert cutting.connections == 1


@pytest.mark.parametrize(
    "second",
    [
        HEADER + frame(0, 1) + frame(1, 3) + frame(2, 3) + END,
        HEADER + frame(0, 1) + END,
        HEADER.replace(b"deepsort", b"sort") + frame(0, 1) + frame(1, 2) + frame(2, 2) + END,
    ],
    ids=["another identity", "fewer frames", "another tracker"],
)
def test_other_tracks_than_before_are_never_given(kind: type[Client], second: bytes) -> None:
    first = HEADER + frame(0, 1) + frame(1, 2)
    with answering(HEAD + first, HEAD + second) as address, calling(kind, address) as client:
        frames = iter(client.track(b"bytes"))
        assert [next(frames).frame, next(frames).frame] == [0, 1]
        with pytest.raises(StreamChanged, match="other tracks"):
            next(frames)


def test_a_server_that_shuts_down_is_come_back_to(kind: type[Client]) -> None:
    leaving = line(type="error", code="shutting_down", message="it ends", frame=1)
    first = HEADER + frame(0, 1) + leaving
    second = HEADER + frame(0, 1) + frame(1, 1) + END
    with answering(HEAD + first, HEAD + second) as address, calling(kind, address) as client:
        assert [one.frame for one in client.track(b"bytes")] == [0, 1]


def test_an_error_line_fails_with_its_message(kind: type[Client]) -> None:
    last = line(type="error", code="model_failed", message="it broke", frame=1)
    with (
        answering(HEAD + HEADER + frame(0) + last) as address,
        calling(kind, address) as client,
    ):
        frames = iter(client.track(b"bytes"))
        next(frames)
        with pytest.raises(StreamFailed, match=r"it broke \(model_failed, frame 1\)") as caught:
            next(frames)
    assert (caught.value.code, caught.value.frame) == ("model_failed", 1)


@pytest.mark.parametrize("text", [b"<html>\n", b'{"type":"frame"}\n'])
def test_what_is_no_line_of_tracks_is_an_error(kind: type[Client], text: bytes) -> None:
    with (
        answering(HEAD + text) as address,
        calling(kind, address) as client,
        pytest.raises(StreamFailed, match="a line of tracks was expected"),
    ):
        client.track(b"bytes")


def test_a_stream_without_a_header_is_an_error(kind: type[Client]) -> None:
    with (
        answering(HEAD + frame(0, 1) + END) as address,
        calling(kind, address) as client,
        pytest.raises(StreamFailed, match="a header was expected"),
    ):
        client.track(b"bytes")


def test_fields_that_a_newer_server_adds_do_no_harm(kind: type[Client]) -> None:
    newer = HEADER.replace(b"{", b'{"new":1,', 1) + frame(0, 1).replace(b"{", b'{"new":[],', 1)
    with answering(HEAD + newer + END) as address, calling(kind, address) as client:
        assert [one.frame for one in client.track(b"bytes")] == [0]
