"""What is counted at lines and in zones."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from service.schemas.shape import Shape


class Who(Shape):
    """A track and its class."""

    track_id: int
    class_: int = Field(alias="class")
    name: str


class Crossing(Who):
    """A track has crossed a line."""

    line: str
    direction: Literal["a_to_b", "b_to_a"]


class Visit(Who):
    """A track has entered or left a zone."""

    zone: str
    event: Literal["entered", "left"]
    dwell_s: float | None = Field(default=None, description="Seconds of the stay that is over.")


class Crossings(Shape):
    """Crossings of a line in each direction."""

    a_to_b: int
    b_to_a: int


class LineCounts(Crossings):
    """The crossings of a line so far, of all classes and of each."""

    classes: dict[str, Crossings]


class Dwell(Shape):
    """Seconds of the visits to a zone; null before the first."""

    mean: float | None
    max: float | None


class Visits(Shape):
    """The visits to a zone so far; dwell is of those that are over and of those under way."""

    occupancy: int
    entered: int
    left: int
    dwell_s: Dwell


class Inside(Who):
    """A track that is in a zone, and for how many seconds."""

    dwell_s: float


class ZoneCounts(Visits):
    """The visits to a zone, of all classes and of each, and who is inside."""

    inside: list[Inside]
    classes: dict[str, Visits]


class Counts(Shape):
    """What was counted so far, of each line and zone by its name."""

    lines: dict[str, LineCounts]
    zones: dict[str, ZoneCounts]


class FrameCounts(Counts):
    """The same, and what happened in the frame."""

    events: list[Crossing | Visit]
