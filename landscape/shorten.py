"""Shorten a string inside its level set until its length stops moving.

A string of n segments moves by implicit steps of curve shortening: it minimises ½ Σ ‖θ_{i+1} −
θ_i‖² + ½ρ ‖step‖² subject to the linearised level, one constraint for each half of a segment, where
it is highest (sequential quadratic programming; Nocedal and Wright 2006, ch. 18). In its dual that
is a non-negative least-squares problem in 2n unknowns, however many parameters there are, and the
step is as long as the landscape lets it be: ρ adapts to the exact ℓ1 merit. Constraints are on
segments, not on beads: between two beads on a convex obstacle the segment is what touches it.
Where the level's metric has no gradient there are no constraints, and ρ grows at the beads beside
a piece that rises too high, until they hardly move and the others do: a slower way, which leaves
more of the excess length.

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
from scipy.optimize import nnls

from landscape import paths, trees
from landscape.base import Landscape
from landscape.compute import each
from landscape.trees import Params

PIECES = 2  # of a segment, each with its constraint, where it is highest
PLACES = 3  # where a piece is looked at, and at one place more:
NEAR = 1 / 32  # so far from the string's ends at first, then where the certificate was highest
MARGIN = 5e-3  # of |limit|: how far below the limit pieces are aimed; doubled if not certified
HELD = 0.8  # of the margin: how far above its aim a string may be to be certified
FAILURES = 3  # to be certified before more beads are tried
PENALTY = 1.5  # times the largest multiplier: the weight of what is too high, in the merit
FORGIVEN = 4  # steps back that the merit may be compared with
SHORTEST = 1 / 64  # nearest to a segment's ends that it is looked at
FIRST = 8  # segments of the first string, at least
STIFF = 1.0  # ρ at first; the Laplacian's eigenvalues lie between π²/n² and 4
SOFTER, STIFFER = 0.4, 4.0  # after a step that is taken, after one that is not
STIFFEST = 2.0**20
WINDOW = 10  # sweeps in which the length must move by less than
CALM = 0.1  # of the tolerance, before beads are doubled
FLAT = 1e-6  # of the largest: the least eigenvalue of the dual problem


class Ended(enum.StrEnum):
    """How shortening ended. Both keep the shortest certified string."""

    CONVERGED = "CONVERGED"  # doubling the beads moved the length by less than the tolerance
    BUDGET = "BUDGET"  # the beads or the sweeps were spent first, or no shorter one was certified


@dataclass
class Shortening:
    """A string that is being shortened: plain data, so that it can be kept and taken up again.

    limit: what it must stay below; points: named arrays [beads, ...], as they stand; safe: as they
    stood when they last held; kept: the shortest certified string; ends: the loss at its ends;
    extra [pieces]: a place of each, to be looked at too; stiffness [beads]: ρ; seen: of each piece,
    `excess` above what it is allowed at its worst place, `place`, and `slope.<name>`, the gradient
    there; recent: (energy, total excess) after the latest steps, penalty: the weight of excess in
    their merit; failures: to be certified with this number of beads; lengths: certified ones, one a
    number of beads; history: (sweeps, gradient evaluations, beads, length, 1 if certified or 0)
    after every step that was taken.
    """

    name: str
    limit: float
    points: Params
    safe: Params
    kept: Params
    ends: list[float]
    extra: np.ndarray
    lengths: list[float] = field(default_factory=list)
    seen: dict[str, np.ndarray] = field(default_factory=dict)
    margin: float = MARGIN
    stiffness: np.ndarray = field(default_factory=lambda: np.zeros(0))
    penalty: float = 0.0
    recent: list[list[float]] = field(default_factory=list)
    failures: int = 0
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


def grid() -> np.ndarray:
    """Where the pieces of a segment are looked at, t [PIECES, PLACES]."""
    count = PIECES * PLACES
    return ((np.arange(count) + 0.5) / count).reshape(PIECES, PLACES)


def extra_places(segments: int) -> np.ndarray:
    places = np.tile(grid()[:, 0], segments)
    places[0], places[-1] = NEAR, 1 - NEAR
    return places


def shares(places: np.ndarray, segment: np.ndarray, last: int) -> tuple[np.ndarray, np.ndarray]:
    """How much of places t [...] on segments [...] their left and right beads move.

    Next to an end of the string only one moves, and the constraint is divided by its share: it is
    on the slope at the end, where the loss can be at the limit already.
    """
    left = np.where(segment == 0, 0, np.where(segment == last, 1, 1 - places))
    right = np.where(segment == last, 0, np.where(segment == 0, 1, places))
    return left, right


def make_looks(landscape: Landscape) -> Callable[[list[tuple]], list[dict[str, np.ndarray]]]:
    """Looks at the pieces of several strings (points, extra, allowed [beads]) in one call.

    What is allowed between two beads is the straight line between what is allowed at them.
    """
    level: Any = landscape.slope or landscape.level

    def evaluate(item: Any) -> Any:
        left, right, ts, allowed, share = item
        values = jax.lax.map(lambda t: level(trees.lerp(left, right, t)), ts)
        excess = (values - allowed) / share
        excess = jnp.where(jnp.isfinite(excess), excess, jnp.inf)
        worst = excess.argmax()
        at = trees.lerp(left, right, ts[worst])
        slope = jax.grad(level)(at) if landscape.slope else jax.tree.map(jnp.zeros_like, at)
        return excess[worst], ts[worst], slope

    look = each(evaluate)

    def items(points: Params, extra: np.ndarray, allowed: np.ndarray) -> tuple:
        last = trees.count(points) - 2
        segment = np.repeat(np.arange(last + 1), PIECES)
        ts = np.concatenate([np.tile(grid(), (last + 1, 1)), extra[:, None]], axis=1)
        low, high = allowed[segment, None], allowed[segment + 1, None]
        share = np.ones_like(ts)
        share[segment == 0], share[segment == last] = ts[segment == 0], 1 - ts[segment == last]
        dtype = jax.tree.leaves(points)[0].dtype
        ends = trees.take(points, segment), trees.take(points, segment + 1)
        return (*ends, *(x.astype(dtype) for x in (ts, (1 - ts) * low + ts * high, share)))

    def looks(strings: list[tuple]) -> list[dict[str, np.ndarray]]:
        excess, place, slope = look(trees.concatenate([items(*string) for string in strings]))
        cuts = np.cumsum([len(extra) for _, extra, _ in strings])[:-1]
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
    points: Params, seen: dict[str, np.ndarray], stiffness: np.ndarray
) -> tuple[Params, float]:
    """Where the beads go, and the constraints' largest multiplier; the ends stay.

    With M = K + ρ, K the Laplacian of the moving beads, P = −K θ their pull and A the constraints'
    rows, weights W of the beads times unit gradients: step = M⁻¹(P − Aᵀλ) where λ ≥ 0 minimises
    ½ λᵀ(A M⁻¹ Aᵀ)λ + λᵀ(room − A M⁻¹ P).
    """
    segments = trees.count(points) - 1
    steps = {name: np.diff(leaf, axis=0) for name, leaf in points.items()}
    pull = {name: np.diff(leaf, axis=0) for name, leaf in steps.items()}
    laplacian = 2 * np.eye(segments - 1) - np.eye(segments - 1, k=1) - np.eye(segments - 1, k=-1)
    inverse = np.linalg.inv(laplacian + np.diag(stiffness[1:-1]))

    slopes = {name: seen[f"slope.{name}"] for name in points}
    norms = np.sqrt(np.diag(products := gram(slopes, slopes)))
    place, rows = np.asarray(seen["place"], float), np.arange(PIECES * segments)
    segment = rows // PIECES
    weights = np.zeros((len(rows), segments + 1))
    weights[rows, segment], weights[rows, segment + 1] = shares(place, segment, segments - 1)
    weights = weights[:, 1:-1]
    bound = np.flatnonzero((norms > 0) & weights.any(1))
    forces, largest = pull, 0.0
    if len(bound):
        unit = products[np.ix_(bound, bound)] / np.outer(norms[bound], norms[bound])
        reach = weights[bound] @ inverse
        dual = (reach @ weights[bound].T) * unit
        pulled = (reach * gram(trees.take(slopes, bound), pull)).sum(1) / norms[bound]
        room = -np.asarray(seen["excess"], float)[bound] / norms[bound]
        values, vectors = np.linalg.eigh(dual)
        root = np.sqrt(np.maximum(values, FLAT * values.max()))
        multipliers = nnls(root[:, None] * vectors.T, vectors.T @ (pulled - room) / root)[0]
        multipliers = multipliers / norms[bound]
        largest = float(multipliers.max())
        push = mixed(weights[bound].T * multipliers, trees.take(slopes, bound))
        forces = {name: pull[name] - push[name] for name in pull}
    moves = mixed(inverse, forces)
    result = {name: np.array(leaf) for name, leaf in points.items()}
    for name, leaf in result.items():
        leaf[1:-1] += moves[name]
    return result, largest


class Shortener:
    """Shortens strings of one landscape together, a sweep at a time.

    tolerance: relative, of the certified length when the beads are doubled.
    """

    def __init__(
        self,
        landscape: Landscape,
        peaks: Callable[..., paths.Peaks],
        tolerance: float,
        max_beads: int,
        max_sweeps: int,
    ) -> None:
        self.peaks = peaks
        self.tolerance, self.max_beads, self.max_sweeps = tolerance, max_beads, max_sweeps
        self.differentiable = landscape.slope is not None
        self.looks = make_looks(landscape)

    def start(self, name: str, points: Params, limit: float, ends: list[float]) -> Shortening:
        """points: a string that is certified below the limit; ends: the loss at its ends."""
        length = paths.length(points)
        history = [[0.0, 0.0, float(trees.count(points)), length, 1.0]]
        cut = subdivided(points, FIRST)
        extra = extra_places(trees.count(cut) - 1)
        begun = Shortening(name, limit, cut, cut, points, ends, extra, history=history)
        begun.stiffness = np.full(trees.count(cut), STIFF)
        if trees.count(points) == 2 or length == 0:  # nothing is shorter than a straight segment
            begun.lengths, begun.ended = [length, length], Ended.CONVERGED
        return begun

    def sweep(self, strings: list[Shortening]) -> None:
        """A step of every string that has not ended, taken where it does not rise too high."""
        new = [s for s in strings if s.ended is None and not s.seen]
        for string, seen in zip(new, self._look(new, [s.points for s in new]), strict=True):
            string.seen = seen
        going = [s for s in strings if s.ended is None]
        tried = []
        for string in going:
            points, largest = step(string.points, string.seen, string.stiffness)
            string.penalty = max(PENALTY * largest, string.penalty)
            tried.append(points)
        for string, points, seen in zip(going, tried, self._look(going, tried), strict=True):
            string.sweeps += 1
            self._judge(string, points, seen)
            settled = self._settled(string)
            if settled or string.sweeps >= self.max_sweeps:
                self._certify(string)
            if string.ended is None and string.sweeps >= self.max_sweeps:
                string.ended = Ended.BUDGET
                string.reason = f"max_sweeps ({self.max_sweeps}) spent"

    def _settled(self, string: Shortening) -> bool:
        """Whether nothing more is to be gained with this number of beads."""
        if string.stiffness.min() > STIFFEST:
            return True
        merits = self._merits(string)
        if len(merits) <= WINDOW or string.seen["excess"].max() > self._held(string):
            return False
        gained = merits[:-WINDOW].min() - merits[-WINDOW:].min()
        return gained < 2 * CALM * self.tolerance * string.recent[-1][0]  # energy goes as length²

    def _merits(self, string: Shortening) -> np.ndarray:
        """Energy and penalised excess after the latest steps (the exact ℓ1 merit function)."""
        recent = np.array(string.recent)
        return recent[:, 0] + string.penalty * recent[:, 1] if len(recent) else np.array([])

    def _held(self, string: Shortening) -> float:
        return HELD * string.margin * abs(string.limit) if self.differentiable else 0.0

    def _look(self, strings: list[Shortening], points: list[Params]) -> list[dict]:
        if not strings:
            return []
        for string, tried in zip(strings, points, strict=True):
            string.grad_evals += PIECES * (trees.count(tried) - 1)
        pairs = zip(strings, points, strict=True)
        return self.looks([(tried, s.extra, self._allowed(s, tried)) for s, tried in pairs])

    def _allowed(self, string: Shortening, points: Params) -> np.ndarray:
        """Where an end is above the aim, the first segment comes down from it."""
        aim = string.limit - string.margin * abs(string.limit)
        allowed = np.full(trees.count(points), aim)
        allowed[[0, -1]] = np.maximum(aim, string.ends)
        return allowed

    def _judge(self, string: Shortening, points: Params, seen: dict[str, np.ndarray]) -> None:
        """Take the step, or make the next one stiffer."""
        for at, found in ((string.points, string.seen), (points, seen)):
            if at is points or not string.recent:
                energy = 0.5 * float(np.sum(paths.segment_lengths(at) ** 2))
                string.recent.append([energy, float(np.maximum(found["excess"], 0).sum())])
        merits = self._merits(string)
        if self.differentiable:
            taken = merits[-1] < merits[-1 - FORGIVEN : -1].max()
        else:
            taken = seen["excess"].max() <= 0
        if taken:
            segments, length = trees.count(points) - 1, paths.length(points)
            string.points, string.seen = points, seen
            slowest = (np.pi / segments) ** 2  # eigenvalue of the Laplacian
            string.stiffness = np.maximum(string.stiffness * SOFTER, slowest / 100)
            string.recent = string.recent[-2 * WINDOW :]
            string.history.append([string.sweeps, string.grad_evals, segments + 1, length, 0])
            return
        string.recent.pop()
        high = np.flatnonzero(seen["excess"] > 0) // PIECES
        beside = slice(None) if self.differentiable else np.concatenate([high, high + 1])
        string.stiffness = string.stiffness.copy()
        string.stiffness[beside] = np.minimum(string.stiffness[beside] * STIFFER, 2 * STIFFEST)

    def _certify(self, string: Shortening) -> None:
        """Keep the string if it holds, and double its beads or end; otherwise aim lower, and look
        where it was too high."""
        segments = slice(0, -1), slice(1, None)
        found = self.peaks(*(trees.take(string.points, part) for part in segments), string.limit)
        upper = found.maximum + found.change
        beads, length = trees.count(string.points), paths.length(string.points)
        string.recent, string.penalty = [], 0.0
        string.stiffness = np.minimum(string.stiffness, STIFF)
        if upper.max() <= string.limit:
            string.history.append([string.sweeps, string.grad_evals, beads, length, 1])
            string.safe = string.points
            string.lengths.append(length)
            if length < paths.length(string.kept):
                string.kept = string.points
            if string.change is not None and string.change < self.tolerance:
                string.ended = Ended.CONVERGED
            else:
                self._double(string, "max_beads ({}) spent")
            return
        string.failures += 1
        if string.failures > FAILURES:
            self._double(string, "not certified with max_beads ({})")
            return
        high = np.flatnonzero(upper > string.limit)
        place = np.clip(found.place[high], SHORTEST, 1 - SHORTEST)
        string.extra[PIECES * high + (PIECES * place).astype(int)] = place
        string.margin, string.seen = 2 * string.margin, {}
        if not self.differentiable:  # nothing would bring it down
            string.points = string.safe

    def _double(self, string: Shortening, otherwise: str) -> None:
        """Go on with twice the segments, or end with this reason."""
        beads = 2 * trees.count(string.points) - 1
        if beads > self.max_beads:
            string.ended, string.reason = Ended.BUDGET, otherwise.format(self.max_beads)
            return
        string.points, string.safe = doubled(string.points), doubled(string.safe)
        if not self.differentiable:
            string.points = string.safe
        string.extra, string.seen = extra_places(beads - 1), {}
        string.stiffness = np.full(beads, string.stiffness.max())
        string.margin, string.failures = MARGIN, 0


def finish(shortener: Shortener, strings: list[Shortening]) -> list[Shortening]:
    """Sweep until every string has ended."""
    while any(string.ended is None for string in strings):
        shortener.sweep(strings)
    return strings
