"""Decoders in processes of their own: what they give, what they refuse, and how they are kept in.

Each test runs the real fork server and the real decoder.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from service.containers import HEAD_BYTES, recognise
from service.decoders import Decoders
from service.decoding import Job
from service.errors import ServiceError
from service.frames import bytes_for
from service.video import Video, VideoEnd, VideoFrame, VideoInfo
from service.video_errors import (
    DecoderFailed,
    DecoderTimeout,
    FrameTooLarge,
    NoFrames,
    UnreadableVideo,
    VideoTooLong,
)
from tests.service.clips import CODECS, HEIGHT, INDEX_LAST, WIDTH, clip, picture, sound, turned
from tests.service.wire import wait_until

WAIT = 30.0
RING = bytes_for(640 * 480)


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    with Decoders() as running:
        yield running


@dataclass
class Decoded:
    """All that a decoder said."""

    info: VideoInfo | None = None
    numbers: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    images: list[NDArray[np.uint8]] = field(default_factory=list)
    end: VideoEnd | None = None


def say(video: Video) -> VideoInfo | VideoFrame | VideoEnd:
    """What the decoder says next, or a failure if it says nothing."""
    assert select.select([video], [], [], WAIT)[0], "the decoder says nothing"
    return video.receive()


def decode(decoders: Decoders, data: bytes, **limits: object) -> Decoded:
    """Everything of a video that is sent through a socket."""
    container = recognise(data[:HEAD_BYTES])
    job = Job(demuxer=container.value, ring_bytes=RING, **limits)  # type: ignore[arg-type]
    with closing(Video(decoders, job)) as video:
        assert video.feed is not None
        feed = video.feed

        def write() -> None:
            with feed, suppress(OSError):
                feed.sendall(data)

        writing = threading.Thread(target=write)
        writing.start()
        try:
            return collect(video)
        finally:
            video.close()
            writing.join(WAIT)


def collect(video: Video) -> Decoded:
    """Everything that a decoder says until its end."""
    all_of_it = Decoded()
    while all_of_it.end is None:
        match say(video):
            case VideoInfo() as info:
                all_of_it.info = info
            case VideoEnd() as end:
                all_of_it.end = end
            case VideoFrame() as frame:
                all_of_it.times.append(frame.time)
                if frame.image is not None:
                    all_of_it.numbers.append(frame.number)
                    all_of_it.images.append(frame.image.copy())
                    video.give_back(frame)
    return all_of_it


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
    # The payload of a chunk in the middle of the pictures, behind its header.
    chunk = data.index(b"00dc", len(data) // 2) + 8
    data[chunk : chunk + 40] = bytes(40)
    got = decode(decoders, bytes(data))
    assert got.end is not None
    assert got.end.damaged >= 1
    assert len(got.numbers) >= 25


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


def test_the_process_is_kept_in(decoders: Decoders) -> None:
    job = Job(demuxer="mov", ring_bytes=RING, memory=700 << 20)
    with closing(Video(decoders, job)) as video:
        assert video.feed is not None
        with video.feed:
            video.feed.sendall(clip("mp4", 30))
            assert isinstance(say(video), VideoInfo)
            process = Path(f"/proc/{video.pid}")
            limits = process.joinpath("limits").read_text()
            descriptors = {int(entry.name) for entry in process.joinpath("fd").iterdir()}
            libraries = process.joinpath("maps").read_text()
            environment = process.joinpath("environ").read_bytes()
    row = {line[:26].strip(): line[26:].split()[:2] for line in limits.splitlines()}
    # Every descriptor below the limit is in use: no file and no socket can be opened.
    assert row["Max open files"] == [str(len(descriptors))] * 2
    assert descriptors == set(range(len(descriptors)))
    assert row["Max address space"] == [str(700 << 20)] * 2
    assert row["Max file size"] == ["0", "0"]
    assert "torch" not in libraries
    assert "openvino" not in libraries
    assert b"TRACKLINE" not in environment


def test_the_fork_server_imports_nothing_heavy() -> None:
    code = "import service.forkserver, sys, json; print(json.dumps(sorted(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    imported = set(json.loads(answer.stdout))
    assert not imported & {"torch", "fastapi", "starlette", "pydantic", "cv2", "scipy", "openvino"}


def test_a_decoder_that_is_killed_fails_alone(decoders: Decoders) -> None:
    job = Job(demuxer="mov", ring_bytes=RING)
    with closing(Video(decoders, job)) as first, closing(Video(decoders, job)) as second:
        assert first.feed is not None
        assert second.feed is not None
        with first.feed, second.feed:
            os.kill(first.pid, signal.SIGKILL)
            with pytest.raises(DecoderFailed, match="-9"):
                collect(first)
            second.feed.sendall(clip("mp4", 5))
        assert collect(second).numbers == list(range(5))


def test_a_frame_that_takes_too_long_ends_the_decoder(decoders: Decoders) -> None:
    job = Job(demuxer="mov", ring_bytes=RING)
    with closing(Video(decoders, job)) as video:
        assert video.feed is not None
        with video.feed:
            # What the kernel sends when the processor time of a frame is used up.
            os.kill(video.pid, signal.SIGXCPU)
            with pytest.raises(DecoderTimeout):
                collect(video)


def test_a_closed_video_leaves_nothing_behind(decoders: Decoders) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    decode(decoders, clip("mp4", 3))
    before = descriptors()
    for _ in range(5):
        decode(decoders, clip("mp4", 3))
        video = Video(decoders, Job(demuxer="mov", ring_bytes=RING))
        assert video.feed is not None
        video.feed.close()
        video.close()
        assert not Path(f"/proc/{video.pid}").exists()
        del video
    assert descriptors() == before


def test_decoders_end_with_their_fork_server() -> None:
    with Decoders() as own:
        video = Video(own, Job(demuxer="mov", ring_bytes=RING))
        assert video.feed is not None
    try:
        assert not Path(f"/proc/{video.pid}").exists()
    finally:
        video.feed.close()
        video.close()


ORPHANS = """
import sys, time
from service.decoders import Decoders
from service.decoding import Job
from service.frames import bytes_for
from service.video import Video

decoders = Decoders()
video = Video(decoders, Job(demuxer="mov", ring_bytes=bytes_for(640 * 480)))
print(decoders._process.pid, video.pid, flush=True)
time.sleep(60)
"""


def test_nothing_outlives_a_server_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", ORPHANS], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        pids = [int(pid) for pid in server.stdout.readline().split()]
        assert len(pids) == 2
        server.kill()
    wait_until(lambda: not any(is_running(pid) for pid in pids))


def is_running(pid: int) -> bool:
    """Whether there is such a process and it is more than an entry nobody has asked for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_playlist_cannot_open_the_files_it_names(decoders: Decoders, tmp_path: Path) -> None:
    # The route never forces this demuxer. Even if it did, no other file can be opened.
    inside = tmp_path / "inside.ts"
    inside.write_bytes(clip("mpegts", 5))
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{inside}\n#EXT-X-ENDLIST\n"
    with closing(Video(decoders, Job(demuxer="hls", ring_bytes=RING))) as video:
        assert video.feed is not None
        with video.feed:
            video.feed.sendall(playlist.encode())
        with pytest.raises((UnreadableVideo, NoFrames)):
            collect(video)


def test_a_fork_server_that_died_is_replaced() -> None:
    with Decoders() as own:
        process = own._process
        assert process is not None
        process.kill()
        process.wait(WAIT)
        assert decode(own, clip("mp4", 2)).numbers == [0, 1]
