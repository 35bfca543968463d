"""Networks of the catalogue exported once, and kept in the cache.

An exported file is keyed by the hash of the weights and by the version of the export.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import filelock

from models import catalog
from models.errors import ModelError
from models.installed import needing_packages

_log = logging.getLogger(__name__)


def export_path(name: str, version: int, suffix: str = ".onnx") -> Path:
    """Where the exported network of a catalogue name is, or will be."""
    digest = catalog.entry(name).sha256[:16]
    return catalog.cache_dir() / "exports" / f"{name}-{digest}-v{version}{suffix}"


def export_once(
    name: str,
    version: int,
    write: Callable[[Path, Path], object],
    sound: Callable[[Path], bool] = Path.is_file,
    suffix: str = ".onnx",
) -> Path:
    """The exported file of a catalogue name, made if it is not there.

    With two processes at once one exports and the other waits.

    Parameters
    ----------
    name : str
        A name in the catalogue.
    version : int
        Of the export: raised whenever the exported network changes, so that older files are not
        taken for it.
    write : callable
        Called with the file of weights and the path to write to, complete or not at all.
    sound : callable
        Whether a file is there that can be used.
    suffix : str
        How its name ends, behind the version.

    Raises
    ------
    WeightsError
        The weights are not to be had.
    ModelError
        They are no such network, or the cache cannot be written.
    RuntimeUnavailable
        What the export needs is not installed.
    """
    path = export_path(name, version, suffix)
    if sound(path):
        return path
    weights = catalog.fetch(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(path.with_name(f".{path.name}.lock")):
            if not sound(path):
                _log.info("%s: exporting, once: %s", name, path)
                with needing_packages(name):
                    write(weights, path)
    except OSError as error:
        raise ModelError(f"{name}: cannot export to {path} ({error})") from error
    return path
