"""The loss along a path, and the one certificate that judges every method."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from landscape.core import devices, trees
from landscape.core.adaptive import adaptive_maxima
from landscape.core.devices import each
from landscape.core.grid import FALLBACK_GRID, grid_maxima
from landscape.core.landscape import Landscape
from landscape.core.margins import margin_maxima
from landscape.core.paths import fractions, segment_lengths
from landscape.core.rounding import rounding_of
from landscape.core.segments import SegmentEvaluator, SegmentMaxima, along
from landscape.core.settings import ADAPTIVE
from landscape.core.trees import Params

LOOKS = 64  # points of tiny models in one call: what a call costs is small beside them


class Segments:
    """The `SegmentEvaluator` of a landscape."""

    def __init__(self, landscape: Landscape, grid: int) -> None:
        self._counted = landscape.margins if grid == ADAPTIVE else None
        self.grid = grid if self._counted else _rule(landscape, grid)
        self.rounding = rounding_of(landscape)

        def level(item: Any) -> jax.Array:
            left, right, t = item
            return landscape.level(trees.lerp(left, right, t))

        def margins(item: Any) -> jax.Array:
            left, right, t = item
            assert landscape.margins is not None
            return landscape.margins.of(trees.lerp(left, right, t))

        self._level = each(level, LOOKS)
        self._margins = each(margins, LOOKS)

    def at(self, points: Params) -> np.ndarray:
        if self._counted is not None:
            return np.full(trees.count(points), np.nan)
        return self.level_at(points)

    def level_at(self, points: Params) -> np.ndarray:
        """The level's metric [n] at points [n, ...], inf where it is not finite."""
        count = trees.count(points)
        return _finite(_evaluated(self._level, points, points, np.arange(count), np.zeros(count)))

    def __call__(
        self,
        lefts: Params,
        rights: Params,
        limit: float,
        only_below: bool = False,
        ends: np.ndarray | None = None,
    ) -> SegmentMaxima:
        count = trees.count(lefts)
        if self._counted is not None:
            of = functools.partial(_evaluated, self._margins, lefts, rights)
            return margin_maxima(of, count, limit, self._counted.unit, only_below)

        def evaluate(rows: np.ndarray, t: np.ndarray) -> np.ndarray:
            return _finite(_evaluated(self._level, lefts, rights, rows, t))

        ends = np.full((count, 2), np.nan) if ends is None else ends
        return _maxima(evaluate, ends, self.grid, limit, only_below)

    def takes(self, shapes: Params) -> int:
        """Bytes of a call, the ends of its segments included."""
        place = jax.ShapeDtypeStruct((), jax.tree.leaves(shapes)[0].dtype)
        by = self._level if self._counted is None else self._margins
        return by.takes((shapes, shapes, place), LOOKS)


def _evaluated(
    by: devices.Each, lefts: Params, rights: Params, rows: np.ndarray, t: np.ndarray
) -> np.ndarray:
    """What `by` makes of points at t [m] of segments [m], a call's at a time: no more is copied."""
    t = t.astype(jax.tree.leaves(lefts)[0].dtype)
    most = by.at_once((lefts, rights, t), len(rows))
    found = [
        by((*trees.seen((lefts, rights), rows[part]), t[part]))
        for part in (slice(at, at + most) for at in range(0, len(rows), most))
    ]
    return np.concatenate(found) if found else np.zeros(0)


def segment_evaluator(landscape: Landscape, grid: int) -> Segments:
    """The evaluator of a landscape's segments, on grid + 1 points of each and finer at maxima, or
    by the `ADAPTIVE` rule; a metric that goes in steps needs margins for that."""
    return Segments(landscape, grid)


def curve_evaluator(landscape: Landscape, grid: int) -> Callable[..., SegmentMaxima]:
    """The evaluator of curves: maxima(curve, n, limit) for a curve of n pieces.

    curve: pieces [p] and places [p] in 0 … 1 on them → parameters, named arrays [p, ...].
    """
    level, rule = each(landscape.level, LOOKS), _rule(landscape, grid)

    def maxima(curve: Callable[..., Params], pieces: int, limit: float) -> SegmentMaxima:
        def evaluate(rows: np.ndarray, t: np.ndarray) -> np.ndarray:
            return _finite(level(curve(rows, t))) if len(rows) else np.zeros(0)

        between = np.arange(pieces + 1)
        piece = np.minimum(between, pieces - 1)
        at = evaluate(piece, (between - piece).astype(float))
        found = _maxima(evaluate, np.stack([at[:-1], at[1:]], axis=1), rule, limit)
        return replace(found, losses=found.losses + 1 + (between[:-1] == 0))

    return maxima


def _rule(landscape: Landscape, grid: int) -> int:
    in_steps = landscape.differentiable_level is None
    return FALLBACK_GRID if grid == ADAPTIVE and in_steps else grid


def _finite(losses: np.ndarray) -> np.ndarray:
    values = np.asarray(losses, np.float64)
    return np.where(np.isfinite(values), values, np.inf)


def _maxima(
    evaluate: Callable[[np.ndarray, np.ndarray], np.ndarray],
    ends: np.ndarray,
    grid: int,
    limit: float,
    only_below: bool = False,
) -> SegmentMaxima:
    if grid == ADAPTIVE:
        return adaptive_maxima(evaluate, ends, limit, only_below)
    return grid_maxima(evaluate, ends, grid, limit, only_below)


def profile_of(where: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Fractions and losses [p, 2] of segments' points [segments, points], each place once."""
    place, loss = where.ravel(), values.ravel()
    new = np.diff(place, prepend=-1.0) > 0
    return np.stack([place[new], loss[new]], axis=1)


@dataclass(frozen=True)
class Certificate:
    """The loss along a whole path, from the path alone.

    A path holds below a limit when maximum + last_change + rounding ≤ limit.

    Attributes:
        maximum: The highest loss that was found.
        last_change: How far above that the loss may be: the highest that a cubic and its error
            reach, or, on a fixed grid, how much the maximum moved when it was last refined.
        max_at: Where the maximum is, as a fraction of the path's length in all parameters.
        segment: The segment that the maximum is on.
        resolution: The widest gap between two evaluated points, as a fraction of that length.
        grid: Points a segment before maxima are refined; 0 for as many as its cubics needed.
        profile: Fraction and loss at points in order, [p, 2].
        barrier: The maximum over the path of its loss less the straight interpolation, by the
            fraction, of the loss at the ends.
        loss_evals: Losses that it took, on each segment, [segments]; a bead's counts once.
        rounding: How far the maximum is from the loss there in float64; None where that is not
            known, since the task or the device computes in float32 whatever it is given.

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
    rounding: float | None = None

    def __repr__(self) -> str:
        how = f"{self.grid} points a segment and finer at maxima" if self.grid else "adaptive"
        return (
            f"<Certificate maximum {self.maximum:.6g} (+ at most {self.last_change:.2g}, rounding "
            f"{'not known' if self.rounding is None else f'{self.rounding:.2g}'}) at "
            f"{self.max_at:.4f} of the length, {how}>"
        )

    @property
    def bound(self) -> float:
        """What the loss on the whole path is at most."""
        return self.maximum + self.last_change + (self.rounding or 0.0)

    def holds(self, limit: float) -> bool:
        """Whether the loss on the whole path is at most that."""
        return self.bound <= limit


def certify(
    points: Params, evaluate: SegmentEvaluator, limit: float, known: np.ndarray | None = None
) -> Certificate:
    """Evaluate every segment of a path; `evaluate` comes from `segment_evaluator`. known: losses
    that it has found at beads [beads], NaN elsewhere."""
    found = along(points, evaluate, limit, known=known)
    lengths = segment_lengths(points)
    where = fractions(lengths, found.ts)
    profile = profile_of(where, found.values)

    worst = int(found.maximum.argmax())
    maximum = float(found.maximum[worst])
    peak_at = where[:, 0] + (where[:, -1] - where[:, 0]) * found.place
    at = np.concatenate([profile[:, 0], peak_at])
    loss = np.concatenate([profile[:, 1], found.maximum])
    ends = np.interp(at, [0, 1], profile[[0, -1], 1])
    upper = found.maximum + found.change
    finite = bool(np.isfinite(maximum))
    left, right = (trees.take(points, worst + side) for side in (0, 1))
    t = np.asarray(found.place[worst], jax.tree.leaves(points)[0].dtype)
    return Certificate(
        maximum=maximum,
        last_change=float(upper.max() - maximum) if finite else 0.0,
        max_at=float(peak_at[worst]),
        segment=worst,
        resolution=float(np.diff(where).max()),
        grid=evaluate.grid,
        profile=profile,
        barrier=float((loss - ends).max()) if finite else np.inf,
        loss_evals=found.losses,
        rounding=evaluate.rounding(trees.lerp(left, right, t), maximum),
    )
