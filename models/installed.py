"""What is said where a network needs torch or Ultralytics, which a small image leaves out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from models.errors import RuntimeUnavailable


@contextmanager
def needing_packages(name: str) -> Iterator[None]:
    """Build or export the network ``name``, or tell which package that needs.

    Raises
    ------
    RuntimeUnavailable
        A package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise RuntimeUnavailable(
            f"{name}: needs the package {error.name}, which is not installed here: install "
            "Trackline with all that it depends on, or take the full image; the small one runs "
            "only networks whose exports were baked into it (WEIGHTS)"
        ) from error
