"""The lines and zones of a request: JSON in its query, checked before anything is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self, TypeVar

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from models.errors import InvalidInput
from service.counting.counts import Anchor, Counter
from service.counting.regions import Line, Zone

MOST_SHAPES = 16
MOST_CORNERS = 64
MOST_TEXT = 16_384
"""Characters of JSON; a request's head has room for them."""
FARTHEST = 100_000
LINE_EXAMPLE = '[{"name":"gate","points":[[0,240],[640,240]]}]'
ZONE_EXAMPLE = '[{"name":"door","points":[[0.1,0.2],[0.4,0.2],[0.4,0.9]],"normalized":true}]'
_SHOWN = 60

Coordinate = Annotated[float, Field(ge=-FARTHEST, le=FARTHEST, allow_inf_nan=False)]
Point = tuple[Coordinate, Coordinate]


class Shape(BaseModel):
    """A line or a zone as it is sent: pixels of the upright picture, or shares of its size."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=64)
    points: tuple[Point, ...]
    normalized: bool = False

    @model_validator(mode="after")
    def _in_the_picture(self) -> Self:
        if self.normalized and any(not 0 <= value <= 1 for point in self.points for value in point):
            raise ValueError("points from 0 to 1 were expected where normalized is true")
        return self

    def pixels(self, width: int, height: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The points [M, 2] in a picture of that size."""
        points = np.array(self.points, np.float64)
        return points * (width, height) if self.normalized else points


class LineShape(Shape):
    """A line of two points."""

    @model_validator(mode="after")
    def _has_a_direction(self) -> Self:
        if len(self.points) != 2 or self.points[0] == self.points[1]:
            raise ValueError("two different points were expected")
        return self


class ZoneShape(Shape):
    """A polygon."""

    @model_validator(mode="after")
    def _has_an_inside(self) -> Self:
        if not 3 <= len(self.points) <= MOST_CORNERS:
            raise ValueError(f"3 to {MOST_CORNERS} points were expected, got {len(self.points)}")
        points = np.array(self.points)
        if np.linalg.matrix_rank(points[1:] - points[0]) < 2:
            raise ValueError("points were expected that are not all on one straight line")
        return self


AnyShape = TypeVar("AnyShape", bound=Shape)


def _own_names(shapes: tuple[AnyShape, ...]) -> tuple[AnyShape, ...]:
    if len({shape.name for shape in shapes}) < len(shapes):
        raise ValueError("each needs a name of its own")
    return shapes


_LINES = TypeAdapter(
    Annotated[tuple[LineShape, ...], Field(max_length=MOST_SHAPES), AfterValidator(_own_names)]
)
_ZONES = TypeAdapter(
    Annotated[tuple[ZoneShape, ...], Field(max_length=MOST_SHAPES), AfterValidator(_own_names)]
)


@dataclass(frozen=True, slots=True)
class Counting:
    """What a request wants to have counted.

    Attributes
    ----------
    lines : sequence of LineShape
        Whose crossings.
    zones : sequence of ZoneShape
        Whose visits.
    anchor : Anchor
        The point of a box that counts.
    """

    lines: Sequence[LineShape] = ()
    zones: Sequence[ZoneShape] = ()
    anchor: Anchor = Anchor.FOOT

    @classmethod
    def parse(cls, lines: str | None, zones: str | None, anchor: Anchor = Anchor.FOOT) -> Self:
        """Read the JSON of a request.

        Raises
        ------
        InvalidInput
            It is no JSON, has other fields, too much of something, or shapes without an inside.
        """
        return cls(parse_lines(lines), parse_zones(zones), anchor)

    def counter(self, width: int, height: int) -> Counter | None:
        """A counter for a video of that size in pixels; None where nothing is to be counted."""
        if not self.lines and not self.zones:
            return None
        lines = [Line(one.name, *one.pixels(width, height)) for one in self.lines]
        zones = [Zone(one.name, one.pixels(width, height)) for one in self.zones]
        return Counter(lines, zones, self.anchor)


def parse_lines(text: str | None) -> tuple[LineShape, ...]:
    """The lines of a JSON text; raises as `Counting.parse`."""
    return () if text is None else _parse(_LINES, text, LINE_EXAMPLE)


def parse_zones(text: str | None) -> tuple[ZoneShape, ...]:
    """The zones of a JSON text; raises as `Counting.parse`."""
    return () if text is None else _parse(_ZONES, text, ZONE_EXAMPLE)


def _parse(
    adapter: TypeAdapter[tuple[AnyShape, ...]], text: str, example: str
) -> tuple[AnyShape, ...]:
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = "".join(f"[{part!r}]" for part in first["loc"])
        shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
        reason = first["msg"].removeprefix("Value error, ")
        raise InvalidInput(
            f"JSON like {example} was expected, got {shown}: {where + ': ' if where else ''}"
            f"{reason}"
        ) from error
