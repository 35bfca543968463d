"""The catalogue: a name, the file that it stands for, and that file verified by its hash.

A file is looked for in this order: the folders of ``TRACKLINE_WEIGHTS_PATH``, a local path of the
entry, the cache, then the entry's addresses and package archives, which fill the cache. Wherever
it comes from, its SHA-256 decides.

An operator adds entries of their own with a second catalogue file, named by ``TRACKLINE_CATALOG``.
"""

from __future__ import annotations

import difflib
import hashlib
import logging
import os
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias

import filelock
import platformdirs

from models.entries import Entry, read_classes, read_entries
from models.errors import (
    InvalidInput,
    UnknownName,
    WeightsCorrupt,
    WeightsError,
    WeightsUnavailable,
)
from models.sources import Address, Archive, LocalFile, Progress

__all__ = [
    "Entry",
    "State",
    "cache_dir",
    "cache_path",
    "entry",
    "fetch",
    "locate",
    "names",
    "state",
    "verify",
]

State: TypeAlias = Literal["here", "absent", "corrupt"]

LOCK_TIMEOUT = 1800.0
"""Seconds to wait for another process that is fetching the same file."""

_BUILT_IN = Path(__file__).with_name("catalog.toml")
_log = logging.getLogger(__name__)


def names(task: str | None = None) -> list[str]:
    """All names in the catalogue, in its order; of one task if that is given."""
    return [name for name, known in _entries().items() if task in (None, known.task)]


def entry(name: str) -> Entry:
    """What the catalogue says of a name.

    Raises
    ------
    UnknownName
        There is no such entry; the message has the nearest names.
    """
    entries = _entries()
    if name not in entries:
        near = ", ".join(difflib.get_close_matches(name, entries)) or f"{len(entries)} others"
        raise UnknownName(
            f"{name!r} is not in the catalogue; there are {near} (trackline models list shows all)"
            "; others are added with their hash, see TRACKLINE_CATALOG in docs/catalog.md"
        )
    return entries[name]


def locate(name: str) -> Path | None:
    """The verified file of a name if it is on this machine; nothing is downloaded.

    Raises
    ------
    UnknownName
        There is no such entry.
    WeightsCorrupt
        A file of that name is here, and its hash is another.
    """
    wanted = entry(name)
    found = _provided(wanted)
    if found is None and (cached := cache_path(wanted)).is_file():
        verify(cached, wanted)
        found = cached
    return found


def state(name: str) -> State:
    """Whether the file of a name is on this machine: here, absent or corrupt."""
    try:
        return "absent" if locate(name) is None else "here"
    except WeightsCorrupt:
        return "corrupt"


def fetch(name: str, progress: Progress | None = None) -> Path:
    """The verified file of a name, downloaded into the cache if it is not here yet.

    Safe with several processes at once: one fetches and the others wait for it. A download that
    was cut goes on at the next call. A damaged file in the cache is replaced once a good one is
    complete.

    Parameters
    ----------
    name : str
        A name of the catalogue.
    progress : callable, optional
        Called as ``progress(source, bytes_done, bytes_total or None)`` while bytes come in.

    Raises
    ------
    UnknownName
        There is no such entry.
    WeightsUnavailable
        No source has it; the message names each source tried, and where to put the file by hand.
    WeightsCorrupt
        A file with another hash stands in a folder of ``TRACKLINE_WEIGHTS_PATH`` or at the
        entry's local path, or no source has the right one and some gave a wrong one.
    """
    wanted = entry(name)
    if (found := _provided(wanted)) is not None:
        return found
    cached = cache_path(wanted)
    if _intact(cached, wanted):
        return cached
    try:
        with _lock(cached):
            if not _intact(cached, wanted):
                _fill(cached, wanted, progress or _silent)
    except OSError as error:
        raise WeightsUnavailable(
            f"{name}: the cache cannot be written ({error}); set TRACKLINE_CACHE_DIR to a folder "
            "that can, or put the file in a folder named in TRACKLINE_WEIGHTS_PATH"
        ) from error
    return cached


def verify(path: Path, wanted: Entry) -> None:
    """Refuse a file whose hash is not the one in the catalogue.

    Raises
    ------
    WeightsCorrupt
        The message names the file, the hash expected and the one found.
    """
    found = _sha256(path)
    if found != wanted.sha256:
        raise WeightsCorrupt(
            f"{wanted.name}: {path} has sha256 {found}, expected {wanted.sha256}; "
            "remove the file or replace it with the right one"
        )


def cache_dir() -> Path:
    """The folder for downloads and for what is made of them.

    ``TRACKLINE_CACHE_DIR``, else ``$XDG_CACHE_HOME/trackline``, else the cache folder that this
    operating system keeps for an application.
    """
    chosen = os.environ.get("TRACKLINE_CACHE_DIR")
    return Path(chosen) if chosen else platformdirs.user_cache_path("trackline", appauthor=False)


def cache_path(wanted: Entry) -> Path:
    """Where the file of an entry is in the cache, or will be."""
    return cache_dir() / "weights" / wanted.file


def _entries() -> Mapping[str, Entry]:
    return _read(os.environ.get("TRACKLINE_CATALOG") or None)


@lru_cache(maxsize=8)
def _read(operators: str | None) -> Mapping[str, Entry]:
    entries = read_entries(_BUILT_IN, {})
    if operators is not None:
        classes = read_classes(tomllib.loads(_BUILT_IN.read_text(encoding="utf-8")))
        added = read_entries(Path(operators).expanduser(), classes)
        if taken := entries.keys() & added.keys():
            raise InvalidInput(
                f"catalogue {operators}: {sorted(taken)} are names of its own already"
            )
        entries |= added
    return MappingProxyType(entries)


def _provided(wanted: Entry) -> Path | None:
    """The file where the operator put it; a wrong one there is refused, never passed over."""
    folders = os.environ.get("TRACKLINE_WEIGHTS_PATH", "").split(os.pathsep)
    places = [Path(folder).expanduser() / wanted.file for folder in folders if folder]
    places += [source.path for source in wanted.sources if isinstance(source, LocalFile)]
    for path in places:
        if path.is_file():
            verify(path, wanted)
            return path
    return None


def _intact(path: Path, wanted: Entry) -> bool:
    return path.is_file() and _sha256(path) == wanted.sha256


def _sha256(path: Path) -> str:
    """The hash of a file, remembered for as long as the file is the same one, unchanged."""
    status = path.stat()
    return _hash(path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _hash(path: Path, device: int, inode: int, size: int, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _lock(cached: Path) -> Iterator[None]:
    cached.parent.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(cached.with_name(f".{cached.name}.lock"), timeout=LOCK_TIMEOUT):
            yield
    except filelock.Timeout as error:
        raise WeightsUnavailable(
            f"{cached}: another process has been fetching it for {LOCK_TIMEOUT:.0f} s"
        ) from error


def _fill(cached: Path, wanted: Entry, progress: Progress) -> None:
    """Try the sources in order until one gives the right bytes; the caller holds the lock."""
    partial = cached.with_name(f".{cached.name}.partial")
    tried = []
    corrupt = cached.is_file()
    if corrupt:
        tried.append(f"{cached} (damaged)")
    for source in wanted.sources:
        if isinstance(source, LocalFile):
            tried.append(f"{source} (no file there)")
            continue
        resumed = partial.exists()
        try:
            found = _obtain(source, partial, wanted, progress)
            if resumed and found != wanted.sha256:
                # What an earlier attempt left may have been damaged, not the source.
                partial.unlink()
                found = _obtain(source, partial, wanted, progress)
        except WeightsUnavailable as error:
            tried.append(f"{source} ({error})")
        else:
            if found == wanted.sha256:
                os.replace(partial, cached)
                return
            corrupt = True
            tried.append(f"{source} (has another file: sha256 {found})")
            partial.unlink()
        _log.info("%s: not from %s", wanted.name, tried[-1])
    problem: type[WeightsError] = WeightsCorrupt if corrupt else WeightsUnavailable
    raise problem(
        f"{wanted.name}: no source has it. Tried {'; '.join(tried) or 'nothing: it has none'}. "
        f"Put {wanted.file} with sha256 {wanted.sha256} in {cached.parent}, "
        "or in a folder named in TRACKLINE_WEIGHTS_PATH"
    )


def _obtain(source: Address | Archive, partial: Path, wanted: Entry, progress: Progress) -> str:
    """Let a source fill the partial file; the SHA-256 of what it gave."""
    # The HTTP client is only loaded when something is really fetched.
    from models.archives import fetch_member
    from models.download import download

    if isinstance(source, Address):
        download(source.url, partial, wanted.size, progress)
    else:
        with tempfile.TemporaryDirectory(prefix="trackline-") as folder:
            fetch_member(source, partial, wanted.size, progress, Path(folder))
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def _silent(source: str, done: int, total: int | None) -> None:
    """For callers that want no progress."""
