"""Linking of tracklets: pieces of one trajectory, before and after a gap, become one.

All ends are compared with all starts that follow, and the cheapest set of links is chosen at once
(a matching of least cost in a sparse bipartite graph) instead of one link after the other. What a
link costs is mostly how unlike the pieces look; how far apart their motions are says whether it
is possible. Chains grow over some rounds: a longer piece knows its motion and appearance better.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from tracker.smoothing import Trajectories
from tracker.types import Embeddings, Float, Integer, Mask

REFUSAL = 2.0
"""Cost of leaving an end open: more than any possible link, so that links are made."""


@dataclass(frozen=True, slots=True)
class Linking:
    """When two tracklets may be one trajectory. Distances are in heights of the box.

    Attributes
    ----------
    max_gap : int
        Most frames between the end of one and the start of the other.
    blind_gap : int
        The same where one has no embedding, and motion alone decides.
    look_alike : float
        Greatest cosine distance of the mean embeddings.
    slack, drift : float
        Greatest distance between where one is expected and where the other is:
        ``slack + drift * gap``.
    growth : float
        Greatest absolute logarithm of the ratio of the heights.
    tail : int
        Frames at an end over which its velocity is taken.
    ahead : int
        Frames for which that velocity is believed.
    motion : float
        Cost of the greatest distance, beside the cosine distance.
    left : int
        Frames after which someone who left the image is gone for good.
    rounds : int
        Most rounds.
    """

    max_gap: int = 120
    blind_gap: int = 30
    look_alike: float = 0.3
    slack: float = 0.5
    drift: float = 0.06
    growth: float = 0.5
    tail: int = 10
    ahead: int = 15
    motion: float = 0.1
    left: int = 3
    rounds: int = 3


@dataclass(frozen=True, slots=True)
class Ends:
    """One end of every tracklet: the first, looking back, or the last, looking ahead.

    Attributes
    ----------
    frames : int64 [K]
        When.
    boxes : float64 [K, 4]
        Smoothed: centre x and y, width, height, in pixels.
    velocities : float64 [K, 2]
        Of the centre, away from the tracklet, pixels a frame.
    """

    frames: Integer
    boxes: Float
    velocities: Float

    def leaves(self, size: tuple[float, float], frames: int) -> Mask:
        """Ends that are out of the image within some frames, bool [K].

        Out is a box that crosses the left or right edge, or whose centre is above or below.
        """
        ahead = self.boxes[:, :2] + self.velocities * frames
        x, y, half = ahead[:, 0], ahead[:, 1], self.boxes[:, 2] / 2.0
        gone: Mask = (x - half <= 0) | (x + half >= size[0]) | (y < 0) | (y > size[1])
        return gone


def leaving(tracks: Trajectories, rule: Linking, size: tuple[float, float]) -> tuple[Mask, Mask]:
    """Which tracklets come from outside of the image, and which go there, bool [K] each.

    Parameters
    ----------
    tracks : Trajectories
        As for :func:`link`, but in pixels of their frames, even where the camera moves.
    rule : Linking
    size : (float, float)
        Width and height of the image.
    """
    starts, stops = _ends(tracks, rule.tail)
    return starts.leaves(size, rule.left), stops.leaves(size, rule.left)


def link(
    tracks: Trajectories,
    looks: Embeddings | None,
    classes: Integer,
    rule: Linking,
    out: tuple[Mask, Mask] | None,
) -> Integer:
    """One round of linking.

    Parameters
    ----------
    tracks : Trajectories
        Of K tracklets, numbered from 0 without holes, gaps filled.
    looks : float32 [K, D] or None
        Mean embeddings, unit rows or zeros.
    classes : int64 [K]
        Only tracklets of one class are linked.
    rule : Linking
        When two may be one.
    out : (bool [K], bool [K]) or None
        From :func:`leaving`: who leaves the image does not come back. None lets everyone.

    Returns
    -------
    int64 [K]
        For each tracklet the first one of its chain.
    """
    starts, stops = _ends(tracks, rule.tail)
    before, after = _candidates(starts.frames, stops.frames, rule.max_gap)
    gap = starts.frames[after] - stops.frames[before]
    allowed = rule.slack + rule.drift * gap
    far = _distance(stops, starts, before, after, np.minimum(gap, rule.ahead))
    growth = np.log(starts.boxes[after, 3] / stops.boxes[before, 3])
    possible = (far <= allowed) & (np.abs(growth) <= rule.growth)
    possible &= classes[before] == classes[after]
    if out is not None:
        gone = out[1][before] | out[0][after]
        possible &= ~gone | (gap <= rule.left + 1)
    cost = rule.motion * far / allowed
    unlike = _unlike(looks, before, after)
    known = ~np.isnan(unlike)
    possible &= np.where(known, unlike <= rule.look_alike, gap <= rule.blind_gap + 1)
    cost += np.where(known, unlike, rule.look_alike)
    chosen = np.flatnonzero(possible)
    return _chains(before[chosen], after[chosen], cost[chosen], starts.frames)


def _ends(tracks: Trajectories, tail: int) -> tuple[Ends, Ends]:
    """First and last ends of all tracklets."""
    first = np.flatnonzero(np.diff(tracks.ids, prepend=-1))
    last = np.append(first[1:], len(tracks.ids)) - 1
    inner = np.minimum(tail, last - first)
    size = tracks.boxes[:, 2:] - tracks.boxes[:, :2]
    boxes = np.hstack(((tracks.boxes[:, :2] + tracks.boxes[:, 2:]) / 2.0, size))

    def end(at: Integer, inside: Integer) -> Ends:
        span = np.maximum(np.abs(tracks.frames[at] - tracks.frames[inside]), 1)
        return Ends(
            tracks.frames[at], boxes[at], (boxes[at, :2] - boxes[inside, :2]) / span[:, None]
        )

    return end(first, first + inner), end(last, last - inner)


def _candidates(starts: Integer, stops: Integer, max_gap: int) -> tuple[Integer, Integer]:
    """Pairs (before, after) in which the second starts after the first stopped, soon enough."""
    order = np.argsort(starts, kind="stable")
    low = np.searchsorted(starts[order], stops, side="right")
    high = np.searchsorted(starts[order], stops + max_gap + 1, side="right")
    count = high - low
    before = np.repeat(np.arange(len(stops)), count)
    within = np.arange(len(before)) - np.repeat(np.cumsum(count) - count, count)
    return before, order[np.repeat(low, count) + within]


def _distance(stops: Ends, starts: Ends, before: Integer, after: Integer, ahead: Integer) -> Float:
    """How far apart two ends are in heights: the least of going on, coming from and standing."""
    height = np.sqrt(stops.boxes[before, 3] * starts.boxes[after, 3])
    apart = starts.boxes[after, :2] - stops.boxes[before, :2]
    goes_on = apart - stops.velocities[before] * ahead[:, None]
    comes_from = apart + starts.velocities[after] * ahead[:, None]
    least = np.linalg.norm((apart, goes_on, comes_from), axis=2).min(axis=0)
    return np.asarray(least / height, np.float64)


def _unlike(looks: Embeddings | None, before: Integer, after: Integer) -> Float:
    """Cosine distance of pairs, NaN where one has no embedding."""
    if looks is None:
        return np.full(len(before), np.nan)
    distance = 1.0 - np.einsum("kd,kd->k", looks[before], looks[after]).astype(np.float64)
    known = np.asarray(looks.any(axis=1))
    return np.where(known[before] & known[after], distance, np.nan)


def _chains(before: Integer, after: Integer, cost: Float, starts: Integer) -> Integer:
    """The first tracklet of each one's chain, from the cheapest set of links."""
    count = len(starts)
    own = np.arange(count)
    # Every end may also stay open, in a column of its own: so a full matching always exists.
    graph = coo_array(
        (
            # The solver takes an explicit zero for no edge.
            np.concatenate((cost + 1e-6, np.full(count, REFUSAL))),
            (np.concatenate((before, own)), np.concatenate((after, own + count))),
        ),
        (count, 2 * count),
    )
    row, column = min_weight_full_bipartite_matching(graph.tocsr())
    linked = column < count
    chain = own.copy()
    previous = own.copy()
    previous[column[linked]] = row[linked]
    for tracklet in np.argsort(starts, kind="stable"):
        chain[tracklet] = chain[previous[tracklet]]
    return chain
