"""The catalogue: what stands in it, where files are looked for, and that the hash decides."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models import catalog
from models.errors import InvalidInput, UnknownName, WeightsCorrupt, WeightsUnavailable
from models.sources import Address
from tests.models.file_server import FileServer, serve_files

GOOD = b"the right weights" * 5000
BAD = b"the wrong weights" * 5000
SHA = hashlib.sha256(GOOD).hexdigest()


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serve_files() as running:
        yield running


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the file of entry ``mine`` will be in an empty cache of this test's own."""
    monkeypatch.setenv("TRACKLINE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("TRACKLINE_WEIGHTS_PATH", raising=False)
    return tmp_path / "cache" / "weights" / "mine.pt"


@pytest.fixture
def mine(tmp_path: Path, cached: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Write an operator's catalogue with one entry, ``mine``, that has these addresses."""

    def write(*addresses: str) -> None:
        sources = ", ".join(f'{{ address = "{address}" }}' for address in addresses)
        path = tmp_path / "operator.toml"
        path.write_text(
            f'[entries.mine]\ntask = "detect"\nfile = "mine.pt"\nsha256 = "{SHA}"\n'
            f'size = {len(GOOD)}\nclasses = "coco80"\nsources = [{sources}]\n'
        )
        monkeypatch.setenv("TRACKLINE_CATALOG", str(path))

    return write


# What stands in it


def test_the_names_that_the_project_promises_are_there() -> None:
    promised = {"yolo26n", "yolo26n-seg", "yolo11n", "yolov8n", "osnet-x0.25", "sample-car-video"}
    assert promised <= set(catalog.names())
    assert catalog.names()[0] == "yolo26n"


@pytest.mark.parametrize("name", catalog.names())
def test_each_entry_is_complete(name: str) -> None:
    entry = catalog.entry(name)
    assert entry.size is not None
    assert entry.licence != "not stated"
    assert entry.sources
    addresses = [source.url for source in entry.sources if isinstance(source, Address)]
    assert all(address.startswith("https://") for address in addresses)
    assert bool(entry.classes) == (entry.task in ("detect", "segment", "semantic"))


def test_every_file_has_one_hash_and_every_hash_one_file() -> None:
    entries = [catalog.entry(name) for name in catalog.names()]
    pairs = {(entry.file, entry.sha256) for entry in entries}
    assert len({file for file, _ in pairs}) == len(pairs)
    assert len({sha256 for _, sha256 in pairs}) == len(pairs)


def test_two_entries_of_one_file_read_it_by_different_heads() -> None:
    entries = [catalog.entry(name) for name in catalog.names()]
    assert len({(entry.file, entry.end_to_end) for entry in entries}) == len(entries)


def test_names_can_be_asked_for_by_task() -> None:
    assert "osnet-x0.25" in catalog.names("embed")
    assert "yolo26n" not in catalog.names("embed")


def test_coco_has_eighty_classes() -> None:
    classes = catalog.entry("yolo26n").classes
    assert (len(classes), classes[0], classes[79]) == (80, "person", "toothbrush")


def test_an_unknown_name_gets_the_nearest_ones() -> None:
    with pytest.raises(UnknownName, match=r"'yolo26y' is not in the catalogue.*yolo26n"):
        catalog.entry("yolo26y")


@pytest.mark.parametrize("name", ["yolov9c", "yolov10s", "yolov5su", "efficientdet-d0"])
def test_a_published_name_without_a_known_hash_says_how_to_add_it(name: str) -> None:
    with pytest.raises(UnknownName, match=rf"'{name}' is not .* their hash, see TRACKLINE_CATALOG"):
        catalog.fetch(name)


# Where files are looked for


def test_a_file_in_the_search_path_is_used_where_it_lies(
    mine: Callable[..., None], cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine()
    folder = tmp_path / "shelf"
    folder.mkdir()
    (folder / "mine.pt").write_bytes(GOOD)
    monkeypatch.setenv("TRACKLINE_WEIGHTS_PATH", os.pathsep.join([str(tmp_path), str(folder)]))
    assert catalog.fetch("mine") == folder / "mine.pt"
    assert not cached.parent.exists()


def test_a_wrong_file_in_the_search_path_is_refused_and_named(
    mine: Callable[..., None],
    server: FileServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine(server.add("/mine.pt", GOOD))
    (tmp_path / "mine.pt").write_bytes(BAD)
    monkeypatch.setenv("TRACKLINE_WEIGHTS_PATH", str(tmp_path))
    with pytest.raises(WeightsCorrupt, match=re.escape(f"{tmp_path / 'mine.pt'} has sha256")):
        catalog.fetch("mine")
    assert catalog.state("mine") == "corrupt"
    assert server.asked == []


def test_locate_downloads_nothing(
    mine: Callable[..., None], server: FileServer, cached: Path
) -> None:
    mine(server.add("/mine.pt", GOOD))
    assert catalog.locate("mine") is None
    assert catalog.state("mine") == "absent"
    catalog.fetch("mine")
    assert catalog.locate("mine") == cached
    assert catalog.state("mine") == "here"
    assert len(server.asked) == 1


def test_a_cache_that_cannot_be_written_serves_what_it_has(
    mine: Callable[..., None], cached: Path
) -> None:
    mine()
    cached.parent.mkdir(parents=True)
    cached.write_bytes(GOOD)
    cached.parent.chmod(0o555)
    try:
        assert catalog.fetch("mine") == cached
        assert list(cached.parent.iterdir()) == [cached]
    finally:
        cached.parent.chmod(0o755)


def test_a_cache_that_cannot_be_made_says_what_to_set(
    mine: Callable[..., None], cached: Path
) -> None:
    mine("http://127.0.0.1:9/mine.pt")
    cached.parent.parent.write_text("a file where the folder should be")
    with pytest.raises(WeightsUnavailable, match=r"cannot be written.*TRACKLINE_CACHE_DIR"):
        catalog.fetch("mine")


@pytest.mark.parametrize(
    ("variable", "below"),
    [("TRACKLINE_CACHE_DIR", "."), ("XDG_CACHE_HOME", "trackline"), ("HOME", ".cache/trackline")],
)
@pytest.mark.skipif(sys.platform != "linux", reason="XDG folders are Linux's")
def test_where_the_cache_is(
    variable: str, below: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TRACKLINE_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    assert catalog.cache_dir() == tmp_path / below


# The hash decides


def test_a_damaged_cache_file_is_replaced_by_a_good_one(
    mine: Callable[..., None], server: FileServer, cached: Path
) -> None:
    mine(server.add("/mine.pt", GOOD))
    cached.parent.mkdir(parents=True)
    cached.write_bytes(BAD)
    assert catalog.state("mine") == "corrupt"
    assert catalog.fetch("mine").read_bytes() == GOOD


def test_a_damaged_cache_file_stays_until_there_is_a_good_one(
    mine: Callable[..., None], server: FileServer, cached: Path
) -> None:
    mine(server.url + "/missing.pt")
    cached.parent.mkdir(parents=True)
    cached.write_bytes(BAD)
    with pytest.raises(WeightsCorrupt, match=re.escape(f"{cached} (damaged)")):
        catalog.fetch("mine")
    assert cached.read_bytes() == BAD


def test_a_source_with_another_file_is_passed_over(
    mine: Callable[..., None], server: FileServer, cached: Path
) -> None:
    mine(server.add("/bad/mine.pt", BAD), server.add("/good/mine.pt", GOOD))
    assert catalog.fetch("mine") == cached
    assert cached.read_bytes() == GOOD


def test_when_no_source_has_the_right_bytes_nothing_is_kept(
    mine: Callable[..., None], server: FileServer, cached: Path
) -> None:
    url = server.add("/mine.pt", BAD)
    mine(url)
    with pytest.raises(WeightsCorrupt, match=re.escape(f"{url} (has another file: sha256")):
        catalog.fetch("mine")
    assert not cached.exists()
    assert not list(cached.parent.glob("*.partial"))


def test_a_file_changed_on_disk_is_noticed_by_the_same_process(
    mine: Callable[..., None], server: FileServer, cached: Path
) -> None:
    mine(server.add("/mine.pt", GOOD))
    catalog.fetch("mine")
    assert catalog.locate("mine") == cached
    cached.write_bytes(BAD + b"!")
    with pytest.raises(WeightsCorrupt):
        catalog.locate("mine")


# Interruptions


def test_a_download_that_was_cut_goes_on_at_the_next_source(
    mine: Callable[..., None], server: FileServer, cached: Path
) -> None:
    first = server.add("/first/mine.pt", GOOD)
    mine(first, server.add("/second/mine.pt", GOOD))
    server.cuts = [1000] * 4
    assert catalog.fetch("mine").read_bytes() == GOOD
    assert server.asked[-1] == ("/second/mine.pt", "bytes=4000-")


def test_a_damaged_leftover_does_not_spoil_a_good_source(
    mine: Callable[..., None], server: FileServer, cached: Path
) -> None:
    mine(server.add("/mine.pt", GOOD))
    cached.parent.mkdir(parents=True)
    cached.with_name(".mine.pt.partial").write_bytes(BAD[:5000])
    assert catalog.fetch("mine").read_bytes() == GOOD
    assert [wanted for _, wanted in server.asked] == ["bytes=5000-", None]


def test_two_processes_at_once_download_once(
    mine: Callable[..., None], server: FileServer, cached: Path
) -> None:
    mine(server.add("/mine.pt", GOOD))
    server.gate.clear()
    code = (
        "from models import catalog\n"
        "print('asking', flush=True)\n"
        "print(catalog.fetch('mine'), flush=True)\n"
    )
    command = [sys.executable, "-c", code]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "asking\n"
        assert server.arrived.wait(120)
        server.gate.set()
        answers = [process.communicate(timeout=120)[0] for process in running]
    finally:
        for process in running:
            process.kill()
            process.communicate()
    assert answers == [f"{cached}\n"] * 2
    assert len(server.asked) == 1


def test_without_a_network_the_error_names_every_source_and_the_place(
    mine: Callable[..., None], cached: Path
) -> None:
    with serve_files() as gone:
        addresses = [f"{gone.url}/first/mine.pt", f"{gone.url}/second/mine.pt"]
    mine(*addresses)
    with pytest.raises(WeightsUnavailable) as caught:
        catalog.fetch("mine")
    message = str(caught.value)
    assert all(f"{address} (no answer" in message for address in addresses)
    assert f"Put mine.pt with sha256 {SHA} in {cached.parent}" in message
    assert "TRACKLINE_WEIGHTS_PATH" in message
    assert "\n" not in message


# An operator's own entries


def test_an_operator_adds_a_checkpoint_by_path_and_hash(
    tmp_path: Path, cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "best.pt").write_bytes(GOOD)
    (tmp_path / "own.toml").write_text(
        f'[entries.forklifts]\ntask = "detect"\nsha256 = "{SHA}"\nclasses = ["forklift"]\n'
        'sources = [{ path = "best.pt" }]\n'
    )
    monkeypatch.setenv("TRACKLINE_CATALOG", str(tmp_path / "own.toml"))
    assert catalog.names()[-1] == "forklifts"
    assert catalog.entry("forklifts").classes == ("forklift",)
    assert catalog.fetch("forklifts") == tmp_path / "best.pt"
    (tmp_path / "best.pt").write_bytes(BAD)
    with pytest.raises(WeightsCorrupt, match=r"best\.pt has sha256"):
        catalog.fetch("forklifts")
    (tmp_path / "best.pt").unlink()
    with pytest.raises(WeightsUnavailable, match=r"best\.pt \(no file there\)"):
        catalog.fetch("forklifts")


def test_an_operator_cannot_take_a_name_that_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own.toml").write_text(
        f'[entries.yolo26n]\ntask = "detect"\nsha256 = "{SHA}"\nsources = [{{ path = "a.pt" }}]\n'
    )
    monkeypatch.setenv("TRACKLINE_CATALOG", str(tmp_path / "own.toml"))
    with pytest.raises(InvalidInput, match=r"'yolo26n'.* already"):
        catalog.names()
