"""Progress bars on stderr, so that what is printed to stdout can be piped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from service.tracks.formats import Message


def frames_bar(console: Console | None = None) -> Progress:
    """A bar that counts frames."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=True),
        TimeRemainingColumn(),
        console=console or Console(stderr=True),
    )


def counted(items: Iterable[Any], what: str, total: int | None) -> Iterator[Any]:
    """Pass items on and count them on a bar."""
    with frames_bar() as bar:
        yield from bar.track(items, total=total, description=what)


def counted_frames(messages: Iterator[Message]) -> Iterator[Message]:
    """Pass on the messages of a track stream and count its frames on a bar."""
    with frames_bar() as bar:
        task = bar.add_task("tracking", total=None)
        frames = 0
        for message in messages:
            if message["type"] == "header":
                bar.update(task, total=message["frames"])
            elif message["type"] == "frame":
                frames += 1
                bar.advance(task)
            else:
                # Containers may promise a frame more or less than they hold.
                bar.update(task, total=frames)
            yield message
