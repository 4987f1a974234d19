"""Bands of beads between two models, lowered together: as a model to a descent, as curves are.

A band's parameters are the task's own, arrays [beads, ...], of which the first and the last stay
where they are, and two arrays [beads] that a descent does not change either: HEIGHTS, ones, whose
gradients are the losses at the beads, and PLACES, where along the band each one is to stand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from landscape.core import paths, trees
from landscape.core.landscape import Landscape
from landscape.core.task import Carry
from landscape.core.trees import Params
from landscape.search.band_geometry import dots, forces, lengths, norms, spread, times
from landscape.search.curves import descends_level

HEIGHTS = "heights of the beads"
PLACES = "places of the beads"
MEAN, SQUARE = 0.7, 0.95  # how much of the momentum and of the mean square remains
BETWEEN = 1  # places in each segment at which a band is looked at, besides its beads


def band_of(points: Params, places: np.ndarray | None = None) -> Params:
    """The parameters of a band through points [beads, ...], to stand where they are or at these
    parts of its length [beads]."""
    count = trees.count(points)
    dtype = next(iter(points.values())).dtype
    where = paths.bead_places(points) if places is None else places
    return points | {HEIGHTS: np.ones(count, dtype), PLACES: where.astype(dtype)}


def points_of(band: Params) -> Params:
    """A band's points."""
    return {name: leaf for name, leaf in band.items() if name not in (HEIGHTS, PLACES)}


def looks(beads: int) -> int:
    """Losses of one look at a band."""
    return (beads - 1) * (1 + BETWEEN) - 1


def band_objective(landscape: Landscape) -> Callable[[Params, jax.Array], jax.Array]:
    """What a bead descends: the level's own metric on all training data where that has a gradient
    and the data are few, elsewhere the training loss on the batch that the key draws."""
    objective = landscape.train_objective if descends_level(landscape) else None

    def loss(point: Params, key: jax.Array) -> jax.Array:
        return landscape.loss(point, landscape.carry, key)[0]

    return loss if objective is None else lambda point, key: objective(point)


def band_landscape(landscape: Landscape, beads: int) -> Landscape:
    """The landscape of a landscape's bands of so many beads.

    Its loss is the sum over beads of HEIGHTS times `band_objective`, of all beads on the same
    batch. The ends' losses are taken without gradients. Its level is the highest that the
    landscape's level is between the ends, at the beads and between them.
    """
    objective = band_objective(landscape)

    def loss(params: Params, carry: Carry, key: jax.Array) -> tuple[jax.Array, Carry]:
        def one(point: Params) -> jax.Array:
            return objective(point, key)

        points = points_of(params)
        ends = jax.lax.stop_gradient(trees.take(points, np.array([0, -1])))
        first, last = jax.lax.map(one, ends)
        inner = jax.lax.map(one, trees.take(points, slice(1, -1)))
        values = jnp.concatenate([first[None], inner, last[None]])
        return (params[HEIGHTS] * values).sum(), carry

    def level(params: Params) -> jax.Array:
        points = points_of(params)
        places = np.arange(1, BETWEEN + 1) / (BETWEEN + 1)
        lefts, rights = trees.take(points, slice(-1)), trees.take(points, slice(1, None))
        between = [trees.lerp(lefts, rights, t) for t in places.tolist()]
        every = [trees.take(points, slice(1, -1)), *between]
        seen = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *every)
        return jax.lax.map(landscape.level, seen).max()

    some = next(iter(landscape.shapes.values()))
    shapes = {
        name: jax.ShapeDtypeStruct((beads, *one.shape), one.dtype)
        for name, one in landscape.shapes.items()
    }
    numbers = dict.fromkeys((HEIGHTS, PLACES), jax.ShapeDtypeStruct((beads,), some.dtype))
    carry = jnp.zeros(())  # the same batch of every bead, whatever was before
    return landscape._replace(loss=loss, level=level, shapes=shapes | numbers, carry=carry)


class BandState(NamedTuple):
    momentum: Params
    square: jax.Array
    steps: jax.Array


def band_descent(
    climbs: bool = False, springs: float | None = None, scaled: bool = True
) -> optax.GradientTransformationExtraArgs:
    """Steps of a band's beads along the forces on them. `update` needs `reach`, their rate.

    With springs of that stiffness they are pulled apart evenly; without, they are put at their
    PLACES after every step. scaled: the step of a bead follows the momentum of its force, divided
    by the force's root mean square, and the rate is in lengths of a segment, so that it depends on
    no unit of the loss; else momentum .9 as in training, and no step is longer than a segment.

    References:
        Henkelman & Jónsson 2000, equations 8 to 12; Draxler et al. 2018 (stiff springs).
    """

    def init(params: Any) -> BandState:
        points = points_of(params)
        square = jnp.zeros_like(params[HEIGHTS])
        return BandState(jax.tree.map(jnp.zeros_like, points), square, jnp.zeros((), jnp.int32))

    def update(updates: Any, state: Any, params: Any = None, **seen: Any) -> Any:
        values, gradient, points = updates[HEIGHTS], points_of(updates), points_of(params)
        on = forces(points, values, gradient, climbs)
        apart, force = lengths(points), on.force
        if springs is not None:
            pull = springs * jnp.diff(apart, prepend=0, append=0)
            pull = jnp.where(on.climbing, 0, pull)
            force = jax.tree.map(lambda f, t: f + times(pull, t), force, on.tangent)
        made = state.steps + 1
        if scaled:
            square = SQUARE * state.square + (1 - SQUARE) * dots(force, force)
            momentum = _mixed(MEAN, state.momentum, 1 - MEAN, force)
            mean = square / (1 - SQUARE**made)
            rate = seen["reach"] * apart.mean()
            size = rate / jnp.sqrt(jnp.maximum(mean, jnp.finfo(mean.dtype).tiny))
        else:
            square, momentum = state.square, _mixed(0.9, state.momentum, 1.0, force)
            size = jnp.full_like(values, seen["reach"])
        moved = momentum
        if springs is None:
            off = jnp.where(on.climbing, 0, dots(momentum, on.tangent))
            moved = jax.tree.map(lambda m, t: m - times(off, t), momentum, on.tangent)
        size = jnp.minimum(size, apart.mean() / jnp.maximum(norms(moved), 1e-30))
        size = size.at[0].set(0).at[-1].set(0)
        after = jax.tree.map(lambda p, m: p + times(size, m), points, moved)
        if springs is None:
            kept = jnp.where(on.climbing.any(), on.top, len(values) - 1)
            after = spread(after, kept, params[PLACES])
        still = {name: jnp.zeros_like(params[name]) for name in (HEIGHTS, PLACES)}
        change = {name: leaf - points[name] for name, leaf in after.items()}
        return change | still, BandState(momentum, square, made)

    return optax.GradientTransformationExtraArgs(init, update)


def _mixed(a: float, first: Params, b: float, other: Params) -> Params:
    return jax.tree.map(lambda x, y: (a * x + b * y).astype(x.dtype), first, other)
