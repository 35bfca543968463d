"""Videos that name other files, lie about themselves, or change in the middle: a real server."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest

from tests.security import bombs, containers
from tests.service.clips import clip, picture
from tests.service.gate import WAIT
from tests.service.pictures import encode
from tests.service.serving import serving

CANARY_FRAMES = 37


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with (
        serving(decoder_frame_seconds=0.01) as (address, _),
        httpx.Client(base_url=address, timeout=6 * WAIT) as http,
    ):
        yield http


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good video that only a reader of local files could show."""
    path = tmp_path_factory.mktemp("canary") / "canary.ts"
    path.write_bytes(clip("mpegts", CANARY_FRAMES))
    return path


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server that must see no connection."""
    with closing(socket.create_server(("127.0.0.1", 0))) as sock:
        sock.setblocking(False)
        yield sock


def playlists(address: str) -> dict[str, bytes]:
    """Files that are nothing but the name of another one."""
    entry = f"#EXTINF:1,\n{address}\n#EXT-X-ENDLIST\n"
    hls = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n{entry}".encode()
    manifest = f"<Period><AdaptationSet><Representation><BaseURL>{address}</BaseURL>"
    return {
        "HLS": hls,
        "HLS after blanks": b"\n \n" + hls,
        "DASH": f'<?xml version="1.0"?><MPD>{manifest}'.encode(),
        "Smooth Streaming": b"<SmoothStreamingMedia>" + address.encode(),
        "a concat list": f"ffconcat version 1.0\nfile '{address}'\n".encode(),
        "a session description": f"v=0\nc=IN IP4 127.0.0.1\nm=video 9 {address}\n".encode(),
        "ASX": f'<asx version="3.0"><entry><ref href="{address}"/></entry></asx>'.encode(),
        "PLS": f"[playlist]\nFile1={address}\n".encode(),
        "the name alone": address.encode(),
        "a protocol": f"concat:{address}|{address}".encode(),
        "HLS in MP4": b"\0\0\0\x18ftypmp42" + hls,
        "HLS in GIF": b"GIF89a" + hls,
        "HLS in AVI": b"RIFF\xff\0\0\0AVI " + hls,
        "HLS in JPEG": b"\xff\xd8\xff" + hls,
        "HLS in Matroska": b"\x1a\x45\xdf\xa3" + hls,
        "HLS in a transport stream": b"G" + bytes(187) + b"G" + hls,
        "an MP4's pictures": containers.mp4_that_names(address),
        "a MOV's pictures": containers.mov_that_names(address),
        "a reference movie": containers.mp4_reference_movie(address),
        "the subtitles of an AVI": containers.avi_with_subtitle(hls),
        "a Matroska's next part": containers.mkv_that_goes_on_in(address[-100:]),
    }


def outcome(http: httpx.Client, video: bytes) -> dict[str, Any]:
    """The last line of a track stream, or the refusal."""
    response = http.post("/v1/track", params={"embedder": "none"}, content=video)
    assert response.status_code < 500
    said: dict[str, Any] = json.loads(response.text.splitlines()[-1])
    return said


@pytest.mark.parametrize("kind", playlists("file:///dev/null"))
def test_no_video_makes_the_server_call_or_read_anything_else(
    http: httpx.Client, canary: Path, listener: socket.socket, kind: str
) -> None:
    port = listener.getsockname()[1]
    for address in (f"http://127.0.0.1:{port}/a.ts", f"file://{canary}", str(canary)):
        assert outcome(http, playlists(address)[kind]).get("frames") != CANARY_FRAMES
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_the_carriers_of_these_names_are_good_videos() -> None:
    for data in (containers.avi_with_subtitle(b""), containers.mkv_that_goes_on_in("b.mkv")):
        with av.open(io.BytesIO(data), "r") as opened:
            assert len(list(opened.decode(video=0))) == 5


def jpeg_frame(width: int, height: int) -> bytes:
    return encode(np.zeros((height, width, 3), np.uint8), "JPEG")


def with_many_streams() -> bytes:
    target = io.BytesIO()
    with av.open(target, "w", format="matroska") as out:
        for _ in range(40):
            out.add_stream("pcm_s16le", rate=8000, layout="mono")
        stream = out.add_stream("mpeg4", rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(5):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture(number), "bgr24")))
        out.mux(stream.encode(None))
    return target.getvalue()


SMALL = jpeg_frame(160, 120)
UNREADABLE = {"frame-too-large", "unreadable-video", "no-frames"}
HOSTILE: dict[str, tuple[Callable[[], bytes], set[str]]] = {
    "raw pictures of 60000x60000": (
        lambda: containers.avi_claiming(60_000, 60_000, raw=True),
        UNREADABLE,
    ),
    "raw pictures of a negative size": (
        lambda: containers.avi_claiming(0xFFFFFF00, 120, raw=True),
        UNREADABLE,
    ),
    "a frame in the middle that is too large": (
        lambda: SMALL * 3 + bombs.progressive((8000, 4000), 10) + SMALL * 3,
        {"frame-too-large"},
    ),
    "40 streams": (with_many_streams, {"unreadable-video"}),
    "a frame that takes very long": (
        lambda: SMALL + bombs.progressive((2000, 2000), 3000) + SMALL,
        {"decoder-timeout"},
    ),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_video_over_a_limit_ends_alone_and_says_why(http: httpx.Client, what: str) -> None:
    make, codes = HOSTILE[what]
    said = outcome(http, make())
    code = said.get("code", said.get("type", "").rpartition(":")[2])
    assert code.replace("_", "-") in codes, said
    assert outcome(http, clip("mp4", 5))["frames"] == 5


def test_sizes_that_change_in_the_middle_are_followed_at_the_first_one(http: httpx.Client) -> None:
    frames = b"".join(jpeg_frame(*size) for size in [(160, 120), (64, 64), (320, 240), (1, 1)])
    response = http.post("/v1/track", params={"embedder": "none"}, content=frames)
    head, *_, end = (json.loads(line) for line in response.text.splitlines())
    assert (head["width"], head["height"]) == (160, 120)
    assert (end["type"], end["frames"]) == ("end", 4)


@pytest.mark.parametrize("size", [(60_000, 60_000), (1, 1)])
def test_of_two_sizes_that_a_video_claims_its_pictures_decide(
    http: httpx.Client, size: tuple[int, int]
) -> None:
    video = containers.avi_claiming(*size)
    response = http.post("/v1/track", params={"embedder": "none"}, content=video)
    head, *frames, end = (json.loads(line) for line in response.text.splitlines())
    assert (head["width"], head["height"]) == (160, 120)
    assert len(frames) == end["frames"] == 5
