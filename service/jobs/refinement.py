"""Refined tracks of what a run left in its folder: its lines and its detections."""

from __future__ import annotations

from collections.abc import Iterator

from service.counting.query import Counting
from service.errors import TooLarge
from service.jobs.folder import JobFolder
from service.jobs.log import count_detections, read_detections, read_motion
from service.tracks.formats import Lines, Message
from service.tracks.refining import refined


def check_size(folder: JobFolder, most: int) -> None:
    """Refuse what is too much to be refined: all objects are held in memory at once.

    Raises
    ------
    TooLarge
        More objects were found than ``most``.
    """
    found = count_detections(folder)
    if found > most:
        raise TooLarge(
            f"{found} objects were found in this video, at most {most} are refined here "
            "(TRACKLINE_MAX_REFINED_OBJECTS); ask for the tracks as they are"
        )


def refined_messages(
    folder: JobFolder, counting: Counting, *, stride: int = 1, reenter: bool = False
) -> Iterator[Message]:
    """The messages of the same stream, with its tracks refined.

    Parameters
    ----------
    folder : JobFolder
        Of a run that has ended.
    counting : Counting
        What is counted anew.
    stride : int
        Every so many frames were followed.
    reenter : bool
        Whether objects may come back after a long while.
    """
    detections, looks = read_detections(folder)
    return refined(
        Lines(folder.lines),
        detections,
        looks,
        read_motion(folder),
        counting,
        stride=stride,
        reenter=reenter,
    )
