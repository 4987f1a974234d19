"""The curvature of level sets, and the Hessian's extreme eigenvalues, at points of a path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np

from landscape.core import paths, trees
from landscape.core.certificate import Certificate
from landscape.core.trees import Params
from landscape.measures.hessian import NOISE, Hessian, batched, lanczos_steps
from landscape.measures.lanczos import (
    CLOSE,
    ENDS,
    Eigenvalues,
    chosen,
    dots,
    exact,
    joined,
    lanczos,
    sized,
    units,
    without,
)

NORMAL_STEPS = 20  # of Lanczos, for the spread of the normal curvatures
ALONG = 1e-3  # a tangent's least part within the level set
SADDLE_DISTANCE = (
    0.05  # of the chord: how far from a saddle, by its smallest eigenvalue, a peak may be
)


def extremes(hessian: Hessian, points: Params, steps: int, key: np.ndarray) -> Eigenvalues:
    """The smallest and the largest eigenvalue at n points, by at most so many products at each:
    exact where there are no more parameters, else by Lanczos from a random direction."""
    if hessian.is_small(steps):
        return chosen(*exact(hessian.matrices(points), hessian.rounding), ENDS)
    steps = lanczos_steps(hessian.parameters, jax.tree.leaves(points)[0].dtype.itemsize, steps)
    starts = hessian.probes(trees.count(points), key)

    def some(index: np.ndarray) -> Eigenvalues:
        product = hessian.at(trees.take(points, index))
        return lanczos(product, starts[index], steps, hessian.rounding, ENDS).eigenvalues(*ENDS)

    return joined(batched(hessian, trees.count(points), points, steps, some))


class Along(NamedTuple):
    """k points of a path, named arrays [k, ...]: some of its beads, and where it is highest.

    places [k]: fractions of the length; tangents: the path's direction there.
    """

    places: np.ndarray
    points: Params
    tangents: Params


def points_along(points: Params, certificate: Certificate, count: int) -> Along:
    """At most so many inner beads of a path, evenly spread, and its highest point, the last."""
    beads = trees.count(points)
    inner = np.linspace(0, beads - 1, min(count, beads - 2) + 2)
    chosen = np.unique(np.round(inner).astype(int)[1:-1])
    segment, places = certificate.segment, paths.bead_places(points)
    start, end = places[[segment, segment + 1]]
    t = (certificate.max_at - start) / (end - start) if end > start else 0.0
    left, right = trees.take(points, segment), trees.take(points, segment + 1)
    top = {n: np.asarray(trees.lerp(left[n], right[n], t), left[n].dtype) for n in left}
    at = {n: np.concatenate([points[n][chosen], top[n][None]]) for n in points}
    tangents = {
        n: np.concatenate(
            [points[n][chosen + 1] - points[n][chosen - 1], (right[n] - left[n])[None]]
        )
        for n in points
    }
    return Along(np.append(places[chosen], certificate.max_at), at, tangents)


@dataclass(frozen=True)
class Curvatures:
    """At n points: the function's value and its gradient's norm; the Hessian's extremes, smallest
    and largest; level_curvature, uᵀHu/‖g‖ along the tangents; and mean, spread, smallest and
    largest of the level set's normal curvatures [n, 4], by Lanczos from one random tangent. What
    is undefined is NaN."""

    value: np.ndarray
    gradient: np.ndarray
    extremes: Eigenvalues
    level_curvature: np.ndarray
    normal: np.ndarray


def curvatures(
    hessian: Hessian, points: Params, steps: int, key: np.ndarray, tangents: Params | None = None
) -> Curvatures:
    """Tangents, named arrays [n, ...], need be neither of norm 1 nor tangent to the level set;
    without them the level set is left out.

    The level set's curvature is positive where it bends towards lower loss, as a sphere around a
    minimum does (1/r); on the inner wall of a ring of minima it is −1/r. It is undefined where ‖g‖
    is at its noise floor, NOISE·ε·max|λ|·‖θ‖ (what rounding the parameters does to the gradient),
    or where a tangent has less than ALONG of itself within the level set.
    """
    value, slopes = hessian.gradients(points)
    size, ends = sized(slopes), extremes(hessian, points, steps, key)
    bent, normal = np.full(len(size), np.nan), np.full((len(size), 4), np.nan)
    if tangents is not None:
        largest = np.abs(ends.values).max(axis=1)
        clear = size > NOISE * hessian.epsilon * largest * sized(hessian.rows(points))
        divisor = np.where(clear, size, np.nan)
        normals = units(slopes)[:, None]
        within = without(units(hessian.rows(tangents)), normals)
        u = units(within)
        across = np.where(sized(within) > ALONG, divisor, np.nan)
        bent = dots(u, hessian.products(points, u)) / across
        if hessian.parameters > 1:
            found = _normal_curvatures(hessian, points, normals, steps, key)
            normal = found / divisor[:, None]
    return Curvatures(np.asarray(value, float), size, ends, bent, normal)


def _normal_curvatures(
    hessian: Hessian, points: Params, normals: np.ndarray, steps: int, key: np.ndarray
) -> np.ndarray:
    """Mean, spread, smallest and largest [n, 4] of what is to be divided by the gradient's norm."""
    few = min(steps, NORMAL_STEPS, hessian.parameters - 1)
    few = lanczos_steps(hessian.parameters, normals.dtype.itemsize, few)
    starts = hessian.probes(len(normals), key)

    def some(index: np.ndarray) -> np.ndarray:
        product, across = hessian.at(trees.take(points, index)), normals[index]
        found = lanczos(
            lambda v: without(product(v), across),
            without(starts[index], across),
            few,
            hessian.rounding,
        )
        ends = found.eigenvalues(*ENDS).values
        return np.column_stack([found.mean, found.spread, ends])

    return np.concatenate(batched(hessian, len(normals), points, few, some))


def classify_peak(gradient: float, values: np.ndarray, errors: np.ndarray, chord: float) -> str:
    """What a path's highest point is, of its smallest and largest eigenvalue and their errors:
    `near a saddle`, `near a minimum`, `on a slope`, or `not resolved`.

    The gradient's norm over the magnitude of an eigenvalue is how far away a critical point can be
    along its eigenvector. Near a saddle: the smallest eigenvalue is negative by more than its
    error, and that distance is at most SADDLE_DISTANCE of the path's chord. Near a minimum: the
    distance by the largest is at most SADDLE_DISTANCE, and no eigenvalue is negative by more than
    CLOSE of the largest; not resolved, where their errors leave that open. Everything else is on a
    slope: the level, not a saddle, is what stops the path. A path of one point has no highest one.
    """
    smallest, largest = values
    if chord == 0 or not np.isfinite([gradient, smallest, largest]).all():
        return "unknown"
    if smallest < -errors[0]:
        near = gradient <= SADDLE_DISTANCE * chord * -smallest
        return "near a saddle" if near else "on a slope"
    if gradient > SADDLE_DISTANCE * chord * abs(largest):
        return "on a slope"
    known = smallest - errors[0] >= -CLOSE * abs(largest)
    return "near a minimum" if known else "not resolved"
