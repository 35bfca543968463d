"""Weights: a request can name an entry of the catalogue, and nothing else in any disguise."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from models import archives, catalog
from models.archives import fetch_member
from models.detector import load_detector
from models.errors import TracklineError, WeightsCorrupt, WeightsUnavailable
from models.sources import Archive
from tests.service.gate import WAIT
from tests.service.pictures import jpeg
from tests.service.serving import serving

DISGUISES = [
    "/etc/passwd",
    "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "file:///etc/passwd",
    "http://127.0.0.1:9/weights.pt",
    "//127.0.0.1/share/weights.pt",
    "yolo26n.pt",
    "yolo26n/../yolo26n",
    "./yolo26n",
    "YOLO26N",
    "yolo26n\0",
    "yolo26n ",
    "-yolo26n",
    "a" * 64,
    "a" * 5000,
    "\N{FULLWIDTH LATIN SMALL LETTER Y}olo26n",
]


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with (
        serving() as (address, _),
        httpx.Client(base_url=address, timeout=WAIT) as http,
    ):
        yield http


@pytest.mark.parametrize("name", DISGUISES)
def test_no_parameter_takes_a_path_or_an_address(http: httpx.Client, name: str) -> None:
    for path, parameter in (
        ("/v1/detect", "model"),
        ("/v1/segment", "model"),
        ("/v1/track", "model"),
        ("/v1/track", "embedder"),
        ("/v1/videos", "embedder"),
        ("/v1/track", "tracker"),
    ):
        response = http.post(path, params={parameter: name}, content=jpeg())
        assert response.status_code in (404, 422, 503), response.text
        assert "root:" not in response.text
    for action in ("load", "unload"):
        response = http.post(f"/v1/models/{quote(name, safe='')}/{action}")
        assert response.status_code == 404


@pytest.mark.parametrize("name", DISGUISES)
def test_no_function_takes_a_path_or_an_address(name: str) -> None:
    for take in (catalog.entry, catalog.locate, catalog.fetch, load_detector):
        with pytest.raises((TracklineError, ValueError)):
            take(name)


class Bomb:
    """Unpickled, it would leave a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def operators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An operator's catalogue with one entry, ``ours``, of a file that is a hostile pickle."""
    file = tmp_path / "ours.pt"
    file.write_bytes(pickle.dumps(Bomb(tmp_path / "unpickled")))
    write_catalogue(tmp_path, file.read_bytes())
    monkeypatch.setenv("TRACKLINE_CATALOG", str(tmp_path / "catalog.toml"))
    return file


def write_catalogue(folder: Path, content: bytes) -> None:
    digest = hashlib.sha256(content).hexdigest()
    (folder / "catalog.toml").write_text(
        f'[entries.ours]\ntask = "detect"\nsha256 = "{digest}"\nclasses = ["a"]\n'
        'sources = [{ path = "ours.pt" }]\n'
    )


def test_a_pickle_of_another_hash_is_never_opened(operators: Path, tmp_path: Path) -> None:
    operators.write_bytes(pickle.dumps(Bomb(tmp_path / "unpickled")) + b"\0")
    with pytest.raises(WeightsCorrupt):
        load_detector("ours")
    assert not (tmp_path / "unpickled").exists()


def test_even_a_pickle_of_the_known_hash_runs_no_code(operators: Path, tmp_path: Path) -> None:
    with pytest.raises(TracklineError):
        load_detector("ours")
    assert not (tmp_path / "unpickled").exists()


def test_a_link_is_judged_by_what_it_leads_to(operators: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"something else")
    operators.unlink()
    operators.symlink_to(elsewhere)
    with pytest.raises(WeightsCorrupt):
        catalog.locate("ours")


MEMBER = "weights/model.onnx"
CLIMBING = ["../../climbed", "/climbed", "weights/../../climbed", MEMBER]


def tar_of(names: list[str], kind: bytes = tarfile.REGTYPE, target: str = "") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, target, 4 if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(b"good"))
    return out.getvalue()


def zip_of(names: list[str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, b"good")
    return out.getvalue()


def fetched(archive: bytes, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What comes out of an archive that the index is made to give."""
    inside = folder / "one" / "two"
    inside.mkdir(parents=True)
    given = inside / "archive"
    given.write_bytes(archive)
    monkeypatch.setattr(archives, "_wheel", lambda source, into: given)
    partial = inside / "partial"
    source = Archive("wheel", "project", "1.0", MEMBER)
    fetch_member(source, partial, 4, lambda *_: None, inside)
    return partial


@pytest.mark.parametrize("archive", [tar_of(CLIMBING), zip_of(CLIMBING)], ids=["tar", "zip"])
def test_members_that_climb_out_of_an_archive_stay_in_it(
    archive: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fetched(archive, tmp_path, monkeypatch).read_bytes() == b"good"
    assert not any("climbed" in path.name for path in tmp_path.rglob("*"))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
)
def test_a_member_that_is_no_file_is_refused(
    kind: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(WeightsUnavailable, match="not a regular file"):
        fetched(tar_of([MEMBER], kind, "/etc/passwd"), tmp_path, monkeypatch)
