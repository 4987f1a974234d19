"""What a band of beads looks like from inside: tangents, forces across, distances. Points are named
arrays [beads, ...].

References:
    Henkelman & Jónsson 2000; Henkelman, Uberuaga & Jónsson 2000 (the climbing image).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from landscape.core.trees import Params, rows

NONE = 1e-30  # a length of 0, to divide by


class Forces(NamedTuple):
    """On the beads of a band.

    top: the highest bead between the ends; climbing [beads]: whether one climbs; tangent: unit
    tangents; sideways: minus the part of the gradient across them; force: that, and of a climbing
    bead the part along, uphill.
    """

    top: jax.Array
    climbing: jax.Array
    tangent: Params
    sideways: Params
    force: Params


def forces(points: Params, values: jax.Array, gradient: Params, climbs: bool = True) -> Forces:
    """Of beads with these losses [beads] and gradients; with `climbs`, the highest one climbs if it
    is higher than both its neighbours."""
    top = highest(values)
    peak = (values[top] > values[top - 1]) & (values[top] > values[top + 1])
    tangent = tangents(points, values)
    climbing = climbs & peak & (jnp.arange(len(values)) == top)
    along = dots(gradient, tangent)
    sideways = jax.tree.map(lambda g, t: times(along, t) - g, gradient, tangent)
    climb = jnp.where(climbing, along, 0)
    force = jax.tree.map(lambda s, t: s + times(climb, t), sideways, tangent)
    return Forces(top, climbing, tangent, sideways, force)


def highest(values: jax.Array) -> jax.Array:
    """The highest bead between the ends."""
    return 1 + jnp.argmax(values[1:-1])


def norms(tree: Params) -> jax.Array:
    return jnp.sqrt(dots(tree, tree))


def times(scale: jax.Array, leaf: jax.Array) -> jax.Array:
    return scale.reshape(-1, *(1 for _ in leaf.shape[1:])).astype(leaf.dtype) * leaf


def dots(a: Params, b: Params) -> jax.Array:
    """Inner products [beads]."""
    parts = [jnp.sum(rows(a[name] * b[name]), axis=1) for name in a]
    return jnp.sum(jnp.stack(parts), axis=0)


def lengths(points: Params) -> jax.Array:
    return norms(jax.tree.map(lambda leaf: leaf[1:] - leaf[:-1], points))


def tangents(points: Params, values: jax.Array) -> Params:
    """Unit tangents: towards the higher neighbour; at an extremum a mean of both sides, the side of
    the higher neighbour weighted by the larger difference of the loss (their equations 8 to 11)."""
    last = len(values) - 1
    index = jnp.arange(last + 1)
    after = values[jnp.minimum(index + 1, last)] - values
    before = values - values[jnp.maximum(index - 1, 0)]
    large = jnp.maximum(abs(after), abs(before))
    small = jnp.minimum(abs(after), abs(before))
    up = after + before > 0  # the next bead is higher than the one before
    ahead = jnp.where(up, large, small)
    behind = jnp.where(up, small, large)
    rising, falling = (after > 0) & (before > 0), (after < 0) & (before < 0)
    ahead = jnp.where(rising, 1, jnp.where(falling, 0, ahead))
    behind = jnp.where(rising, 0, jnp.where(falling, 1, behind))
    flat = (ahead == 0) & (behind == 0)
    ahead, behind = jnp.where(flat, 1, ahead), jnp.where(flat, 1, behind)

    def mixed(leaf: jax.Array) -> jax.Array:
        forward = jnp.concatenate([leaf[1:] - leaf[:-1], leaf[-1:] - leaf[-2:-1]])
        backward = jnp.concatenate([leaf[1:2] - leaf[:1], leaf[1:] - leaf[:-1]])
        return times(ahead, forward) + times(behind, backward)

    tangent = jax.tree.map(mixed, points)
    norm = norms(tangent)
    return jax.tree.map(lambda t: times(1 / jnp.maximum(norm, NONE), t), tangent)


def spread(points: Params, kept: jax.Array, places: jax.Array | None = None) -> Params:
    """The beads at these parts of their polyline's length [beads], or at even distances, on either
    side of the one that is kept."""
    apart = lengths(points)
    at = jnp.concatenate([jnp.zeros(1, apart.dtype), jnp.cumsum(apart)])
    last = len(at) - 1
    index = jnp.arange(last + 1)
    part = index if places is None else places
    left = at[kept] * part / jnp.maximum(part[kept], NONE)
    beyond = jnp.maximum(part[last] - part[kept], NONE)
    right = at[kept] + (at[-1] - at[kept]) * (part - part[kept]) / beyond
    wanted = jnp.where(index <= kept, left, right)
    segment = jnp.clip(jnp.searchsorted(at, wanted, side="right") - 1, 0, last - 1)
    t = (wanted - at[segment]) / jnp.maximum(apart[segment], NONE)
    t = jnp.clip(t, 0, 1)
    fixed = (index == kept) | (index == 0) | (index == last)

    def moved(leaf: jax.Array) -> jax.Array:
        new = times(1 - t, leaf[segment]) + times(t, leaf[segment + 1])
        still = fixed.reshape(-1, *(1 for _ in leaf.shape[1:]))
        return jnp.where(still, leaf, new)

    return jax.tree.map(moved, points)
