"""Counting tracks: who crosses lines, and who is in zones for how long.

A track is where its anchor is: a point of its box. Boxes tremble, so a track that has come to a
side stays there until its anchor is past the line, or outside of the zone, by a margin that goes
with the size of its box. Predicted boxes move nobody: a track is where it was seen last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.counting.regions import Line, Points, Zone
from tracker.types import Tracks

MARGIN = 0.03
"""Share of the longer side of a box by which its anchor must be past a border. Measured against
the ground truth of real sequences: with none, trembling boxes cross too often; from 0.05 on, slow
people at a line's side are missed."""
LEFT_SECONDS = 2.0
"""A track that is not in the picture for so long has left its zones when it was seen last."""
FORGET_SECONDS = 60.0
"""A track that comes back later than this has come from no side of a line."""
DIRECTIONS = ("a_to_b", "b_to_a")

Event = dict[str, Any]
"""What happened in a frame, as the stream has it."""


class Anchor(StrEnum):
    """The point of a box that counts."""

    FOOT = "foot"
    CENTRE = "centre"

    def points(self, boxes: NDArray[np.float32]) -> Points:
        """The points of boxes [N, 4]: the middle of the lower edge, or of the box."""
        x1, y1, x2, y2 = boxes.astype(np.float64).T
        return np.stack([(x1 + x2) / 2, y2 if self is Anchor.FOOT else (y1 + y2) / 2], axis=1)


@dataclass(frozen=True, slots=True)
class Seen:
    """The tracks that were detected in one frame.

    Attributes
    ----------
    time : float
        Of the frame, in seconds.
    who : list of dict
        ``track_id``, ``class`` and ``name`` of N tracks.
    points : float64 [N, 2]
        Their anchors.
    margins : float64 [N]
        By how many pixels each must be past a border.
    """

    time: float
    who: list[Event]
    points: Points
    margins: NDArray[np.float64]


@dataclass(slots=True)
class Presence:
    """When each track was in the picture last; a predicted one still is."""

    last: dict[int, float] = field(default_factory=dict)

    def update(self, ids: Sequence[int], time: float) -> list[int]:
        """Note who is there; answers who is to be forgotten."""
        old = [one for one, last in self.last.items() if time - last > FORGET_SECONDS]
        for one in old:
            del self.last[one]
        self.last.update(dict.fromkeys(ids, time))
        return old


class LineCount:
    """The crossings of one line."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._crossings: defaultdict[str, dict[str, int]] = defaultdict(
            lambda: dict.fromkeys(DIRECTIONS, 0)
        )
        self._last: dict[int, tuple[bool, Points]] = {}

    def update(self, seen: Seen) -> Iterator[Event]:
        """Follow the tracks to their sides; gives the crossings."""
        sides = self._line.side(seen.points)
        clear = np.abs(sides) > seen.margins
        for row in np.flatnonzero(clear).tolist():
            who, point, on_b = seen.who[row], seen.points[row], bool(sides[row] > 0)
            was_on_b, before = self._last.get(who["track_id"], (on_b, point))
            self._last[who["track_id"]] = (on_b, point)
            if was_on_b != on_b and self._line.met_by(before, point):
                direction = DIRECTIONS[was_on_b]
                self._crossings[who["name"]][direction] += 1
                yield {"line": self._line.name, "direction": direction, **who}

    def forget(self, track_id: int) -> None:
        """The track comes from no side, should it come again."""
        self._last.pop(track_id, None)

    def totals(self) -> dict[str, Any]:
        """Crossings per direction, of all and per class."""
        by_class = {name: dict(counts) for name, counts in self._crossings.items()}
        return {
            **{way: sum(counts[way] for counts in by_class.values()) for way in DIRECTIONS},
            "classes": by_class,
        }


@dataclass(slots=True)
class Visit:
    """One stay of a track in a zone; the class it came with is the one it is counted under."""

    who: Event
    began: float
    last: float

    @property
    def dwell(self) -> float:
        """Seconds so far."""
        return self.last - self.began


@dataclass(slots=True)
class Visits:
    """The visits of one class to a zone that are over."""

    left: int = 0
    dwell: float = 0.0
    longest: float = 0.0

    def add(self, visit: Visit) -> None:
        """One more is over."""
        self.left += 1
        self.dwell += visit.dwell
        self.longest = max(self.longest, visit.dwell)

    def totals(self, inside: Sequence[Visit]) -> dict[str, Any]:
        """The numbers of these and of those under way; dwell is of both."""
        entered = self.left + len(inside)
        dwells = [visit.dwell for visit in inside]
        mean = (self.dwell + sum(dwells)) / entered if entered else None
        longest = max(self.longest, *dwells) if dwells else self.longest
        return {
            "occupancy": len(inside),
            "entered": entered,
            "left": self.left,
            "dwell_s": {
                "mean": None if mean is None else round(mean, 3),
                "max": round(longest, 3) if entered else None,
            },
        }


class ZoneCount:
    """The visits to one zone."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._inside: dict[int, Visit] = {}
        self._over: defaultdict[str, Visits] = defaultdict(Visits)

    def update(self, seen: Seen, presence: Mapping[int, float]) -> Iterator[Event]:
        """Follow the tracks in and out; gives who entered and who left."""
        depths = self._zone.depth(seen.points).tolist()
        for who, depth, margin in zip(seen.who, depths, seen.margins.tolist(), strict=True):
            visit = self._inside.get(who["track_id"])
            if visit is None and depth > 0:
                self._inside[who["track_id"]] = Visit(who, seen.time, seen.time)
                yield {"zone": self._zone.name, "event": "entered", **who}
            elif visit is not None and depth < -margin:
                visit.last = seen.time
                yield self._leave(visit)
        for track_id, visit in list(self._inside.items()):
            visit.last = presence.get(track_id, visit.last)
            if seen.time - visit.last > LEFT_SECONDS:
                yield self._leave(visit)

    def _leave(self, visit: Visit) -> Event:
        del self._inside[visit.who["track_id"]]
        self._over[visit.who["name"]].add(visit)
        dwell = round(visit.dwell, 3)
        return {"zone": self._zone.name, "event": "left", **visit.who, "dwell_s": dwell}

    def totals(self) -> dict[str, Any]:
        """Occupancy, visits and dwell, of all and per class, and who is inside."""
        inside = list(self._inside.values())
        over = self._over.values()
        everyone = Visits(
            sum(one.left for one in over),
            sum(one.dwell for one in over),
            max((one.longest for one in over), default=0.0),
        )
        names = dict.fromkeys([*self._over, *(visit.who["name"] for visit in inside)])
        return {
            **everyone.totals(inside),
            "inside": [{**visit.who, "dwell_s": round(visit.dwell, 3)} for visit in inside],
            "classes": {
                name: self._over.get(name, Visits()).totals(
                    [visit for visit in inside if visit.who["name"] == name]
                )
                for name in names
            },
        }


class Counter:
    """Counts the tracks of one video.

    Parameters
    ----------
    lines : sequence of Line
        Whose crossings are counted.
    zones : sequence of Zone
        Whose visits are counted.
    anchor : Anchor
        The point of a box that counts.
    """

    def __init__(
        self, lines: Sequence[Line], zones: Sequence[Zone], anchor: Anchor = Anchor.FOOT
    ) -> None:
        self._lines = {line.name: LineCount(line) for line in lines}
        self._zones = {zone.name: ZoneCount(zone) for zone in zones}
        self._anchor = anchor
        self._presence = Presence()

    def update(self, tracks: Tracks, names: Mapping[int, str], time: float) -> list[Event]:
        """Take the tracks of the next frame; answers what happened in it.

        Parameters
        ----------
        tracks : Tracks
            Those of the frame.
        names : mapping
            Names of the classes.
        time : float
            Of the frame, in seconds; it grows from frame to frame.
        """
        ids = tracks.ids.tolist()
        for track_id in self._presence.update(ids, time):
            for line in self._lines.values():
                line.forget(track_id)
        seen = self._seen(tracks[~tracks.predicted], names, time)
        crossings = [event for line in self._lines.values() for event in line.update(seen)]
        visits = [
            event
            for zone in self._zones.values()
            for event in zone.update(seen, self._presence.last)
        ]
        return crossings + visits

    def totals(self) -> dict[str, Any]:
        """What was counted so far, of each line and zone by its name."""
        return {
            "lines": {name: line.totals() for name, line in self._lines.items()},
            "zones": {name: zone.totals() for name, zone in self._zones.items()},
        }

    def _seen(self, tracks: Tracks, names: Mapping[int, str], time: float) -> Seen:
        who = [
            {"track_id": track_id, "class": class_id, "name": names.get(class_id, str(class_id))}
            for track_id, class_id in zip(tracks.ids.tolist(), tracks.classes.tolist(), strict=True)
        ]
        sizes = tracks.boxes[:, 2:] - tracks.boxes[:, :2]
        margins = MARGIN * sizes.max(axis=1, initial=0).astype(np.float64)
        return Seen(time, who, self._anchor.points(tracks.boxes), margins)
