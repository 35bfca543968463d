"""Decoder processes: how they are kept in, how they end, and that nothing stays behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from service.decoding.decoders import Decoders
from service.decoding.errors import (
    DecoderFailed,
    DecoderTimeout,
    NoFrames,
    UnreadableVideo,
)
from service.decoding.task import Job
from service.decoding.video import Video, VideoInfo
from tests.service.clips import clip
from tests.service.decoded import RING, WAIT, collect, decode, say
from tests.service.wire import wait_until


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    with Decoders() as running:
        yield running


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
    code = "import service.decoding.forkserver, sys, json; print(json.dumps(sorted(sys.modules)))"
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


def test_a_decoder_that_died_with_its_fork_server_takes_no_other_with_it() -> None:
    job = Job(demuxer="mov", ring_bytes=RING)
    with Decoders() as own, closing(Video(own, job)) as first:
        assert first.feed is not None
        assert own._process is not None
        with first.feed:
            own._process.kill()
            own._process.wait(WAIT)
            with closing(Video(own, job)) as second:
                first.close()
                assert second.feed is not None
                with second.feed:
                    second.feed.sendall(clip("mp4", 5))
                assert collect(second).numbers == list(range(5))


def test_an_answer_that_comes_too_late_is_not_taken_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = Job(demuxer="mov", ring_bytes=RING)
    with Decoders() as own, closing(Video(own, job)) as first:
        assert first.feed is not None
        assert own._process is not None
        assert own._requests is not None
        first.feed.close()
        server = own._process
        own._requests.settimeout(0.1)
        monkeypatch.setattr("service.decoding.decoders.START_TIMEOUT_S", 0.1)
        server.send_signal(signal.SIGSTOP)
        first.close()
        server.send_signal(signal.SIGCONT)
        monkeypatch.undo()
        assert decode(own, clip("mp4", 5)).numbers == list(range(5))


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
from service.decoding.decoders import Decoders
from service.decoding.task import Job
from service.decoding.frames import bytes_for
from service.decoding.video import Video

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
