"""Catalogue files: what a wrong entry is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.entries import read_entries
from models.errors import InvalidInput
from models.sources import Address, Archive, LocalFile, parse_source

SHA = "0" * 64
RIGHT = {
    "task": '"detect"',
    "file": '"a.pt"',
    "sha256": f'"{SHA}"',
    "size": "5",
    "sources": '[{ address = "https://example.org/a.pt" }]',
}


def entry(name: str = "a", **changes: str | None) -> str:
    """The TOML of an entry, right but for the changes; None leaves a key out."""
    table = {key: value for key, value in {**RIGHT, **changes}.items() if value is not None}
    return f"[entries.{name}]\n" + "".join(f"{key} = {value}\n" for key, value in table.items())


def read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "catalog.toml"
    path.write_text(text)
    read_entries(path, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (entry('"../a"'), "name: expected"),
        (entry("A"), "name: expected"),
        (entry("a" * 65), "name: expected"),
        (entry(task='"guess"'), "task: expected one of"),
        (entry(task=None), "missing keys.*task"),
        (entry(colour='"red"'), "unknown keys.*colour"),
        (entry(file='"../a.pt"'), "file: expected a plain file name"),
        (entry(file=None), "file: expected a plain file name"),
        (entry(sha256='"abc"'), "sha256: expected 64"),
        (entry(size=None), "size: expected the bytes"),
        (entry(size="-1"), "size: expected the bytes"),
        (entry(classes='"nosuch"'), "classes: expected a list or one of"),
        (entry(classes="5"), "classes: expected a list or the name"),
        (entry(sources='[{ address = "ftp://example.org/a.pt" }]'), "expected http or https"),
        (entry(sources='[{ wheel = "demo", version = "1.0" }]'), "source: expected"),
        (entry(sources='[{ wheel = "demo", version = "1.0", member = "../a" }]'), "member: exp"),
        (entry(sources='[{ wheel = "demo", version = "1.0", member = "/a" }]'), "member: exp"),
        (entry(sources='[{ address = "http://[example.org/a.pt" }]'), "expected http or https"),
        (entry(sources='[{ path = "~nobody-of-this-name/a.pt" }]'), "path: a folder"),
        (entry(sources="3"), "sources: expected a list"),
        (entry(sources="[3]"), "source: expected"),
        (entry(size="true"), "size: expected the bytes"),
        (entry(end_to_end='"no"'), "end_to_end: expected true or false"),
        (entry(int8="1"), "int8: expected true or false"),
        ("[entries]\na = 3\n", "entry: expected a table"),
        ("entries = []\n", "entries: expected a table"),
        ("classes = 3\n", "classes: expected a table"),
        ("[classes]\ntwo = 3\n", "two: expected a list"),
        ("not toml", "cannot be read"),
    ],
)
def test_a_wrong_entry_is_refused_with_its_reason(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=message):
        read(tmp_path, text)


def test_the_message_names_the_file_and_the_entry(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"catalog\.toml, entry 'b'"):
        read(tmp_path, entry("a") + entry("b", task='"guess"'))


def test_a_catalogue_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_entries(tmp_path / "missing.toml", {})


def test_each_kind_of_source(tmp_path: Path) -> None:
    assert parse_source({"path": "a.pt"}, tmp_path) == LocalFile(tmp_path / "a.pt")
    assert parse_source({"path": "/a.pt"}, tmp_path) == LocalFile(Path("/a.pt"))
    url = "https://example.org/a.pt"
    assert parse_source({"address": url}, tmp_path) == Address(url)
    table = {"sdist": "demo", "version": "1.0", "member": "demo-1.0/a.pt"}
    assert parse_source(table, tmp_path) == Archive("sdist", "demo", "1.0", "demo-1.0/a.pt")
