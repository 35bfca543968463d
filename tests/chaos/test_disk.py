"""A disk without room: a server on a small file system of its own, which is filled and emptied."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.service.clips import INDEX_LAST, clip
from tests.service.gate import WAIT, until
from tests.service.jobs_client import VIDEOS, post, status, stream
from tests.service.pictures import jpeg
from tests.service.test_http import assert_problem
from tests.service.test_serve import address_of
from tests.service.test_track import TRACK, comparable, lines_of

SIZE = "3m"
LONG = 60.0
MOUNTED = (
    'mount -t tmpfs -o size="$0" tmpfs "$1" && mkdir "$1/jobs" "$1/spool" && shift && exec "$@"'
)
ALONE = ("unshare", "--map-root-user", "--mount", "sh", "-c", MOUNTED, SIZE)
SERVE = "import sys; from service.cli import main; sys.exit(main())"


@dataclass(frozen=True)
class Disk:
    """The file system of a server, seen from outside of its mount namespace."""

    path: Path

    @property
    def _filler(self) -> Path:
        return self.path / "filler"

    def fill(self, leave: int = 0) -> None:
        """Take all room but for so many bytes."""
        free = shutil.disk_usage(self.path).free
        with self._filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, free - leave)
        assert shutil.disk_usage(self.path).free <= leave

    def free(self) -> None:
        """Give the room back."""
        self._filler.unlink()

    def files(self) -> set[str]:
        """What lies on it beside the database and what fills it."""
        paths = (path.relative_to(self.path) for path in self.path.rglob("*") if path.is_file())
        return {str(path) for path in paths if path.parent.name not in ("", "jobs")}


@contextmanager
def small_disk(folder: Path) -> Iterator[tuple[httpx.Client, Disk]]:
    """A server whose jobs and uploads lie on a file system of `SIZE`."""
    command = [*ALONE, str(folder), sys.executable, "-c", SERVE, "serve", "--port", "0"]
    places = {"TRACKLINE_JOBS_DIR": f"{folder}/jobs", "TRACKLINE_SPOOL_DIR": f"{folder}/spool"}
    places["TRACKLINE_EMBEDDER"] = "colour"
    with subprocess.Popen(
        [*command, "--models", "fake"], stderr=subprocess.PIPE, text=True, env=os.environ | places
    ) as running:
        try:
            assert running.stderr is not None
            address = address_of(running)
            reading = threading.Thread(target=running.stderr.read)
            reading.start()
            with httpx.Client(base_url=address, timeout=LONG) as http:
                until(lambda: http.get("/v2/health/ready").is_success)
                yield http, Disk(Path(f"/proc/{running.pid}/root{folder}"))
        finally:
            running.kill()
        reading.join(WAIT)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, Disk]]:
    """A server on a small disk, shared by the tests here."""
    folder = tmp_path_factory.mktemp("disk")
    if shutil.which("unshare") is None:
        pytest.skip("no unshare here: a file system of one's own cannot be mounted")
    tried = subprocess.run([*ALONE, str(folder), "true"], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"a file system of one's own cannot be mounted here: {tried.stderr.strip()}")
    with small_disk(folder) as running:
        yield running


def test_what_needs_the_disk_is_507_and_leaves_nothing(
    server: tuple[httpx.Client, Disk],
) -> None:
    http, disk = server
    streamed, stored = clip("mp4", 20), clip("mp4", 20, options=INDEX_LAST)
    done = post(http)
    alone = comparable(stream(http, done))
    before = disk.files()
    disk.fill()
    for answer in (
        http.post(VIDEOS, content=streamed),
        http.post(TRACK, content=stored),
        http.get(f"/v1/videos/{done}/tracks.csv"),
        http.get(f"/v1/videos/{done}/tracks.mot", params={"refined": True}),
        http.get(f"/v1/videos/{done}/annotated.mp4"),
    ):
        assert_problem(answer, 507, "storage-failed")
    assert disk.files() == before
    assert http.post("/v1/detect", content=jpeg()).is_success
    assert comparable(lines_of(http.post(TRACK, content=streamed))) == alone
    assert comparable(stream(http, done)) == alone
    disk.free()
    assert http.get(f"/v1/videos/{done}/tracks.csv").is_success
    assert comparable(stream(http, post(http))) == alone


def test_a_job_that_runs_out_of_disk_fails_or_waits_for_room(
    server: tuple[httpx.Client, Disk],
) -> None:
    http, disk = server
    video = clip("mp4", 200)
    alone = comparable(lines_of(http.post(TRACK, content=video)))
    disk.fill(leave=len(video) + 4096 * 8)
    answer = http.post(VIDEOS, content=video)
    assert answer.status_code == 202
    job_id = answer.json()["id"]
    until(lambda: shutil.disk_usage(disk.path).free == 0 or status(http, job_id)["finished"])
    disk.free()
    *_, last = lines = stream(http, job_id)
    said = status(http, job_id)["status"]
    if last["type"] == "end":
        assert (comparable(lines), said) == (alone, "done")
    else:
        assert (last["code"], said) == ("storage_failed", "failed")
    assert http.delete(f"/v1/videos/{job_id}").status_code == 204
    assert not any(name.startswith(f"jobs/{job_id}") for name in disk.files())
