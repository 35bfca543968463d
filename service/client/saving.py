"""A file that is there only once it is complete."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import Self


class Draft:
    """Written beside the file that it becomes at the end; removed where that does not come.

    Parameters
    ----------
    path : path
        The file; one of that name is replaced.

    Attributes
    ----------
    path : Path
        The same.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._draft = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")

    def __enter__(self) -> Self:
        self._file = self._draft.open("xb")
        return self

    def write(self, data: bytes) -> None:
        """Append to it."""
        self._file.write(data)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        if kind is None:
            os.replace(self._draft, self.path)
        else:
            self._draft.unlink()
