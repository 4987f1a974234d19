"""The highest loss on segments by a fixed grid, finer at its maxima: the rule of publications."""

from __future__ import annotations

import numpy as np

from landscape.core.segments import Evaluate, SegmentMaxima

FALLBACK_GRID = 50  # where no cubics follow the loss
REFINED_POINTS = 4  # new points in the bracket of a local maximum, each time it is refined
MOST_REFINEMENTS = 12
SETTLED_CHANGE = 1e-4  # of the level: it has settled where it moved by no more than that, so often:
SETTLED_TIMES = 3


def local_maxima(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The maxima of profiles [n, points] as (profile, first point, last point), each [maxima]: runs
    of equal values with lower neighbours; beyond the ends it is lower everywhere."""
    differ = values[:, 1:] != values[:, :-1]
    owner, first = np.nonzero(np.pad(differ, ((0, 0), (1, 0)), constant_values=True))
    _, last = np.nonzero(np.pad(differ, ((0, 0), (0, 1)), constant_values=True))
    walled = np.pad(values, ((0, 0), (1, 1)), constant_values=-np.inf)
    height = values[owner, first]
    local = (height > walled[owner, first]) & (height > walled[owner, last + 2])
    return owner[local], first[local], last[local]


def with_ends(evaluate: Evaluate, ends: np.ndarray, ts: np.ndarray) -> np.ndarray:
    """The losses at ts [points] of each segment, [n, points], of which those at the ends [n, 2] are
    evaluated where they are NaN."""
    values = np.full((len(ends), len(ts)), np.nan)
    values[:, [0, -1]] = ends
    owner, point = np.nonzero(np.isnan(values))
    values[owner, point] = evaluate(owner, ts[point])
    return values


def grid_maxima(
    evaluate: Evaluate, ends: np.ndarray, grid: int, limit: float, only_below: bool = False
) -> SegmentMaxima:
    """The highest loss on each of n segments, on a fixed grid.

    Every segment is evaluated at t = 0, 1/grid, …, 1; then every local maximum is bracketed by its
    neighbours and `REFINED_POINTS` new points are put into the bracket, again and again, until it
    has moved by less than `SETTLED_CHANGE`·max(|limit|, |maximum|) `SETTLED_TIMES` times running
    (one zoom can miss what the next finds), or `MOST_REFINEMENTS` times. Its last change is the
    largest of those last moves. A plateau of equal values is one maximum: an error rate has many.
    evaluate: segments [m] and t [m] on them → losses [m], infinite where they are not finite; ends
    [n, 2]: the losses there, NaN where they are not known.
    """
    ts = np.linspace(0, 1, grid + 1)
    values = with_ends(evaluate, ends, ts)
    losses = grid + 1 - (~np.isnan(ends)).sum(1)
    maximum, place = values.max(1), ts[values.argmax(1)]
    upper = maximum.copy()

    refined = maximum <= limit if only_below else np.isfinite(maximum)
    owner, first, last = local_maxima(values)
    owner, first, last = (index[refined[owner]] for index in (owner, first, last))
    at, top = ts[(first + last) // 2], values[owner, first]
    rise, quiet = np.zeros(len(owner)), np.zeros(len(owner), int)
    low, high = ts[np.maximum(first - 1, 0)], ts[np.minimum(last + 1, grid)]
    moving = np.arange(len(owner))
    wall = np.full((len(owner), 1), -np.inf)
    for _ in range(MOST_REFINEMENTS):
        if not len(moving):
            break
        m = moving
        new = low[m, None] + (high - low)[m, None] * np.arange(1, REFINED_POINTS + 1) / (
            REFINED_POINTS + 1
        )
        losses += REFINED_POINTS * np.bincount(owner[m], minlength=len(ends))
        found = evaluate(np.repeat(owner[m], REFINED_POINTS), new.ravel()).reshape(new.shape)
        xs = np.concatenate([low[m, None], new, at[m, None], high[m, None]], 1)
        vs = np.concatenate([wall[m], found, top[m, None], wall[m]], 1)
        order = np.argsort(xs, axis=1, kind="stable")
        xs, vs = np.take_along_axis(xs, order, 1), np.take_along_axis(vs, order, 1)
        row, stay = np.arange(len(m)), (order == REFINED_POINTS + 1).argmax(1)
        best = np.where(vs.max(1) > top[m], vs.argmax(1), stay)
        move, top[m] = vs[row, best] - top[m], vs[row, best]
        low[m], at[m], high[m] = xs[row, best - 1], xs[row, best], xs[row, best + 1]
        calm = move <= SETTLED_CHANGE * np.maximum(abs(limit), abs(top[m]))
        rise[m] = np.where(calm & (quiet[m] > 0), np.maximum(rise[m], move), move)
        quiet[m] = np.where(calm, quiet[m] + 1, 0)
        moving = m[np.isfinite(top[m]) & (quiet[m] < SETTLED_TIMES)]

    order = np.argsort(top, kind="stable")  # the highest of an owner is assigned last
    maximum[owner[order]], place[owner[order]] = top[order], at[order]
    np.maximum.at(upper, owner, np.where(np.isfinite(rise), top + rise, np.inf))
    finite = np.isfinite(maximum)
    change = np.where(finite, upper, 0.0) - np.where(finite, maximum, 0.0)
    return SegmentMaxima(np.tile(ts, (len(ends), 1)), values, maximum, place, change, losses)
