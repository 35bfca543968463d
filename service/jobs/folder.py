"""The folder of a job: which file is what."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

DRAFT = "draft-"
INCOMING = "incoming-"
"""Of the folder of a job whose video is not complete, or that is being removed."""


@dataclass(frozen=True, slots=True)
class JobFolder:
    """The files of one job.

    Attributes
    ----------
    path : Path
        The folder.
    """

    path: Path

    @property
    def video(self) -> Path:
        """The video as it was sent."""
        return self.path / "video"

    @property
    def lines(self) -> Path:
        """The lines of its track stream, NDJSON, appended to while it runs."""
        return self.path / "tracks.ndjson"

    @property
    def detections(self) -> Path:
        """Every detection of every frame, for refinement: MOT rows, float64 [N, 10]."""
        return self.path / "detections.f64"

    @property
    def embeddings(self) -> Path:
        """The embedding of every detection, float32 [N, D]; zeros where none was asked for."""
        return self.path / "embeddings.f32"

    @property
    def motion(self) -> Path:
        """How the camera moved into every frame, float64 [T, 2, 3]."""
        return self.path / "motion.f64"

    def result(self, name: str) -> Path:
        """A file that is made of the others when it is first asked for."""
        return self.path / name

    def draft(self, name: str) -> Path:
        """The same while it is made."""
        return self.path / (DRAFT + name)

    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.stat().st_size for entry in os.scandir(self.path))

    def drop_drafts(self) -> None:
        """Remove what was being made when the server was killed."""
        for draft in self.path.glob(DRAFT + "*"):
            draft.unlink()

    def remove(self) -> None:
        """Remove it all; half of a job is never found under its name."""
        doomed = self.path.with_name(INCOMING + self.path.name)
        self.path.rename(doomed)
        shutil.rmtree(doomed)


def is_of_a_job(path: Path) -> bool:
    """Whether a folder is one of a job that came or went when the server was killed."""
    name = path.name.removeprefix(INCOMING)
    return len(name) == 32 and all(letter in "0123456789abcdef" for letter in name)
