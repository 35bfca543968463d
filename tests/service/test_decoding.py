"""Decoders in processes of their own: what they give of a video, and what they refuse.

Each test runs the real fork server and the real decoder.
"""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from service.decoding.decoders import Decoders
from service.decoding.errors import (
    FrameTooLarge,
    NoFrames,
    UnreadableVideo,
    VideoTooLong,
)
from service.decoding.task import Job
from service.decoding.video import Video, VideoEnd, VideoFrame, VideoInfo
from service.errors import ServiceError
from tests.service.clips import CODECS, HEIGHT, INDEX_LAST, WIDTH, clip, picture, sound, turned
from tests.service.decoded import RING, collect, decode, say


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    with Decoders() as running:
        yield running


def places(image: NDArray[np.uint8]) -> list[float]:
    """Centres of the red and of the green rectangle: x, y, x, y."""
    blue, green, red = (image[:, :, channel].astype(int) for channel in range(3))
    centres: list[float] = []
    for strong, weak in ((red, green), (green, red)):
        rows, columns = np.nonzero((strong - weak > 90) & (strong - blue > 90))
        centres += [float(columns.mean()), float(rows.mean())]
    return centres


@pytest.mark.parametrize("kind", CODECS)
def test_every_container_gives_all_frames_upright_and_in_order(
    decoders: Decoders, kind: str
) -> None:
    frames = 15
    got = decode(decoders, clip(kind, frames))
    assert got.numbers == list(range(frames))
    assert got.info is not None
    assert (got.info.width, got.info.height) == (WIDTH, HEIGHT)
    for number, image in enumerate(got.images):
        assert places(image) == pytest.approx(places(picture(number)), abs=2)
    assert got.end == VideoEnd(damaged=0, complete=True)


def test_times_are_the_containers_own(decoders: Decoders) -> None:
    times = [0, 40, 50, 400, 410, 900]
    got = decode(decoders, clip("mp4", len(times), times=times))
    assert got.times == pytest.approx([time / 1000 for time in times], abs=1e-3)


def test_a_stream_without_timestamps_gets_times_from_its_rate(decoders: Decoders) -> None:
    got = decode(decoders, clip("mjpeg", 4))
    assert got.info is not None
    assert got.info.fps is not None
    assert got.times == pytest.approx([number / got.info.fps for number in range(4)])


def test_rotation_is_honoured(decoders: Decoders) -> None:
    got = decode(decoders, turned(clip("mp4", 3)))
    assert got.info is not None
    assert (got.info.width, got.info.height) == (HEIGHT, WIDTH)
    expected = places(np.rot90(picture(0), -1))
    assert places(got.images[0]) == pytest.approx(expected, abs=1)


def test_frames_of_another_size_are_scaled_to_the_first(decoders: Decoders) -> None:
    # A transport stream may be joined from several by simply writing one after the other.
    joined = clip("mpegts", 4) + clip("mpegts", 4, size=(WIDTH * 2, HEIGHT * 2))
    got = decode(decoders, joined)
    assert {image.shape for image in got.images} == {(HEIGHT, WIDTH, 3)}
    assert len(got.images) == 8
    scaled = cv2.resize(picture(0, WIDTH * 2, HEIGHT * 2), (WIDTH, HEIGHT))
    assert places(got.images[4]) == pytest.approx(places(scaled), abs=1)


def test_an_index_at_the_end_is_read_from_a_file(decoders: Decoders, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip("mp4", 6, options=INDEX_LAST))
    with path.open("rb") as file:
        job = Job(demuxer="mov", ring_bytes=RING)
        with closing(Video(decoders, job, file.fileno())) as video:
            assert collect(video).numbers == list(range(6))


def test_only_the_frames_asked_for_are_given(decoders: Decoders) -> None:
    got = decode(decoders, clip("mp4", 20), start=3, end=12, stride=4)
    assert got.numbers == [3, 7, 11]
    assert got.end == VideoEnd(damaged=0, complete=False)


@pytest.mark.parametrize(
    ("limits", "refusal", "named"),
    [
        ({"max_pixels": WIDTH * HEIGHT - 1}, FrameTooLarge, f"got {WIDTH}x{HEIGHT}"),
        ({"max_side": WIDTH - 1}, FrameTooLarge, f"got {WIDTH}x{HEIGHT}"),
        ({"max_frames": 9}, VideoTooLong, "at most 9 frames"),
        ({"max_seconds": 0.45}, VideoTooLong, "at most 0.45 seconds"),
    ],
)
def test_limits_are_kept(
    decoders: Decoders, limits: dict[str, object], refusal: type[ServiceError], named: str
) -> None:
    with pytest.raises(refusal, match=named):
        decode(decoders, clip("mp4", 10), **limits)


def test_frames_are_counted_where_the_header_tells_nothing(decoders: Decoders) -> None:
    with pytest.raises(VideoTooLong, match="at most 9 frames"):
        decode(decoders, clip("matroska", 10), max_frames=9)


@pytest.mark.parametrize("kind", ["mp4", "matroska", "avi", "gif", "mpegts"])
def test_a_beginning_without_a_rest_is_refused(decoders: Decoders, kind: str) -> None:
    with pytest.raises((UnreadableVideo, NoFrames)):
        decode(decoders, clip(kind, 5)[:400])


def test_a_file_without_pictures_is_refused(decoders: Decoders) -> None:
    with pytest.raises(NoFrames, match="no video stream"):
        decode(decoders, sound())


def test_a_damaged_packet_is_left_out_and_counted(decoders: Decoders) -> None:
    data = bytearray(clip("avi", 30))
    # All of a chunk in the middle of the pictures, behind its name and size.
    start = data.index(b"00dc", len(data) // 2) + 8
    size = int.from_bytes(data[start - 4 : start], "little")
    data[start : start + size] = bytes(size)
    got = decode(decoders, bytes(data))
    assert got.end is not None
    assert got.end.damaged == 1
    assert len(got.numbers) == 29


def test_a_slow_reader_stops_the_decoder_and_loses_nothing(decoders: Decoders) -> None:
    data = clip("mp4", 40)
    job = Job(demuxer="mov", ring_bytes=2 * WIDTH * HEIGHT * 3)
    with closing(Video(decoders, job)) as video:
        assert video.feed is not None
        with video.feed:
            video.feed.sendall(data)
        assert isinstance(say(video), VideoInfo)
        held = [say(video), say(video)]
        # Both slots are taken: nothing more can come until one is given back.
        assert not select.select([video], [], [], 0.2)[0]
        for frame in held:
            assert isinstance(frame, VideoFrame)
            video.give_back(frame)
        assert collect(video).numbers == list(range(2, 40))
