"""What the catalogue says of a file, and how its TOML is read."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from models.errors import InvalidInput
from models.sources import LocalFile, Source, parse_source

TASKS = ("detect", "segment", "semantic", "embed", "footage")
"""Detector, detector with outlines, class of every pixel, appearance, video for demonstrations."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the catalogue.

    Attributes
    ----------
    name : str
        What it is asked for by, as in ``load_detector(name)``.
    task : str
        One of `TASKS`.
    file : str
        Its file name, in the cache and in the folders of ``TRACKLINE_WEIGHTS_PATH``.
    sha256 : str
        Hash of its content, 64 hexadecimal digits.
    size : int or None
        Its size in bytes; None only where every source is a local path.
    licence : str
        SPDX identifier, or a short text.
    classes : tuple of str
        Class names by id; empty where there are none.
    notes : str
        Anything that a user should know.
    sources : tuple of Source
        Where it comes from, in the order in which they are tried.
    end_to_end : bool
        Of a detector with two heads, use the one that needs no suppression.
    int8 : bool
        Tracks were measured to be as good where this detector sees frames in eight bits.
    network : str
        What the weights are for: the name of a TorchVision network, where the file holds its
        weights; empty where the file says it itself.
    """

    name: str
    task: str
    file: str
    sha256: str
    size: int | None
    licence: str
    classes: tuple[str, ...]
    notes: str
    sources: tuple[Source, ...]
    end_to_end: bool = False
    int8: bool = False
    network: str = ""


_KEYS = frozenset(field.name for field in fields(Entry)) - {"name"}


def read_entries(path: Path, known: Mapping[str, tuple[str, ...]]) -> dict[str, Entry]:
    """The entries of one catalogue file, by name.

    Parameters
    ----------
    path : Path
        A TOML file with a table ``entries`` and, where it likes, a table ``classes`` of named
        lists.
    known : mapping
        Lists of classes that entries may name beside the file's own.

    Raises
    ------
    InvalidInput
        The file cannot be read, or an entry is wrong; the message names file, entry and key.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput(f"catalogue {path}: cannot be read ({error})") from error
    try:
        lists = {**known, **read_classes(tables)}
        named = _table("entries", tables.get("entries", {}))
    except InvalidInput as error:
        raise InvalidInput(f"catalogue {path}: {error}") from error
    entries = {}
    for name, table in named.items():
        try:
            entries[name] = _parse(name, table, lists, path.parent)
        except InvalidInput as error:
            raise InvalidInput(f"catalogue {path}, entry {name!r}: {error}") from error
    return entries


def read_classes(tables: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The named lists of classes in a catalogue file.

    Raises
    ------
    InvalidInput
        There is something else than lists.
    """
    named = _table("classes", tables.get("classes", {}))
    return {name: tuple(map(str, _list(name, value))) for name, value in named.items()}


def _parse(name: str, given: object, lists: Mapping[str, tuple[str, ...]], base: Path) -> Entry:
    """One entry; everything wrong with it is an `InvalidInput`."""
    table = _table("entry", given)
    unknown = set(table) - _KEYS
    missing = {"task", "sha256", "sources"} - set(table)
    if unknown or missing:
        raise InvalidInput(f"unknown keys {sorted(unknown)}, missing keys {sorted(missing)}")
    sources = tuple(parse_source(source, base) for source in _list("sources", table["sources"]))
    local = all(isinstance(source, LocalFile) for source in sources)
    size = table.get("size")
    entry = Entry(
        name=name,
        task=str(table["task"]),
        file=str(table.get("file", _default_file(sources))),
        sha256=str(table["sha256"]).lower(),
        size=size,
        licence=str(table.get("licence", "not stated")),
        classes=_classes(table.get("classes", []), lists),
        notes=str(table.get("notes", "")),
        sources=sources,
        end_to_end=table.get("end_to_end", False),
        int8=table.get("int8", False),
        network=str(table.get("network", "")),
    )
    _check(_NAME.fullmatch(name), f"name: expected {_NAME.pattern}, got {name!r}")
    _check(entry.task in TASKS, f"task: expected one of {TASKS}, got {entry.task!r}")
    _check(_FILE.fullmatch(entry.file), f"file: expected a plain file name, got {entry.file!r}")
    _check(_SHA256.fullmatch(entry.sha256), "sha256: expected 64 hexadecimal digits")
    _check(
        (size is None and local) or (type(size) is int and size > 0),
        f"size: expected the bytes of the file, got {size!r}",
    )
    for key in ("end_to_end", "int8"):
        value = getattr(entry, key)
        _check(isinstance(value, bool), f"{key}: expected true or false, got {value!r}")
    return entry


def _check(right: object, message: str) -> None:
    if not right:
        raise InvalidInput(message)


def _table(name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidInput(f"{name}: expected a table, got {value!r}")
    return value


def _list(name: str, value: object) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidInput(f"{name}: expected a list, got {value!r}")
    return value


def _default_file(sources: tuple[Source, ...]) -> str:
    """The file name of a local path, so that an operator's entry need not repeat it."""
    first = sources[0] if sources else None
    return first.path.name if isinstance(first, LocalFile) else ""


def _classes(value: object, lists: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    if isinstance(value, str):
        if value not in lists:
            raise InvalidInput(f"classes: expected a list or one of {sorted(lists)}, got {value!r}")
        return lists[value]
    if not isinstance(value, list):
        raise InvalidInput(f"classes: expected a list or the name of one, got {value!r}")
    return tuple(map(str, value))
