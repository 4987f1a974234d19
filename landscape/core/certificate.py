"""The loss along a path, and the one certificate that judges every method."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import numpy as np

from landscape.core import trees
from landscape.core.devices import each
from landscape.core.paths import fractions, segment_lengths
from landscape.core.task import Landscape
from landscape.core.trees import Params

REFINED_POINTS = 4  # new points in the bracket of a local maximum, each time it is refined
MOST_REFINEMENTS = 12
SETTLED_CHANGE = 1e-4  # of the level: it has settled where it moved by no more than that, so often:
SETTLED_TIMES = 3

Index = np.ndarray | slice


@dataclass(frozen=True)
class SegmentMaxima:
    """The loss on n segments: where each is highest, and how sure that is.

    values [n, grid + 1] on the grid; maximum [n] and place [n], its t; change [n], how much
    higher the maximum would be if one of the segment's local maxima rose by its last change once
    more; losses [n], how many were evaluated for it. A loss that is not finite counts as infinite.
    """

    values: np.ndarray
    maximum: np.ndarray
    place: np.ndarray
    change: np.ndarray
    losses: np.ndarray


class SegmentEvaluator(Protocol):
    """The loss on straight segments from `lefts` to `rights`, named arrays [n, ...] each.

    `only_below` leaves a segment at the grid where it is above the limit there already.
    """

    def __call__(
        self, lefts: Params, rights: Params, limit: float, only_below: bool = False
    ) -> SegmentMaxima: ...


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


def segment_evaluator(landscape: Landscape, grid: int) -> SegmentEvaluator:
    """The evaluator of a landscape's segments, on grid + 1 points of each and finer at maxima."""

    def evaluate(item: Any) -> jax.Array:
        left, right, places = item
        return jax.lax.map(lambda t: landscape.level(trees.lerp(left, right, t)), places)

    profile = each(evaluate)

    def maxima(
        lefts: Params, rights: Params, limit: float, only_below: bool = False
    ) -> SegmentMaxima:
        dtype = jax.tree.leaves(lefts)[0].dtype

        def values_at(owner: Index, places: np.ndarray) -> np.ndarray:
            return profile((*trees.take((lefts, rights), owner), places.astype(dtype)))

        return _refined(values_at, trees.count(lefts), grid, limit, only_below)

    return maxima


def curve_evaluator(landscape: Landscape, grid: int) -> Callable[..., SegmentMaxima]:
    """The evaluator of curves: maxima(curve, n, limit) for a curve of n pieces.

    curve: pieces [p] and places [p] in 0 … 1 on them → parameters, named arrays [p, ...].
    """
    level = each(landscape.level)

    def maxima(curve: Callable[..., Params], pieces: int, limit: float) -> SegmentMaxima:
        def values_at(owner: Index, places: np.ndarray) -> np.ndarray:
            numbers = np.repeat(np.arange(pieces)[owner], places.shape[1])
            points = curve(numbers, places.ravel())
            return level(points).reshape(places.shape)

        return _refined(values_at, pieces, grid, limit)

    return maxima


def _refined(
    evaluate: Callable[[Index, np.ndarray], np.ndarray],
    count: int,
    grid: int,
    limit: float,
    only_below: bool = False,
) -> SegmentMaxima:
    """The highest loss on each of `count` segments, by the rules of every certificate.

    Every segment is evaluated at t = 0, 1/grid, …, 1; then every local maximum is bracketed by its
    neighbours and `REFINED_POINTS` new points are put into the bracket, again and again, until it
    has moved by less than `SETTLED_CHANGE`·max(|limit|, |maximum|) `SETTLED_TIMES` times running
    (one zoom can miss what the next finds), or `MOST_REFINEMENTS` times. Its last change is the
    largest of those last moves. A plateau of equal values is one maximum: an error rate has many.
    evaluate: an index of n segments, and places [n, p] on them → losses [n, p].
    """

    losses = np.zeros(count, int)

    def values_at(owner: Index, places: np.ndarray) -> np.ndarray:
        np.add.at(losses, np.arange(count)[owner], places.shape[1])
        values = np.asarray(evaluate(owner, places), np.float64)
        return np.where(np.isfinite(values), values, np.inf)

    ts = np.linspace(0, 1, grid + 1)
    values = values_at(slice(None), np.tile(ts, (count, 1)))
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
        found = values_at(owner[m], new)
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
    return SegmentMaxima(values, maximum, place, change, losses)


def memoized(evaluate: SegmentEvaluator, most: int = 4096) -> SegmentEvaluator:
    """An evaluator that does not evaluate again what it evaluated among its last segments.

    The search looks at a segment and the certificate looks again; the key is the segment's bytes.
    """
    memory: OrderedDict[bytes, tuple[bool, SegmentMaxima]] = OrderedDict()

    def key(left: Params, right: Params, limit: float) -> bytes:
        digest = hashlib.blake2b(str(limit).encode(), digest_size=16)
        for end in (left, right):
            for name in sorted(end):
                digest.update(np.ascontiguousarray(end[name]).data)
        return digest.digest()

    def looked_up(
        lefts: Params, rights: Params, limit: float, only_below: bool = False
    ) -> SegmentMaxima:
        count = trees.count(lefts)
        segments = (trees.take((lefts, rights), i) for i in range(count))
        keys = [key(left, right, limit) for left, right in segments]
        new = [i for i, k in enumerate(keys) if k not in memory or not (only_below or memory[k][0])]
        found = {k: memory[k][1] for k in keys if k in memory}
        if new:
            index = np.array(new)
            left, right = trees.take((lefts, rights), index)
            fresh = evaluate(left, right, limit, only_below)
            for i, row in enumerate(index):
                one = SegmentMaxima(*(part[i] for part in vars(fresh).values()))
                whole = not only_below or bool(one.maximum <= limit)
                found[keys[row]] = one
                memory[keys[row]] = whole, one
        while len(memory) > most:
            memory.popitem(last=False)
        rows = (vars(found[k]).values() for k in keys)
        return SegmentMaxima(*map(np.stack, zip(*rows, strict=True)))

    return looked_up


@dataclass(frozen=True)
class Certificate:
    """The loss along a whole path, from the path alone.

    A path holds below a limit when maximum + last_change ≤ limit.

    Attributes:
        maximum: The highest loss that was found.
        last_change: How much the maximum moved when it was last refined.
        max_at: Where the maximum is, as a fraction of the path's length in all parameters.
        segment: The segment that the maximum is on.
        resolution: The widest gap between two evaluated points, as a fraction of that length.
        grid: Points a segment, before maxima are refined.
        profile: Fraction and loss on the grid, [p, 2].
        barrier: The maximum over the path of its loss less the straight interpolation, by the
            fraction, of the loss at the ends.
        loss_evals: Losses that it is of, on each segment, [segments].

    References:
        Frankle et al. 2020 (the barrier).
    """

    maximum: float
    last_change: float
    max_at: float
    segment: int
    resolution: float
    grid: int
    profile: np.ndarray
    barrier: float
    loss_evals: np.ndarray

    def __repr__(self) -> str:
        return (
            f"<Certificate maximum {self.maximum:.6g} (+ at most {self.last_change:.2g}) at "
            f"{self.max_at:.4f} of the length, {self.grid} points a segment and finer at maxima>"
        )

    def holds(self, limit: float) -> bool:
        """Whether the loss on the whole path is at most that."""
        return self.maximum + self.last_change <= limit


def certify(points: Params, evaluate: SegmentEvaluator, limit: float) -> Certificate:
    """Evaluate every segment of a path; `evaluate` comes from `segment_evaluator`."""
    segments = trees.count(points) - 1
    found = evaluate(
        trees.take(points, slice(0, segments)), trees.take(points, slice(1, None)), limit
    )
    lengths = segment_lengths(points)
    ts = np.linspace(0, 1, found.values.shape[1])
    where = fractions(lengths, ts)
    last = np.array([[where[-1, -1], found.values[-1, -1]]])
    inner = np.stack([where[:, :-1].ravel(), found.values[:, :-1].ravel()], axis=1)
    profile = np.concatenate([inner, last])

    worst = int(found.maximum.argmax())
    maximum = float(found.maximum[worst])
    peak_at = where[:, 0] + (where[:, -1] - where[:, 0]) * found.place
    at = np.concatenate([profile[:, 0], peak_at])
    loss = np.concatenate([profile[:, 1], found.maximum])
    ends = np.interp(at, [0, 1], profile[[0, -1], 1])
    upper = found.maximum + found.change
    finite = bool(np.isfinite(maximum))
    return Certificate(
        maximum=maximum,
        last_change=float(upper.max() - maximum) if finite else 0.0,
        max_at=float(peak_at[worst]),
        segment=worst,
        resolution=float(np.diff(where).max()),
        grid=len(ts) - 1,
        profile=profile,
        barrier=float((loss - ends).max()) if finite else np.inf,
        loss_evals=found.losses,
    )
