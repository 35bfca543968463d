"""What is made of the tracks of a job that is done: tables, refined tracks, an annotated video."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path

import orjson

from models.errors import InvalidInput
from service.decoding.decoders import Decoders
from service.decoding.errors import StorageFailed
from service.drawing.annotate import annotate_video
from service.errors import NotFound, ShuttingDown
from service.jobs.folder import JobFolder
from service.jobs.refinement import check_size, refined_messages
from service.jobs.store import JobRecord, JobStore
from service.tracks import formats
from service.tracks.query import TrackQuery


class Kind(StrEnum):
    """What can be had; the value ends the file's name."""

    MOT = "mot"
    CSV = "csv"
    JSON = "json"
    NDJSON = "ndjson"


class Results:
    """Makes files of jobs that are done, each once, one after the other.

    Parameters
    ----------
    decoders : Decoders
        For the frames of annotated videos.
    most_refined : int
        Objects of a job that are refined at most: all of them are held in memory at once.
    """

    def __init__(self, decoders: Decoders, most_refined: int) -> None:
        self._decoders = decoders
        self._most_refined = most_refined
        self._maker = ThreadPoolExecutor(1, "job-results")
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Give up what is being made; does not wait."""
        self._stopping.set()

    def close(self) -> None:
        """Give up what is being made."""
        self.stop()
        self._maker.shutdown(cancel_futures=True)

    async def tracks(
        self, store: JobStore, record: JobRecord, folder: JobFolder, kind: Kind, refined: bool
    ) -> Path:
        """The file of the tracks of a job.

        Raises
        ------
        InvalidInput
            Refined tracks of a job that has smoothed ones already.
        TooLarge
            Refined tracks of a job with more objects than are refined.
        NotFound
            The job was removed meanwhile.
        StorageFailed
            The disk has no room for the file.
        """
        base = "refined" if refined else "tracks"

        def make() -> Path:
            source = self._refined(record, folder) if refined else folder.lines
            name = f"{base}.{kind}"
            return _made(folder, name, lambda draft: _write(formats.Lines(source), kind, draft))

        return await self._make(store, record, folder, make)

    async def annotated(self, store: JobStore, record: JobRecord, folder: JobFolder) -> Path:
        """The video of a job with its tracks drawn.

        Raises
        ------
        InvalidInput
            It has no frame that can be drawn.
        NotFound
            The job was removed meanwhile.
        StorageFailed
            The disk has no room for it.
        """
        return await self._make(
            store,
            record,
            folder,
            lambda: _made(folder, "annotated.mp4", lambda draft: self._annotate(folder, draft)),
        )

    async def _make(
        self, store: JobStore, record: JobRecord, folder: JobFolder, make: Callable[[], Path]
    ) -> Path:
        def work() -> Path:
            try:
                path = make()
                store.update(record.id, bytes=folder.size())
            except FileNotFoundError as error:
                raise NotFound("the job was removed") from error
            except OSError as error:
                raise StorageFailed("the disk of the server has no room for the file") from error
            return path

        return await asyncio.wrap_future(self._maker.submit(work))

    def _annotate(self, folder: JobFolder, draft: Path) -> None:
        frames = (line for line in formats.Lines(folder.lines) if line["type"] == "frame")
        drawn = 0
        for _ in annotate_video(folder.video, frames, draft, self._decoders):
            if self._stopping.is_set():
                raise ShuttingDown("the server is shutting down")
            folder.path.stat()  # fails once the job is removed
            drawn += 1
        if not drawn:
            raise InvalidInput("no frame of the video was followed, there is nothing to draw")

    def _refined(self, record: JobRecord, folder: JobFolder) -> Path:
        query = TrackQuery.model_validate_json(record.query)
        if query.delay:
            raise InvalidInput("refined and delay both smooth the tracks: send it without delay")
        check_size(folder, self._most_refined)

        def make(draft: Path) -> None:
            messages = refined_messages(
                folder, query.counting, stride=query.stride, reenter=query.reenter
            )
            _write(messages, Kind.NDJSON, draft)

        return _made(folder, "refined.ndjson", make)


def _made(folder: JobFolder, name: str, make: Callable[[Path], None]) -> Path:
    """A result; it is made in a draft first, so that half of it is never seen."""
    path = folder.result(name)
    if not path.exists():
        draft = folder.draft(name)
        try:
            make(draft)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    return path


def _write(messages: Iterable[formats.Message], kind: Kind, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as sink:
        if kind is Kind.JSON:
            sink.writelines(_document(messages))
            return
        for _ in formats.write(sink, messages, formats.Format(kind.value)):
            pass


def _document(messages: Iterable[formats.Message]) -> Iterator[str]:
    """One JSON object: ``header``, ``frames`` and ``end``, each as in the stream."""
    mark = ""
    for message in messages:
        text = orjson.dumps(message).decode()
        if message["type"] == "header":
            yield f'{{"header":{text},"frames":['
        elif message["type"] == "frame":
            yield mark + text
            mark = ","
        else:
            yield f'],"end":{text}}}\n'
