"""What a running job leaves on disk: the lines of its tracks, and its detections for refinement."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.types import Image
from service.decoding.errors import StorageFailed
from service.errors import Conflict
from service.jobs.folder import JobFolder
from tracker.mot import COLUMNS, Rows, detection_rows
from tracker.types import EmbedRows, Float, Tracker, Tracks


class NotReproduced(Conflict):
    """A job that was taken up again gave other tracks than before."""

    code = "not-reproduced"


class LineLog:
    """A file of lines that only grows, and that a second run of the same job continues.

    The second run gives the same lines again: as long as they are in the file already they are
    compared with it, and then appended to it.

    Parameters
    ----------
    path : Path
        The file.
    committed : int
        Bytes that count; what stands behind them is cut off.

    Attributes
    ----------
    length : int
        Bytes of the lines of this run.
    """

    def __init__(self, path: Path, committed: int) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.truncate(self._file, committed)
        self._committed = committed
        self.length = 0

    def append(self, line: bytes) -> None:
        """Add a line.

        Raises
        ------
        NotReproduced
            The file has another one at its place.
        StorageFailed
            The disk has no room for it.
        """
        if self.length < self._committed:
            if os.pread(self._file, len(line), self.length) != line:
                raise NotReproduced(
                    "the job was taken up again and gave other tracks than before; has the model "
                    "been replaced? Send the video again"
                )
            self.length += len(line)
            return
        view = memoryview(line)
        offset = self.length
        with _storing():
            while view:
                count = os.pwrite(self._file, view, offset)
                view, offset = view[count:], offset + count
        self.length = offset

    def sync(self) -> None:
        """Have everything on the disk; raises as `append` does."""
        with _storing():
            os.fdatasync(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


@contextmanager
def _storing() -> Iterator[None]:
    """Writes to the disk; what it refuses is an error that callers know."""
    try:
        yield
    except OSError as error:
        raise StorageFailed("the disk of the server has no room for the tracks") from error


class DetectionLog:
    """A tracker whose detections, and the embeddings it asks for, are written to files.

    Parameters
    ----------
    tracker : Tracker
        The one that does the work. What it is given and what it answers is not touched.
    folder : JobFolder
        Where the files are; they are begun anew.
    dim : int
        Length of an embedding; 0 where there is no embedder.
    """

    def __init__(self, tracker: Tracker, folder: JobFolder, dim: int) -> None:
        self._tracker = tracker
        self._dim = dim
        self._frames = 0
        with _storing(), ExitStack() as opened:
            self._rows, self._looks, self._motion = (
                opened.enter_context(path.open("wb"))
                for path in (folder.detections, folder.embeddings, folder.motion)
            )
            self._files = opened.pop_all()

    def update(
        self,
        boxes: ArrayLike,
        scores: ArrayLike,
        classes: ArrayLike | None = None,
        embeddings: ArrayLike | EmbedRows | None = None,
        frame: Image | None = None,
        timestamp: float | None = None,
    ) -> Tracks | None:
        """Pass the detections of the next frame on, and note them."""
        self._frames += 1
        rows = detection_rows(self._frames, boxes, scores, classes)
        looks = np.zeros((len(rows), self._dim), np.float32)
        asked = embeddings
        if callable(embeddings):
            embed = embeddings

            def asked(indices: NDArray[np.int64]) -> NDArray[np.float32]:
                answer = np.asarray(embed(indices), np.float32)
                looks[indices] = answer
                return answer

        tracks = self._tracker.update(boxes, scores, classes, asked, frame, timestamp)
        with _storing():
            self._rows.write(rows.tobytes())
            self._looks.write(looks.tobytes())
            self._motion.write(self._tracker.motion.tobytes())
        return tracks

    @property
    def motion(self) -> Float:
        """How the camera moved into the last frame, as the tracker says."""
        return self._tracker.motion

    def flush(self) -> Sequence[Tracks]:
        """What the tracker holds back."""
        return self._tracker.flush()

    def reset(self) -> None:
        """Let the tracker forget; what is noted stays."""
        self._tracker.reset()

    def __enter__(self) -> DetectionLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with _storing():
            self._files.close()


def count_detections(folder: JobFolder) -> int:
    """How many detections a `DetectionLog` wrote."""
    return folder.detections.stat().st_size // (COLUMNS * np.dtype(np.float64).itemsize)


def read_detections(folder: JobFolder) -> tuple[Rows, NDArray[np.float32] | None]:
    """What a `DetectionLog` wrote: float64 [N, 10], and float32 [N, D] where there are any."""
    rows = np.fromfile(folder.detections, np.float64).reshape(-1, COLUMNS)
    size = folder.embeddings.stat().st_size
    if not size:
        return rows, None
    looks = np.memmap(folder.embeddings, np.float32, "r")
    return rows, looks.reshape(len(rows), -1)


def read_motion(folder: JobFolder) -> Float:
    """What a `DetectionLog` wrote of the camera: float64 [T, 2, 3]."""
    return np.fromfile(folder.motion, np.float64).reshape(-1, 2, 3)
