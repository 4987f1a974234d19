"""A step that draws a string taut below a level: what the loss on its segments allows it.

A string of n segments moves by implicit steps of curve shortening: it minimises ½ Σ ‖θ_{i+1} −
θ_i‖² + ½ Σ ρ_i ‖step_i‖² subject to linearised constraints on places of its segments (sequential
quadratic programming; Nocedal and Wright 2006, ch. 18). In its dual that is a problem in as many
unknowns as there are constraints, however many parameters there are, bounded by their sign alone.
Constraints are on segments, not on beads: between two beads on a convex obstacle the segment is
what touches it.

A sweep costs a gradient a segment, where the segment is thought to be highest; what was seen
elsewhere on it lately stays, moved with its linear model. A thin level set has walls that these do
not see: what was seen at steps that were refused stays a constraint at its own place (a cutting
plane; Lemaréchal, Nemirovskii and Nesterov 1995), so that the next step turns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import piqp

from landscape.core import trees
from landscape.core.devices import each
from landscape.core.landscape import Landscape
from landscape.core.trees import Params

FIRST_NEAR_END = 1 / 32  # so far from the string's ends it is looked at first
FIRST = (0.25, 0.75)  # and so on other segments
APART = 1 / 8  # of a segment: a look is instead of an older one that is nearer
KEPT = 4  # looks a segment, the latest
GAP = 0.4  # of a segment: where a wider part was not looked at, its middle is next
FINE = np.linspace(0, 1, 33)[1:-1]  # where the maximum between looks is looked for
IMMOVABLE = 1e9  # ρ of a bead that is held
LEFT = 1e-8  # of the worst violation: what a solution may leave of any
RIDGE = 1e-6  # of the diagonal of the dual problem: alike constraints make it singular
NEVER = 1e-30  # PIQP's infeasibility_threshold

# Constraints, arrays [rows]: `above`, the loss above what is allowed; `excess`, the same over the
# share of the move that the place makes; `place`, t on `segment`; `slope.<name>` [rows, ...], the
# gradient there.
LinearConstraints = dict[str, np.ndarray]
Places = tuple[np.ndarray, np.ndarray]  # segments, and t on them, [rows] each


def first_places(segments: int) -> Places:
    """Where a string is looked at of which nothing is known."""
    places = np.tile(FIRST, (segments, 1))
    places[0, 0], places[-1, -1] = FIRST_NEAR_END, 1 - FIRST_NEAR_END
    return np.repeat(np.arange(segments), len(FIRST)), places.ravel()


def next_places(
    points: Params, seen: LinearConstraints, allowed: np.ndarray, oldest: bool
) -> Places:
    """Where each segment is to be looked at next: in the middle of a part that is not known, or
    where it was not looked at for longest (`oldest`), or where the cubics through what was seen
    (Hermite's) are highest."""
    segments = trees.count(points) - 1
    rows = rows_by_segment(seen["segment"], segments)
    known = rows >= 0
    t = np.where(known, np.asarray(seen["place"], float)[rows], np.inf)
    oldest_place = t[np.arange(segments), np.maximum(known.sum(1), 1) - 1]
    order = np.argsort(t, axis=1, kind="stable")
    rows, t = (np.take_along_axis(array, order, axis=1) for array in (rows, t))
    edges = np.pad(np.minimum(t, 1.0), ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1)))
    gaps = np.diff(edges, axis=1)
    widest = gaps.argmax(1)[:, None]
    middle = np.take_along_axis((edges[:, :-1] + edges[:, 1:]) / 2, widest, axis=1)[:, 0]
    if oldest:
        return np.arange(segments), np.where(gaps.max(1) > GAP, middle, oldest_place)
    along = slopes_along(points, seen) - np.diff(allowed)[seen["segment"]]
    highest = highest_of_cubics(t, np.asarray(seen["above"], float)[rows], along[rows])
    return np.arange(segments), np.where(gaps.max(1) > GAP, middle, highest)


def rows_by_segment(segment: np.ndarray, segments: int) -> np.ndarray:
    """The rows of each segment in their order, [segments, most rows], −1 where there are fewer."""
    order = np.argsort(segment, kind="stable")
    counts = np.bincount(segment, minlength=segments)
    slot = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    rows = np.full((segments, max(1, counts.max())), -1)
    rows[segment[order], slot] = order
    return rows


def highest_of_cubics(t: np.ndarray, values: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """Where the cubics through values and slopes at t [segments, n], ascending, inf where there is
    none, are highest (Hermite's), among FINE."""
    finite = np.isfinite(t)
    rows, pieces = np.arange(len(t))[:, None], np.maximum(finite.sum(1) - 2, 0)[:, None]
    piece = np.minimum((t[:, :, None] <= FINE).sum(1) - 1, pieces).clip(0)
    right = np.minimum(piece + 1, np.maximum(finite.sum(1) - 1, 0)[:, None])
    start, width = t[rows, piece], t[rows, right] - t[rows, piece]
    width = np.where(np.isfinite(width) & (width > 0), width, 1.0)
    u = np.where(np.isfinite(start), (FINE - start) / width, 0.0)
    heights = (
        (1 + 2 * u) * (1 - u) ** 2 * values[rows, piece]
        + u * (1 - u) ** 2 * width * slopes[rows, piece]
        + u**2 * (3 - 2 * u) * values[rows, right]
        + u**2 * (u - 1) * width * slopes[rows, right]
    )
    return FINE[heights.argmax(1)]


def slopes_along(points: Params, seen: LinearConstraints) -> np.ndarray:
    """The loss's derivative by t at the places, [rows]."""
    total = np.zeros(len(seen["place"]))
    for name, leaf in points.items():
        moves = np.diff(leaf, axis=0)[seen["segment"]] * seen[f"slope.{name}"]
        total += moves.sum(axis=tuple(range(1, moves.ndim)), dtype=float)
    return total


def renewed(fresh: LinearConstraints, before: LinearConstraints) -> LinearConstraints:
    """The fresh looks, and of those before the latest of each segment that are apart from them."""
    rows = stacked(fresh, before)
    by_segment = rows_by_segment(rows["segment"], int(rows["segment"].max()) + 1)
    places = np.asarray(rows["place"], float)[by_segment]
    chosen = (by_segment >= 0) & (by_segment < len(fresh["place"]))
    for slot in range(1, by_segment.shape[1]):
        apart = np.abs(places[:, :slot] - places[:, slot, None]) >= APART
        new = (apart | ~chosen[:, :slot]).all(1) & (chosen[:, :slot].sum(1) < KEPT)
        chosen[:, slot] |= new & (by_segment[:, slot] >= 0)
    chosen[:, 0] |= by_segment[:, 0] >= 0
    return trees.take(rows, np.sort(by_segment[chosen]))


def shares(places: np.ndarray, segment: np.ndarray, last: int) -> tuple[np.ndarray, np.ndarray]:
    """How much of places t [...] on segments [...] their left and right beads move.

    Next to an end of the string only one moves, and the constraint is divided by its share: it is
    on the slope at the end, where the loss can be at the limit already.
    """
    left = np.where(segment == 0, 0, np.where(segment == last, 1, 1 - places))
    right = np.where(segment == last, 0, np.where(segment == 0, 1, places))
    return left, right


def linearise_constraints(landscape: Landscape) -> Callable[[list[tuple]], list[LinearConstraints]]:
    """Looks at places of several strings (points, places, allowed [beads]) in one call, a gradient
    a place.

    What is allowed between two beads is the straight line between what is allowed at them.
    """
    level: Any = landscape.differentiable_level or landscape.level

    def evaluate(item: Any) -> Any:
        left, right, t, allowed, share = item
        at = trees.lerp(left, right, t)
        if landscape.differentiable_level:
            value, slope = jax.value_and_grad(level)(at)
        else:
            value, slope = level(at), jax.tree.map(jnp.zeros_like, at)
        above = jnp.where(jnp.isfinite(value), value - allowed, jnp.inf)
        return above / share, above, slope

    look = each(evaluate)

    def items(points: Params, places: Places, allowed: np.ndarray) -> tuple:
        (segment, t), last = places, trees.count(points) - 2
        share = np.where(segment == 0, t, np.where(segment == last, 1 - t, 1.0))
        dtype = jax.tree.leaves(points)[0].dtype
        ends = trees.take(points, segment), trees.take(points, segment + 1)
        between = (1 - t) * allowed[segment] + t * allowed[segment + 1]
        return (*ends, *(x.astype(dtype) for x in (t, between, share)))

    def looks(strings: list[tuple]) -> list[LinearConstraints]:
        excess, above, slope = look(trees.concatenate([items(*s) for s in strings]))
        segment, place = (np.concatenate([places[i] for _, places, _ in strings]) for i in (0, 1))
        seen = {"excess": excess, "above": above, "place": place, "segment": segment}
        seen |= {f"slope.{name}": leaf for name, leaf in slope.items()}
        cuts = np.cumsum([len(places[0]) for _, places, _ in strings])[:-1]
        split = {name: np.split(array, cuts) for name, array in seen.items()}
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
    segments = trees.count(before) - 1
    weights, excess = bead_weights(cuts, segments), cuts["excess"].astype(float)
    moves = mixed(weights, {name: after[name] - before[name] for name in before})
    for name, leaf in moves.items():
        along = leaf * cuts[f"slope.{name}"]
        excess += along.sum(axis=tuple(range(1, along.ndim)))
    return cuts | {"excess": excess, "above": excess * _share(cuts, segments)}


def _share(cuts: LinearConstraints, segments: int) -> np.ndarray:
    place, segment = np.asarray(cuts["place"], float), cuts["segment"]
    return np.where(segment == 0, place, np.where(segment == segments - 1, 1 - place, 1.0))


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


def dual_solution(dual: np.ndarray, violated: np.ndarray) -> np.ndarray:
    """The λ ≥ 0 [rows] that minimises ½ λᵀ dual λ − λᵀ violated, by an interior point (Schwan,
    Jiang, Kuhn and Jones 2023, PIQP), with a unit diagonal and the worst violation as the unit."""
    norms = np.sqrt(dual.diagonal())
    aim = violated / norms
    worst = aim.max(initial=0)
    if worst == 0:
        return np.zeros(len(violated))
    solver = piqp.DenseSolver()
    solver.settings.eps_abs = solver.settings.eps_duality_gap_abs = LEFT
    solver.settings.eps_rel = solver.settings.eps_duality_gap_rel = 0.0
    solver.settings.infeasibility_threshold = NEVER  # it has a solution, far away perhaps
    unit = dual / np.outer(norms, norms) + RIDGE * np.eye(len(norms))
    solver.setup(unit, -aim / worst, x_l=np.zeros(len(norms)))
    solver.solve()
    found, slack = solver.result.x, solver.result.z_bl
    return np.where(found > slack, found, 0.0) * worst / norms


def qp_step(
    points: Params, cuts: LinearConstraints, stiffness: np.ndarray, held: np.ndarray
) -> tuple[Params, np.ndarray]:
    """Where the beads go, and the constraints' multipliers [rows]; the ends stay, and what is held.

    With M = K + ρ, K the Laplacian of the moving beads, P = −K θ their pull and A the constraints'
    rows, weights W of the beads times unit gradients: step = M⁻¹(P − Aᵀλ) where λ ≥ 0 minimises
    ½ λᵀ(A M⁻¹ Aᵀ)λ + λᵀ(room − A M⁻¹ P).
    """
    segments = trees.count(points) - 1
    steps = {name: np.diff(leaf, axis=0) for name, leaf in points.items()}
    pull = {name: np.diff(leaf, axis=0) for name, leaf in steps.items()}
    laplacian = 2 * np.eye(segments - 1) - np.eye(segments - 1, k=1) - np.eye(segments - 1, k=-1)
    inner = np.where(held, IMMOVABLE, stiffness)[1:-1]
    inverse = np.linalg.inv(laplacian + np.diag(inner))

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
        multipliers[bound] = dual_solution(dual, pulled - room) / norms[bound]
        push = mixed(weights.T * multipliers, slopes)
        forces = {name: pull[name] - push[name] for name in pull}
    moves = mixed(inverse, forces)
    result = {name: np.array(leaf) for name, leaf in points.items()}
    for name, leaf in result.items():
        leaf[1:-1] += moves[name]
        leaf[held] = points[name][held]
    return result, multipliers
