"""The decoder's process: code of a stranger that runs in it reaches nothing and nobody."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from service.decoding.decoders import Decoders
from service.decoding.task import Job
from service.decoding.video import Video, VideoInfo
from service.errors import TooLarge, UnreadableMedia
from tests.service.clips import clip
from tests.service.decoded import RING, collect, decode, say
from tests.service.pictures import encode

HAS_FILTER = sys.platform == "linux" and platform.machine() in ("x86_64", "aarch64")


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    with Decoders() as running:
        yield running


ESCAPES = """
import ctypes, json, os, resource, signal, socket, sys, threading
from service.decoding.confine import confine

secret, port = sys.argv[1], int(sys.argv[2])
parent, libc = os.getppid(), ctypes.CDLL(None, use_errno=True)
os.dup2(1, 3)
confine(64, 1 << 33)


def raw(call, *arguments):
    if libc.syscall(call, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "")


os.close(0)  # now there is a descriptor to be had
ESCAPES = {
    "read a file": lambda: os.open(secret, os.O_RDONLY),
    "write a file": lambda: os.open(secret, os.O_WRONLY),
    "remove a file": lambda: os.unlink(secret),
    "list a folder": lambda: os.listdir("/"),
    "open a socket": lambda: socket.socket(),
    "call out": lambda: socket.create_connection(("127.0.0.1", port)),
    "pass descriptors": lambda: socket.socketpair(),
    "run a program": lambda: os.execv("/bin/true", ["true"]),
    "start a process": lambda: os.fork(),
    "spawn a program": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "kill the server": lambda: os.kill(parent, signal.SIGTERM),
    "probe the server": lambda: os.kill(parent, 0),
    "limit the server": lambda: resource.prlimit(parent, resource.RLIMIT_NOFILE),
    "trace the server": lambda: libc.ptrace(16, parent, 0, 0) == 0 or os.close(99),
    "raise its own limits": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096)),
    "get a queue to the kernel": lambda: raw(425, 4, 0),
}
escaped = []
for name, escape in ESCAPES.items():
    try:
        escape()
    except (OSError, ValueError):
        continue
    escaped.append(name)
ran = []
thread = threading.Thread(target=lambda: ran.append(1))
thread.start()
thread.join()
os.write(3, json.dumps({"escaped": escaped, "threads": bool(ran)}).encode())
os._exit(0)
"""


@pytest.mark.skipif(not HAS_FILTER, reason="only Linux on x86-64 and arm64 has the filter")
def test_code_in_a_decoder_opens_nothing_and_reaches_nobody(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of the server")
    command = [sys.executable, "-c", ESCAPES, str(secret), "9"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout) == {"escaped": [], "threads": True}
    assert secret.read_text() == "of the server"


@pytest.mark.skipif(not HAS_FILTER, reason="only Linux on x86-64 and arm64 has the filter")
def test_every_decoder_runs_under_the_filter_and_may_gain_nothing(decoders: Decoders) -> None:
    with closing(Video(decoders, Job(demuxer="mov", ring_bytes=RING))) as video:
        assert video.feed is not None
        with video.feed:
            video.feed.sendall(clip("mp4", 30))
            assert isinstance(say(video), VideoInfo)
            status = Path(f"/proc/{video.pid}/status").read_text().split("\n")
    told = dict(line.split(":\t", 1) for line in status if ":\t" in line)
    assert (told["Seccomp"], told["NoNewPrivs"]) == ("2", "1")


def test_a_picture_that_needs_more_memory_than_a_decoder_has_ends_it_alone(
    decoders: Decoders,
) -> None:
    wide = encode(np.zeros((4320, 7680, 3), np.uint8), "JPEG")
    job = Job(demuxer="mjpeg", ring_bytes=RING, memory=400 << 20, max_pixels=1 << 26)
    with closing(Video(decoders, job)) as first:
        assert first.feed is not None
        with first.feed:
            first.feed.sendall(wide * 2)
        with pytest.raises((TooLarge, UnreadableMedia)):
            collect(first)
    assert decode(decoders, clip("mp4", 5)).numbers == list(range(5))
