"""The highest loss on segments from few points: cubics through them tell where more are needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from landscape.core.grid import FALLBACK_GRID, grid_maxima, with_ends
from landscape.core.segments import Evaluate, SegmentMaxima

FIRST = np.linspace(0, 1, 5)  # where every segment is evaluated
HALVES = (FIRST[1:] + FIRST[:-1]) / 2  # and where it is if it may be below the limit
MOST_POINTS = 32  # of a segment
SETTLED = 1e-4  # of the larger of |limit| and |maximum|: how far above it a bound may be
LASTING = 0.25  # of an interval's error: what stays of it, however well the next is predicted
INNER = np.arange(1, 16) / 16  # where a cubic is looked at, on its interval
NEAR_END = 2  # of INNER: where a cubic is highest so near to its ends, it is halved instead
NARROWEST = 2.0**-16  # interval that is divided


def adaptive_maxima(
    evaluate: Evaluate, ends: np.ndarray, limit: float, only_below: bool = False
) -> SegmentMaxima:
    """The highest loss on each of n segments: as `sampled` finds it, or, where that does not
    settle, by a fixed grid as well. ends [n, 2]: the losses there, NaN where they are not known."""
    seen = sampled(evaluate, ends, limit, only_below)
    last = np.arange(FALLBACK_GRID + 1)
    own = np.minimum(last, (seen.count - 1)[:, None])
    ts = np.take_along_axis(seen.t, own, axis=1)
    values = np.take_along_axis(seen.values, own, axis=1)
    maximum = values.max(1)
    finite = np.isfinite(maximum)
    change = np.where(finite, seen.bound, 0.0) - np.where(finite, maximum, 0.0)
    place, losses = seen.place, seen.count - (~np.isnan(ends)).sum(1)
    if len(rest := np.flatnonzero(~seen.settled)):

        def of_rest(rows: np.ndarray, t: np.ndarray) -> np.ndarray:
            return evaluate(rest[rows], t)

        known = values[rest][:, [0, -1]]
        found = grid_maxima(of_rest, known, FALLBACK_GRID, limit, only_below)
        higher = np.maximum(found.maximum, maximum[rest])
        change[rest] = np.maximum(found.maximum + found.change, higher) - higher
        place[rest] = np.where(found.maximum >= maximum[rest], found.place, place[rest])
        ts[rest], values[rest], maximum[rest] = found.ts, found.values, higher
        losses[rest] += found.losses
    return SegmentMaxima(ts, values, maximum, place, change, losses)


@dataclass
class Sampled:
    """n segments at few points each.

    t, values [n, MOST_POINTS]: ascending, infinite and NaN beyond the `count` [n] of a segment;
    error [n, MOST_POINTS]: how far the loss may be from the cubic on the interval that begins
    there; bound [n]: the highest that a cubic and its error reach, or a value; place [n]: where
    values and cubics are highest; settled [n]: whether no more points are asked for.
    """

    t: np.ndarray
    values: np.ndarray
    count: np.ndarray
    error: np.ndarray
    bound: np.ndarray
    place: np.ndarray
    settled: np.ndarray


def sampled(evaluate: Evaluate, ends: np.ndarray, limit: float, only_below: bool) -> Sampled:
    """Evaluate segments where it matters for their maxima.

    A segment is evaluated at 5 points, and, unless it is above the limit there and `only_below`, at
    9. The cubics through four neighbours had predicted the new ones. What a prediction was wrong by
    is taken for the error of the cubics on both sides of the new point, but at least a part of what
    was taken for it before: a prediction may be right by chance. Then the interval whose cubic and
    error reach highest gets a point where its cubic is highest, until no bound is above the highest
    loss by more than `SETTLED`.

    Args:
        evaluate: segments [m], t [m] on them → losses [m], infinite where they are not finite.
        ends: The losses at their ends [n, 2], NaN where they are not known.
        limit: The limit.
        only_below: Leave a segment as soon as it is seen to be above the limit.
    """
    n = len(ends)
    shape, everyone = (n, MOST_POINTS), np.arange(n)
    seen = Sampled(
        np.full(shape, np.inf),
        np.full(shape, np.nan),
        np.full(n, len(FIRST)),
        np.zeros(shape),
        np.zeros(n),
        np.zeros(n),
        np.zeros(n, bool),
    )
    seen.t[:, : len(FIRST)] = FIRST
    seen.values[:, : len(FIRST)] = with_ends(evaluate, ends, FIRST)

    def is_open(rows: np.ndarray) -> np.ndarray:
        top = np.nanmax(seen.values[rows], axis=1)
        return np.isfinite(top) & ~(only_below & (top > limit))

    going = everyone[is_open(everyone)]
    _halve(seen, going, evaluate)
    scale = abs(limit) if np.isfinite(limit) else 0.0
    while len(going):
        going = going[is_open(going)]
        bound, _, where = _reach(seen, going)
        top = np.nanmax(seen.values[going], axis=1)
        near = bound <= top + SETTLED * np.maximum(scale, np.abs(top))
        seen.settled[going[near]] = True
        more = ~near & (seen.count[going] < MOST_POINTS) & np.isfinite(where)
        _divide(seen, going[more], where[more], evaluate)
        going = going[more]
    seen.bound, seen.place, _ = _reach(seen, everyone)
    seen.settled |= ~is_open(everyone)
    return seen


def _halve(seen: Sampled, rows: np.ndarray, evaluate: Evaluate) -> None:
    """Put points between the first ones, and take the cubics' errors from them."""
    if not len(rows):
        return
    first, halves = len(FIRST), len(HALVES)
    predicted = _cubics(seen, rows, np.full(1, 0.5))[:, : first - 1, 0]
    found = evaluate(np.repeat(rows, halves), np.tile(HALVES, len(rows))).reshape(-1, halves)
    values = np.empty((len(rows), first + halves))
    values[:, ::2], values[:, 1::2] = seen.values[rows, :first], found
    seen.values[rows, : first + halves] = values
    seen.t[rows, : first + halves] = np.linspace(0, 1, first + halves)
    seen.count[rows] = first + halves
    error = np.pad(np.abs(found - predicted), ((0, 0), (1, 1)))
    beside = LASTING * np.maximum(error[:, :-2], error[:, 2:])
    seen.error[rows, : 2 * halves] = np.repeat(np.maximum(error[:, 1:-1], beside), 2, axis=1)


def _divide(seen: Sampled, rows: np.ndarray, t: np.ndarray, evaluate: Evaluate) -> None:
    """Put one more point on each of these segments."""
    if not len(rows):
        return
    each, old = np.arange(len(rows)), seen.t[rows]
    interval = (old <= t[:, None]).sum(1) - 1
    left, right = old[each, interval], old[each, interval + 1]
    predicted = _cubics(seen, rows, ((t - left) / (right - left))[:, None, None])
    found = evaluate(rows, t)
    before = LASTING * seen.error[rows, interval]
    error = np.maximum(np.abs(found - predicted[each, interval, 0]), before)
    order = np.argsort(np.concatenate([old, t[:, None]], axis=1), axis=1, kind="stable")
    order = order[:, :MOST_POINTS]
    for array, new in ((seen.t, t), (seen.values, found), (seen.error, error)):
        with_new = np.concatenate([array[rows], new[:, None]], axis=1)
        array[rows] = np.take_along_axis(with_new, order, axis=1)
    seen.error[rows, interval] = error
    seen.count[rows] += 1


def _cubics(seen: Sampled, rows: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Cubics through the four points nearest to each interval, at shares u of it: Newton's divided
    differences, [rows, intervals, u]; NaN beyond a segment's points."""
    t, values, count = seen.t[rows], seen.values[rows], seen.count[rows]
    most = int(count.max(initial=len(FIRST)))
    first = np.clip(np.arange(most - 1) - 1, 0, (count - 4)[:, None])
    nodes = first[:, :, None] + np.arange(4)
    row = np.arange(len(rows))[:, None, None]
    x, y = t[row, nodes], values[row, nodes]
    with np.errstate(invalid="ignore"):
        at = t[:, : most - 1, None] + u * np.diff(t[:, :most], axis=1)[:, :, None]
        for order in (1, 2, 3):
            y = np.concatenate(
                [
                    y[..., :order],
                    (y[..., order:] - y[..., order - 1 : -1])
                    / (x[..., order:] - x[..., : 4 - order]),
                ],
                axis=-1,
            )
        result = y[..., 3:]
        for order in (2, 1, 0):
            result = y[..., order : order + 1] + (at - x[..., order : order + 1]) * result
    return np.where(np.arange(most - 1)[:, None] < (count - 1)[:, None, None], result, np.nan)


def _reach(seen: Sampled, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of segments, [rows] each: the highest that values and cubics with their errors reach, where
    values and cubics are highest, and where the next point goes: NaN where no interval is wide
    enough."""
    t, values = seen.t[rows], seen.values[rows]
    cubics = _cubics(seen, rows, INNER)
    row, intervals = np.arange(len(rows)), cubics.shape[1]
    cubics = np.where(np.isnan(cubics), -np.inf, cubics)
    best = cubics.argmax(2)
    highest = np.take_along_axis(cubics, best[..., None], axis=2)[..., 0]
    reach = highest + seen.error[rows, :intervals]
    with np.errstate(invalid="ignore"):
        width = np.nan_to_num(np.diff(t[:, : intervals + 1], axis=1), nan=0.0, posinf=0.0)
    top = np.nanmax(values, axis=1)
    bound = np.maximum(top, reach.max(1))

    at = highest.argmax(1)
    of_value = t[row, np.nanargmax(values, axis=1)]
    of_cubic = t[row, at] + width[row, at] * INNER[best[row, at]]
    place = np.where(top >= highest[row, at], of_value, of_cubic)

    divisible = np.where(width > NARROWEST, reach, -np.inf)
    worst = divisible.argmax(1)
    u = INNER[best[row, worst]]
    near_end = (u < INNER[NEAR_END]) | (u > INNER[-1 - NEAR_END])
    where = t[row, worst] + width[row, worst] * np.where(near_end, 0.5, u)
    return bound, place, np.where(np.isfinite(divisible[row, worst]), where, np.nan)
