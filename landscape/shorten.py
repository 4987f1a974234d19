"""Shorten a string inside its level set until its length stops moving.

A string of n segments moves by implicit steps of curve shortening: it minimises ½ Σ ‖θ_{i+1} −
θ_i‖² + ½ρ ‖step‖² subject to the linearised level, one constraint a segment, where the segment is
highest. In its dual that is a non-negative least-squares problem in n unknowns, however many
parameters there are, and the step is as long as the landscape lets it be (ρ adapts), not as short
as the beads are close. Constraints are on segments, not on beads: between two beads on a convex
obstacle the segment is what touches it. Where the level's metric has no gradient, the beads beside
a segment that rises too high stay where they were, and the others move.

Then the string is certified, its beads are doubled, and it is shortened again, until its certified
length moves by less than the tolerance. Only a certified string is kept.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import nnls

from landscape import paths, trees
from landscape.base import Band, Landscape
from landscape.compute import each
from landscape.trees import Params

PLACES = 4  # where a segment is looked at, t = 0, 1/4, …
MARGIN = 2e-3  # of |limit|: how far below the limit segments are aimed; doubled if not certified
MARGINS = 6  # doublings
SLACK = 0.1  # of |limit|: how far above its aim a string may be while it is on its way
FIRST = 8  # segments of the first string, at least
STIFF = 1.0  # ρ at first; the Laplacian's eigenvalues lie between π²/n² and 4
SOFTER, STIFFER = 0.5, 4.0  # after a step that is taken, after one that is not
STIFFEST = 2.0**20
CALM = 3  # sweeps in which nothing more is to be gained
JITTER = 1e-10  # of the dual matrix's diagonal


class Ended(enum.StrEnum):
    """How shortening ended. Both keep the shortest certified string."""

    CONVERGED = "CONVERGED"  # doubling the beads moved the length by less than the tolerance
    BUDGET = "BUDGET"  # the beads or the sweeps were spent first, or no shorter one was certified


@dataclass
class Shortening:
    """A string that is being shortened: plain data, so that it can be kept and taken up again.

    points: named arrays [beads, ...], as they stand; seen: of each segment, `excess` above what it
    is allowed at its worst place, `place`, and `slope.<name>`, the gradient there; kept: the
    shortest certified string; lengths: certified ones, one a number of beads; history: (sweeps,
    gradient evaluations, beads, length) each time the string was certified.
    """

    name: str
    points: Params
    kept: Params
    ends: list[float]
    lengths: list[float] = field(default_factory=list)
    seen: dict[str, np.ndarray] = field(default_factory=dict)
    frozen: np.ndarray | None = None
    margin: float = MARGIN
    stiffness: float = STIFF
    calm: int = 0
    sweeps: int = 0
    grad_evals: int = 0
    history: list[list[float]] = field(default_factory=list)
    ended: str | None = None
    reason: str = ""
    seconds: float = 0.0

    @property
    def change(self) -> float | None:
        """By which part of itself the certified length moved when the beads were last doubled."""
        if len(self.lengths) < 2:
            return None
        return abs(self.lengths[-1] - self.lengths[-2]) / self.lengths[-1]


def subdivided(points: Params, segments: int) -> Params:
    """The same path with at least so many segments, the longer ones cut into more; repeated beads
    are left out."""
    lengths = paths.segment_lengths(points)
    moving = np.flatnonzero(lengths > 0)
    if not len(moving):
        return points
    pieces = np.maximum(1, np.ceil(lengths[moving] / lengths.sum() * segments)).astype(int)
    owner = np.repeat(moving, pieces)
    place = np.concatenate([np.arange(count) / count for count in pieces])
    result = {}
    for name, leaf in points.items():
        t = place.astype(leaf.dtype).reshape(-1, *[1] * (leaf.ndim - 1))
        inner = trees.lerp(leaf[owner], leaf[owner + 1], t)
        inner[place == 0] = leaf[owner[place == 0]]
        result[name] = np.concatenate([inner, leaf[-1:]])
    return result


def doubled(points: Params) -> Params:
    segments = np.arange(trees.count(points) - 1)
    lefts, rights = trees.take(points, segments), trees.take(points, segments + 1)
    middles = {n: np.asarray(0.5 * (lefts[n] + rights[n]), lefts[n].dtype) for n in lefts}
    return paths.insert(points, segments, middles)


def make_looks(landscape: Landscape) -> Callable[[list[tuple[Params, np.ndarray]]], list[dict]]:
    """Looks at the segments of several strings (points, allowed [beads]) in one call.

    What is allowed between two beads is the straight line between what is allowed at them.
    """
    level: Any = landscape.slope or landscape.level

    def evaluate(item: Any) -> Any:
        left, right, low, high = item
        ts = jnp.arange(PLACES, dtype=low.dtype) / PLACES
        values = jax.lax.map(lambda t: level(trees.lerp(left, right, t)), ts)
        excess = values - ((1 - ts) * low + ts * high)
        excess = jnp.where(jnp.isfinite(excess), excess, jnp.inf)
        worst = excess.argmax()
        at = trees.lerp(left, right, ts[worst])
        slope = jax.grad(level)(at) if landscape.slope else jax.tree.map(jnp.zeros_like, at)
        return excess[worst], ts[worst], slope

    look = each(evaluate)

    def looks(strings: list[tuple[Params, np.ndarray]]) -> list[dict[str, np.ndarray]]:
        dtype = jax.tree.leaves(strings[0][0])[0].dtype
        allowed = [a.astype(dtype) for _, a in strings]
        excess, place, slope = look(
            (
                trees.concatenate([trees.take(p, slice(0, -1)) for p, _ in strings]),
                trees.concatenate([trees.take(p, slice(1, None)) for p, _ in strings]),
                np.concatenate([a[:-1] for a in allowed]),
                np.concatenate([a[1:] for a in allowed]),
            )
        )
        cuts = np.cumsum([len(a) - 1 for a in allowed])[:-1]
        seen = {"excess": excess, "place": place} | {f"slope.{n}": s for n, s in slope.items()}
        split = {name: np.split(array, cuts) for name, array in seen.items()}
        return [{name: parts[i] for name, parts in split.items()} for i in range(len(strings))]

    return looks


def gram(a: Params, b: Params) -> np.ndarray:
    """Inner products [n, m] of the rows of two trees, named arrays [n, ...] and [m, ...]."""
    return np.asarray(
        sum(
            (a[name].reshape(len(a[name]), -1) @ b[name].reshape(len(b[name]), -1).T).astype(float)
            for name in a
        )
    )


def mixed(matrix: np.ndarray, tree: Params) -> Params:
    """The rows of a tree combined by a matrix [m, n]."""
    return {
        name: (matrix.astype(leaf.dtype) @ leaf.reshape(len(leaf), -1)).reshape(-1, *leaf.shape[1:])
        for name, leaf in tree.items()
    }


def step(
    points: Params, seen: dict[str, np.ndarray], stiffness: float, frozen: np.ndarray | None
) -> Params:
    """Where the beads go: ends and frozen beads (booleans [beads]) stay.

    With M = K + ρ, K the Laplacian of the moving beads, P = −K θ their pull and A the constraints'
    rows, weights W of the beads times unit gradients: step = M⁻¹(P − Aᵀλ) where λ ≥ 0 minimises
    ½ λᵀ(A M⁻¹ Aᵀ)λ + λᵀ(room − A M⁻¹ P).
    """
    segments = trees.count(points) - 1
    free = np.ones(segments + 1, bool) if frozen is None else ~frozen
    free[[0, -1]] = False
    if not free.any():
        return points
    steps = {name: np.diff(leaf, axis=0) for name, leaf in points.items()}
    pull = {name: (np.diff(leaf, axis=0))[free[1:-1]] for name, leaf in steps.items()}
    laplacian = 2 * np.eye(segments + 1) - np.eye(segments + 1, k=1) - np.eye(segments + 1, k=-1)
    inverse = np.linalg.inv(laplacian[np.ix_(free, free)] + stiffness * np.eye(free.sum()))

    slopes = {name: seen[f"slope.{name}"] for name in points}
    norms = np.sqrt(np.diag(products := gram(slopes, slopes)))
    place = np.asarray(seen["place"], float)
    weights = np.zeros((segments, segments + 1))
    weights[np.arange(segments), np.arange(segments)] = 1 - place
    weights[np.arange(segments), np.arange(segments) + 1] = place
    weights = weights[:, free]
    bound = np.flatnonzero((norms > 0) & weights.any(1))
    forces = pull
    if len(bound):
        unit = products[np.ix_(bound, bound)] / np.outer(norms[bound], norms[bound])
        reach = weights[bound] @ inverse
        dual = (reach @ weights[bound].T) * unit
        pulled = (reach * gram(trees.take(slopes, bound), pull)).sum(1) / norms[bound]
        room = -np.asarray(seen["excess"], float)[bound] / norms[bound]
        factor = cholesky(dual + JITTER * np.trace(dual) * np.eye(len(bound)), lower=True)
        right = solve_triangular(factor, pulled - room, lower=True)
        multipliers = nnls(factor.T, right)[0]
        push = mixed(weights[bound].T * (multipliers / norms[bound]), trees.take(slopes, bound))
        forces = {name: pull[name] - push[name] for name in pull}
    moves = mixed(inverse, forces)
    result = {name: np.array(leaf) for name, leaf in points.items()}
    for name, leaf in result.items():
        leaf[free] += moves[name]
    return result


class Shortener:
    """Shortens strings of one landscape together, a sweep at a time.

    tolerance: relative, of the certified length when the beads are doubled.
    """

    def __init__(
        self,
        landscape: Landscape,
        peaks: Callable[..., paths.Peaks],
        band: Band,
        tolerance: float,
        max_beads: int,
        max_sweeps: int,
    ) -> None:
        self.limit = band.limit
        self.peaks = peaks
        self.tolerance, self.max_beads, self.max_sweeps = tolerance, max_beads, max_sweeps
        self.differentiable = landscape.slope is not None
        self.looks = make_looks(landscape)

    def start(self, name: str, points: Params, loss_a: float, loss_b: float) -> Shortening:
        """points: a certified string; loss_a, loss_b: at its ends."""
        length = paths.length(points)
        history = [[0.0, 0.0, float(trees.count(points)), length]]
        begun = Shortening(name, subdivided(points, FIRST), points, [loss_a, loss_b])
        begun.history = history
        if trees.count(points) == 2 or length == 0:  # nothing is shorter than a straight segment
            begun.lengths, begun.ended = [length, length], Ended.CONVERGED
        elif trees.count(begun.points) > self.max_beads:
            begun.ended = Ended.BUDGET
            begun.reason = f"max_beads ({self.max_beads}) are fewer than the string has"
        return begun

    def sweep(self, strings: list[Shortening]) -> None:
        """A step of every string that has not ended, taken where it does not rise too high."""
        new = [s for s in strings if s.ended is None and not s.seen]
        for string, seen in zip(new, self._look(new, [s.points for s in new]), strict=True):
            string.seen = seen
        going = [s for s in strings if s.ended is None]
        tried = [step(s.points, s.seen, s.stiffness, s.frozen) for s in going]
        for string, points, seen in zip(going, tried, self._look(going, tried), strict=True):
            string.sweeps += 1
            self._judge(string, points, seen)
            if string.ended is None and string.calm >= CALM:
                self._certify(string)
            elif string.ended is None and string.sweeps >= self.max_sweeps:
                self._certify(string, last=True)
                string.ended = Ended.BUDGET
                string.reason = f"max_sweeps ({self.max_sweeps}) spent"

    def _look(self, strings: list[Shortening], points: list[Params]) -> list[dict]:
        if not strings:
            return []
        for string, tried in zip(strings, points, strict=True):
            string.grad_evals += trees.count(tried) - 1
        pairs = zip(strings, points, strict=True)
        return self.looks([(tried, self._allowed(string, tried)) for string, tried in pairs])

    def _allowed(self, string: Shortening, points: Params) -> np.ndarray:
        """Where an end is above the aim, the first segment comes down from it."""
        aim = self.limit - string.margin * abs(self.limit)
        allowed = np.full(trees.count(points), aim)
        allowed[[0, -1]] = np.maximum(aim, string.ends)
        return allowed

    def _judge(self, string: Shortening, points: Params, seen: dict[str, np.ndarray]) -> None:
        before, after = float(string.seen["excess"].max()), float(seen["excess"].max())
        slack = SLACK * abs(self.limit) if self.differentiable else 0.0
        if after <= max(slack, 0.5 * before):
            old, new = paths.length(string.points), paths.length(points)
            segments = trees.count(points) - 1
            slowest = (np.pi / segments) ** 2  # of the Laplacian: what is left decays by it a sweep
            left = abs(old - new) / new * (1 + string.stiffness / slowest)
            done = after <= max(0.5 * string.margin * abs(self.limit), 0)
            string.calm = string.calm + 1 if left < self.tolerance / 2 and done else 0
            string.points, string.seen, string.frozen = points, seen, None
            string.stiffness = max(string.stiffness * SOFTER, slowest / 100)
            return
        string.calm = 0
        if not self.differentiable:
            high = np.flatnonzero(seen["excess"] > slack)
            frozen = np.zeros(trees.count(points), bool) if string.frozen is None else string.frozen
            frozen[high] = frozen[high + 1] = True
            string.frozen = frozen
            if not frozen[1:-1].all():
                return
            string.frozen = None
        string.stiffness *= STIFFER
        if string.stiffness > STIFFEST:
            string.stiffness, string.calm = STIFF, CALM

    def _certify(self, string: Shortening, last: bool = False) -> None:
        """Keep the string if it holds, and double its beads or end; otherwise aim lower."""
        string.calm = 0
        holds = paths.certify(string.points, self.peaks, self.limit).holds(self.limit)
        length = paths.length(string.points)
        if holds:
            beads = trees.count(string.points)
            string.history.append([string.sweeps, string.grad_evals, beads, length])
            string.lengths.append(length)
            if length < paths.length(string.kept):
                string.kept = string.points
            change = string.change
            if change is not None and change < self.tolerance:
                string.ended = Ended.CONVERGED
            elif 2 * beads - 1 > self.max_beads:
                string.ended, string.reason = Ended.BUDGET, f"max_beads ({self.max_beads}) spent"
            elif not last:
                string.points, string.seen = doubled(string.points), {}
        elif not last:
            string.margin *= 2
            string.seen = {}
            if string.margin > MARGIN * 2**MARGINS:
                string.ended = Ended.BUDGET
                string.reason = f"not certified at {trees.count(string.points)} beads"


def finish(shortener: Shortener, strings: list[Shortening]) -> list[Shortening]:
    """Sweep until every string has ended."""
    while any(string.ended is None for string in strings):
        shortener.sweep(strings)
    return strings
