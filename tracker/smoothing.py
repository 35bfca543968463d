"""Two-way smoothing: trajectories as the frames before and after together say, gaps filled.

A trajectory is the minimum of

    sum_i w_i (y_i - x_i)^2  +  L^(2d) sum_t (D^d x)_t^2

over one x a frame (Whittaker 1922, "On a new method of graduation"), where y are the observed
values, w their weights, D^d the d-th difference and L a length in frames. That minimum is the
posterior mean of a random walk of order d, in other words what a Rauch-Tung-Striebel smoother
answers for the same model (d = 2: constant velocity, noise on the velocity alone), but it is one
banded linear system for all trajectories of a video. Against filterpy's RTS smoother it gives the
same numbers some hundred times faster and needs no initial state; against local-linear Gaussian
regression of the same width it is as accurate in full view and better in gaps, which it
bridges by the cubic through both ends instead of by a mean of distant boxes.

The centre and log height are smoothed with d = 2, so that a straight walk is reproduced exactly,
and so is a steady approach; log aspect ratio, which is measured badly and has no trend, with d = 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.linalg import solveh_banded

from tracker import overlap
from tracker.types import Float, Integer, Mask

MIN_WEIGHT = 0.2
"""Weight of an observation that says next to nothing: no confidence, or hidden altogether."""
MIN_SIDE = 1e-3
"""Least width and height in pixels, so that a box of no area has a logarithm."""


@dataclass(frozen=True, slots=True)
class Smoothing:
    """How stiff trajectories are; lengths L are in frames: what is shorter is taken for noise.

    Attributes
    ----------
    reach, shortest, longest : float
        L of the centre is ``reach / sqrt(v)`` within these bounds, where v is the speed of the
        track in heights of its box a frame. Who crosses a good part of his own height from frame
        to frame also turns within few frames; at a high frame rate, or standing, he does not. So
        one setting serves all frame rates.
    height, aspect : float
        L of log height and of log aspect ratio.
    gap : float
        The penalty is multiplied by this where no box was observed, so that the path through a
        gap is straighter than a path in view.
    """

    reach: float = 0.65
    shortest: float = 1.6
    longest: float = 6.0
    height: float = 6.0
    aspect: float = 12.0
    gap: float = 30.0


DEFAULT = Smoothing()
SPEED_LAG = 8
"""Observations over which the speed is taken, so that noise does not pass for motion."""


@dataclass(frozen=True, slots=True)
class Trajectories:
    """Boxes of tracks at consecutive frames, ordered by track and frame.

    Attributes
    ----------
    frames, ids : int64 [M]
        Which frame and which track.
    boxes : float64 [M, 4]
        x1, y1, x2, y2 in pixels.
    source : int64 [M]
        Row of the observation of that track and frame; -1 where the box fills a gap.
    """

    frames: Integer
    ids: Integer
    boxes: Float
    source: Integer


def smooth(
    frames: Integer,
    ids: Integer,
    boxes: Float,
    weights: Float,
    *,
    max_gap: int = 30,
    smoothing: Smoothing = DEFAULT,
) -> Trajectories:
    """Smooth trajectories with what comes before and after, and fill their gaps.

    Parameters
    ----------
    frames, ids : int64 [N]
        Frame and track of each observed box, in any order, a track at most once a frame.
    boxes : float64 [N, 4]
        x1, y1, x2, y2 in pixels.
    weights : float64 [N]
        How much each box is worth; see :func:`weigh`.
    max_gap : int
        Frames without an observation up to which a gap is filled. A longer gap is left open, and
        what lies before and after it is smoothed apart.
    smoothing : Smoothing
        How stiff trajectories are.

    Returns
    -------
    Trajectories
        One box for every frame of every track, without the gaps that were too long.
    """
    if len(frames) == 0:
        none = np.zeros(0, np.int64)
        return Trajectories(none, none, np.zeros((0, 4)), none)
    order = np.lexsort((frames, ids))
    start, slot = _slots(frames[order], ids[order], max_gap)
    size = int(slot[-1]) + 1
    offset = slot[start] - frames[order][start]
    segment_of = np.repeat(np.arange(len(offset)), np.diff(np.append(slot[start], size)))
    source = np.full(size, -1, np.int64)
    source[slot] = order
    solved = _solve(_features(boxes[order]), weights[order], slot, segment_of, smoothing)
    return Trajectories(
        np.arange(size) - offset[segment_of],
        ids[order][start][segment_of],
        _boxes(solved),
        source,
    )


def hidden_shares(frames: Integer, boxes: Float) -> Float:
    """Share of each box that a nearer one of its frame hides; see :func:`tracker.overlap.hidden`.

    Parameters
    ----------
    frames : int64 [N]
    boxes : float64 [N, 4]
        x1, y1, x2, y2 in pixels.

    Returns
    -------
    float64 [N]
    """
    hidden = np.zeros(len(frames))
    order = np.argsort(frames, kind="stable")
    bounds = np.flatnonzero(np.diff(frames[order], prepend=np.nan, append=np.nan) != 0)
    for first, last in pairwise(bounds):
        rows = order[first:last]
        hidden[rows] = overlap.hidden(boxes[rows], boxes[rows])
    return hidden


def weigh(scores: Float, hidden: Float) -> Float:
    """The fourth root of confidence times visible share, at least :data:`MIN_WEIGHT`, [N].

    Errors of unsure and half hidden boxes are larger, but last for many frames, so that they do
    not average out; a root so high trusts them nearly as much, found best on real detections.
    """
    return np.maximum(scores * (1.0 - hidden), MIN_WEIGHT**4) ** 0.25


def whittaker(values: Float, weights: Float, penalty: Float, order: int) -> Float:
    """Minimum of the weighted squared error plus the penalised squared differences.

    Parameters
    ----------
    values : float64 [M, C]
        One row a frame; rows of weight 0 are not looked at.
    weights : float64 [M]
        At least ``order`` of them above 0 in every run that the penalty holds together.
    penalty : float64 [M - order]
        Factor of each difference; 0 separates what is before from what is after.
    order : int
        1 or 2: whether first or second differences are penalised.

    Returns
    -------
    float64 [M, C]
    """
    difference = np.array([1.0, -1.0]) if order == 1 else np.array([1.0, -2.0, 1.0])
    size = len(values)
    band = np.zeros((order + 1, size))
    band[0] = weights
    for i in range(order + 1):
        for j in range(i, order + 1):
            band[j - i, i : i + size - order] += penalty * (difference[i] * difference[j])
    solved = solveh_banded(band, weights[:, None] * values, lower=True, check_finite=False)
    return np.asarray(solved, np.float64)


def _slots(frames: Integer, ids: Integer, max_gap: int) -> tuple[Mask, Integer]:
    """Where segments start, and the place of each observation when all segments stand in a row."""
    step = np.diff(frames, prepend=frames[0])
    start = (np.diff(ids, prepend=ids[0]) != 0) | (step > max_gap + 1)
    start[0] = True
    slot = np.cumsum(np.where(start, 1, step)) - 1
    return start, slot


def _features(boxes: Float) -> Float:
    """Centre x and y, log height, log aspect ratio (width / height), [N, 4]."""
    size = np.maximum(boxes[:, 2:] - boxes[:, :2], MIN_SIDE)
    log = np.log(size)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2.0
    return np.column_stack((centre, log[:, 1], log[:, 0] - log[:, 1]))


def _boxes(features: Float) -> Float:
    """The inverse of :func:`_features`."""
    height = np.exp(features[:, 2])
    half = np.column_stack((height * np.exp(features[:, 3]), height)) / 2.0
    return np.hstack((features[:, :2] - half, features[:, :2] + half))


def _solve(
    features: Float, weights: Float, slot: Integer, segment: Integer, smoothing: Smoothing
) -> Float:
    """Smoothed features of every slot, float64 [M, 4]."""
    values = np.zeros((len(segment), 4))
    values[slot] = features
    weight = np.zeros(len(segment))
    weight[slot] = weights
    speed = _speed(features, slot, segment[slot])
    with np.errstate(divide="ignore"):
        reach = np.clip(smoothing.reach / np.sqrt(speed), smoothing.shortest, smoothing.longest)
    for columns, order, length in (
        (slice(0, 2), 2, reach[segment]),
        (slice(2, 3), 2, np.full(len(segment), smoothing.height)),
        (slice(3, 4), 1, np.full(len(segment), smoothing.aspect)),
    ):
        if len(segment) > order:
            penalty = length[order:] ** (2 * order) * _bridges(
                weight, segment, order, smoothing.gap
            )
            values[:, columns] = whittaker(values[:, columns], weight, penalty, order)
    return values


def _speed(features: Float, slot: Integer, segment: Integer) -> Float:
    """Heights of the own box that each segment moves in a frame, [S]."""
    count = int(segment[-1]) + 1
    last = np.searchsorted(segment, np.arange(count), side="right") - 1
    later = np.minimum(np.arange(len(segment)) + SPEED_LAG, last[segment])
    moved = np.linalg.norm(features[later, :2] - features[:, :2], axis=1)
    heights = np.exp(features[:, 2]) * (slot[later] - slot)
    path = np.bincount(segment, moved, count)
    speed: Float = path / np.maximum(np.bincount(segment, heights, count), MIN_SIDE)
    return speed


def _bridges(weight: Float, segment: Integer, order: int, gap: float) -> Float:
    """Factor of each difference: 0 between segments, ``gap`` where an unseen slot takes part."""
    inside = segment[order:] == segment[:-order]
    unseen = weight == 0.0
    touched = unseen[order:].copy()
    for shift in range(order):
        touched |= unseen[shift : len(unseen) - order + shift]
    factor: Float = inside * np.where(touched, gap, 1.0)
    return factor
