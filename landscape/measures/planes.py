"""Planes in parameter space: through three points, along random directions or principal axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jax
import numpy as np

from landscape.core import trees
from landscape.core.devices import each
from landscape.core.landscape import Landscape
from landscape.core.principal import principal
from landscape.core.task import Scalar
from landscape.core.trees import Params

COLLINEAR = 1e-3  # of the first side: a point nearer to its line spans no plane with it


@dataclass(frozen=True)
class Plane:
    """The points origin + x·u + y·v; u and v are orthonormal unless they are random directions."""

    origin: Params
    u: Params
    v: Params

    def coordinates(self, points: Params) -> tuple[np.ndarray, np.ndarray]:
        """Where points [n, ...] are on the plane [n, 2], and how far from it [n]; in parameter
        distance, for orthonormal u and v."""
        away = {name: leaf - self.origin[name] for name, leaf in _exact(points).items()}
        at = np.stack([_dot(away, self.u), _dot(away, self.v)], axis=1)
        rest = {
            name: leaf - np.tensordot(at, np.stack([self.u[name], self.v[name]]), 1)
            for name, leaf in away.items()
        }
        return at, _norms(rest)


def through(w0: Params, w1: Params, w2: Params) -> Plane:
    """The plane of Garipov et al. 2018 (section 3, "visualisation"): the origin is w0, u points to
    w2, v is what is left of w1 − w0 without its part along u; both of length 1.

    Raises ValueError where the three are on a line, to within COLLINEAR of ‖w2 − w0‖.
    """
    w0, w1, w2 = map(_exact, (w0, w1, w2))
    u = {name: w2[name] - w0[name] for name in w0}
    side = float(np.sqrt(_norm2(u)))
    if side == 0:
        raise ValueError("two of the points are one")
    u = {name: leaf / side for name, leaf in u.items()}
    v = {name: w1[name] - w0[name] for name in w0}
    along = sum(float(np.vdot(u[name], v[name])) for name in v)
    v = {name: v[name] - along * u[name] for name in v}
    height = float(np.sqrt(_norm2(v)))
    if height <= COLLINEAR * side:
        raise ValueError("the three points are on a line")
    return Plane(w0, u, {name: leaf / height for name, leaf in v.items()})


def random_directions(
    origin: Params,
    filters: Mapping[str, tuple[int, ...] | None],
    generator: np.random.Generator,
) -> Plane:
    """Two Gaussian directions, filter-normalised (Li et al. 2018, section 4): every filter of a
    direction is given the norm of the origin's, so that 1 is a step as long as the weights.

    Args:
        origin: The parameters around which the plane is.
        filters: The axes that number an array's filters (`filters.filter_axes`), () where it is
            one. An array without any, as biases and normalisations are, is held still.
        generator: What the directions are drawn by; arrays that differ only in where these axes
            are get the same numbers.
    """
    return Plane(
        _exact(origin),
        _direction(origin, filters, generator),
        _direction(origin, filters, generator),
    )


def _direction(
    origin: Params,
    filters: Mapping[str, tuple[int, ...] | None],
    generator: np.random.Generator,
) -> Params:
    found = {}
    for name, leaf in _exact(origin).items():
        kept = filters.get(name)
        if kept is None:
            found[name] = np.zeros(leaf.shape)
            continue
        first = range(len(kept))
        ahead = np.moveaxis(leaf, kept, first)
        drawn = generator.standard_normal(ahead.shape)
        axes = tuple(range(len(kept), leaf.ndim))
        norms = [np.sqrt(np.sum(x**2, axis=axes, keepdims=True)) for x in (ahead, drawn)]
        found[name] = np.moveaxis(drawn * norms[0] / norms[1], first, kept)
    return found


def principal_plane(points: Params, ends: Params) -> tuple[Plane, np.ndarray]:
    """The plane of the first two principal axes of points [n, ...], through the mean of ends
    [m, ...], and each axis's share [2] of the points' variance (Li et al. 2018, section 7).

    Each axis points from the first point to the first end.

    Raises ValueError where the points are on a line, to within COLLINEAR of their spread along it.
    """
    points, ends = _exact(points), _exact(ends)
    found = principal(points, 2)
    if found.shares[1] <= COLLINEAR**2 * found.shares[0]:
        raise ValueError(f"the {trees.count(points)} points are on a line, or are one")
    ahead = {name: leaf[0] - points[name][0] for name, leaf in ends.items()}
    sides = []
    for weights in found.weights.T:
        axis = {
            name: np.tensordot(weights, leaf - leaf.mean(0), 1) for name, leaf in points.items()
        }
        sign = -1 if sum(float(np.vdot(axis[name], ahead[name])) for name in axis) < 0 else 1
        sides.append({name: sign * leaf for name, leaf in axis.items()})
    origin = {name: leaf.mean(0) for name, leaf in ends.items()}
    return Plane(origin, *sides), found.shares


def off_line(points: Params) -> np.ndarray:
    """How far points [n, ...] are from the line through the first and the last [n]."""
    points = _exact(points)
    away = {name: leaf - leaf[:1] for name, leaf in points.items()}
    chord = {name: leaf[-1] for name, leaf in away.items()}
    along = _dot(away, chord) / max(_norm2(chord), np.finfo(float).tiny)
    rest = {name: away[name] - np.multiply.outer(along, chord[name]) for name in away}
    return _norms(rest)


def row_evaluator(landscape: Landscape, flat: Plane) -> Callable[[np.ndarray], np.ndarray]:
    """(x, y) of points on the plane [n, 2] → the level's metric [n] there."""
    kinds = {key: shape.dtype for key, shape in landscape.shapes.items()}
    shared = [{key: leaf.astype(kinds[key], copy=False) for key, leaf in part.items()}
              for part in (flat.origin, flat.u, flat.v)]  # fmt: skip
    kind = next(iter(kinds.values()))

    def level_at(at: jax.Array, origin: Params, u: Params, v: Params) -> Scalar:
        return landscape.level({key: origin[key] + at[0] * u[key] + at[1] * v[key] for key in u})

    levels = each(level_at)
    return lambda at: np.asarray(levels(at.astype(kind), *shared), np.float64)


def _exact(params: Params) -> Params:
    return {name: np.asarray(leaf, np.float64) for name, leaf in params.items()}


def _dot(many: Params, one: Params) -> np.ndarray:
    """Inner products [n] of n points with one."""
    total = np.zeros(trees.count(many))
    for name, leaf in many.items():
        total += trees.rows(leaf) @ one[name].ravel()
    return total


def _norms(many: Params) -> np.ndarray:
    """Norms [n] of n points."""
    total = np.zeros(trees.count(many))
    for leaf in many.values():
        total += np.sum(trees.rows(leaf) ** 2, axis=1)
    return np.sqrt(total)


def _norm2(params: Params) -> float:
    return sum(float(np.vdot(leaf, leaf)) for leaf in params.values())
