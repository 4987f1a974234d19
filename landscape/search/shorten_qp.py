"""A step that draws a string taut below a level: what the loss on its segments allows it.

A string of n segments moves by implicit steps of curve shortening: it minimises ½ Σ ‖θ_{i+1} −
θ_i‖² + ½ Σ ρ_i ‖step_i‖² subject to linearised constraints on places of its segments (sequential
quadratic programming; Nocedal and Wright 2006, ch. 18). In its dual that is a non-negative
least-squares problem in as many unknowns as there are constraints, however many parameters there
are. Constraints are on segments, not on beads: between two beads on a convex obstacle the segment
is what touches it.

Where a segment is highest it has a constraint for each of its halves. A thin level set has walls
that these do not see: what was seen at steps that were refused stays a constraint at its own place
(a cutting plane; Lemaréchal, Nemirovskii and Nesterov 1995), so that the next step turns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy  # its parts are loaded when they are used

from landscape.core import trees
from landscape.core.devices import each
from landscape.core.task import Landscape
from landscape.core.trees import Params

PIECES = 2  # of a segment, each with its constraint, where it is highest
PLACES = 3  # where a piece is looked at, and at one place more:
NEAR = 1 / 32  # so far from the string's ends at first, then where the certificate was highest
FLAT = 1e-6  # of the largest: the least eigenvalue of the dual problem

# Constraints, arrays [rows]: `excess`, the loss above what is allowed, over the share of the move
# that the place makes; `place`, t on `segment`; `slope.<name>` [rows, ...], the gradient there.
LinearConstraints = dict[str, np.ndarray]


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


def linearise_constraints(landscape: Landscape) -> Callable[[list[tuple]], list[LinearConstraints]]:
    """Looks at the pieces of several strings (points, extra, allowed [beads]) in one call.

    What is allowed between two beads is the straight line between what is allowed at them; `above`
    [pieces] is how far the loss is above it, at the most.
    """
    level: Any = landscape.differentiable_level or landscape.level

    def evaluate(item: Any) -> Any:
        left, right, ts, allowed, share = item
        values = jax.lax.map(lambda t: level(trees.lerp(left, right, t)), ts)
        above = jnp.where(jnp.isfinite(values), values - allowed, jnp.inf)
        excess = above / share
        worst = excess.argmax()
        at = trees.lerp(left, right, ts[worst])
        slope = (
            jax.grad(level)(at)
            if landscape.differentiable_level
            else jax.tree.map(jnp.zeros_like, at)
        )
        return excess[worst], above.max(), ts[worst], slope

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

    def looks(strings: list[tuple]) -> list[LinearConstraints]:
        excess, above, place, slope = look(trees.concatenate([items(*s) for s in strings]))
        pieces = [len(extra) for _, extra, _ in strings]
        segment = np.concatenate([np.arange(count) // PIECES for count in pieces])
        seen = {"excess": excess, "above": above, "place": place, "segment": segment}
        seen |= {f"slope.{name}": leaf for name, leaf in slope.items()}
        split = {name: np.split(array, np.cumsum(pieces)[:-1]) for name, array in seen.items()}
        return [{name: parts[i] for name, parts in split.items()} for i in range(len(strings))]

    return looks


def stacked(*cuts: LinearConstraints) -> LinearConstraints:
    """The rows of all, of what all have; {} has none."""
    some = [part for part in cuts if part]
    names = [name for name in some[0] if all(name in part for part in some)]
    return {name: np.concatenate([part[name] for part in some]) for name in names}


def bead_weights(cuts: LinearConstraints, segments: int) -> np.ndarray:
    """How much of each bead's move the places make, [rows, beads]."""
    rows, segment = np.arange(len(cuts["place"])), cuts["segment"]
    weights = np.zeros((len(rows), segments + 1))
    place = np.asarray(cuts["place"], float)
    weights[rows, segment], weights[rows, segment + 1] = shares(place, segment, segments - 1)
    return weights


def moved(cuts: LinearConstraints, before: Params, after: Params) -> LinearConstraints:
    """The same linearised constraints, when the beads have moved."""
    weights, excess = bead_weights(cuts, trees.count(before) - 1), cuts["excess"].astype(float)
    moves = mixed(weights, {name: after[name] - before[name] for name in before})
    for name, leaf in moves.items():
        along = leaf * cuts[f"slope.{name}"]
        excess += along.sum(axis=tuple(range(1, along.ndim)))
    return cuts | {"excess": excess}


def gram(a: Params, b: Params) -> np.ndarray:
    """Inner products [n, m] of the rows of two trees, named arrays [n, ...] and [m, ...]."""
    return np.asarray(
        sum((trees.rows(a[name]) @ trees.rows(b[name]).T).astype(float) for name in a)
    )


def mixed(matrix: np.ndarray, tree: Params) -> Params:
    """The rows of a tree combined by a matrix [m, n]."""
    return {
        name: (matrix.astype(leaf.dtype) @ trees.rows(leaf)).reshape(len(matrix), *leaf.shape[1:])
        for name, leaf in tree.items()
    }


def qp_step(
    points: Params, cuts: LinearConstraints, stiffness: np.ndarray
) -> tuple[Params, np.ndarray]:
    """Where the beads go, and the constraints' multipliers [rows]; the ends stay.

    With M = K + ρ, K the Laplacian of the moving beads, P = −K θ their pull and A the constraints'
    rows, weights W of the beads times unit gradients: step = M⁻¹(P − Aᵀλ) where λ ≥ 0 minimises
    ½ λᵀ(A M⁻¹ Aᵀ)λ + λᵀ(room − A M⁻¹ P).
    """
    segments = trees.count(points) - 1
    steps = {name: np.diff(leaf, axis=0) for name, leaf in points.items()}
    pull = {name: np.diff(leaf, axis=0) for name, leaf in steps.items()}
    laplacian = 2 * np.eye(segments - 1) - np.eye(segments - 1, k=1) - np.eye(segments - 1, k=-1)
    inverse = np.linalg.inv(laplacian + np.diag(stiffness[1:-1]))

    slopes = {name: cuts[f"slope.{name}"] for name in points}
    norms = np.sqrt(np.diag(products := gram(slopes, slopes)))
    weights = bead_weights(cuts, segments)[:, 1:-1]
    bound = np.flatnonzero((norms > 0) & weights.any(1))
    forces, multipliers = pull, np.zeros(len(norms))
    if len(bound):
        unit = products[np.ix_(bound, bound)] / np.outer(norms[bound], norms[bound])
        reach = weights[bound] @ inverse
        dual = (reach @ weights[bound].T) * unit
        pulled = (reach * gram(trees.take(slopes, bound), pull)).sum(1) / norms[bound]
        room = -np.asarray(cuts["excess"], float)[bound] / norms[bound]
        values, vectors = np.linalg.eigh(dual)
        root = np.sqrt(np.maximum(values, FLAT * values.max()))
        found = scipy.optimize.nnls(root[:, None] * vectors.T, vectors.T @ (pulled - room) / root)[
            0
        ]
        multipliers[bound] = found / norms[bound]
        push = mixed(weights.T * multipliers, slopes)
        forces = {name: pull[name] - push[name] for name in pull}
    moves = mixed(inverse, forces)
    result = {name: np.array(leaf) for name, leaf in points.items()}
    for name, leaf in result.items():
        leaf[1:-1] += moves[name]
    return result, multipliers
