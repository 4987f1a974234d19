"""How far apart two models' functions are, over data."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from landscape.core import trees
from landscape.core.landscape import Landscape, unequal_samples
from landscape.core.task import Batch


def some_data(landscape: Landscape, samples: int) -> Batch:
    """At most so many samples of the level's split, evenly spaced, or all where its arrays have not
    as many."""
    data = landscape.data
    if unequal_samples(data):
        return data
    there = trees.count(data)
    return trees.take(data, trees.evenly(min(samples, there), there))


def distance(kind: str, a: jax.Array, b: jax.Array) -> jax.Array:
    """Between two models' outputs [samples, ...]: the root of the mean over the samples of the
    squared Euclidean distance (`l2`, the L² distance over the data), or of Jensen and Shannon's
    divergence of the softmax, in nats (`jsd`).

    Both are metrics (Endres and Schindelin 2003), so that halving a path's parts never shortens
    it. For near models √JSD is the Fisher-Rao distance divided by √8.
    """
    return jnp.sqrt(SQUARES[kind](a, b).mean())


def squared(a: jax.Array, b: jax.Array) -> jax.Array:
    return trees.rows(jnp.square(a - b)).sum(1)


def jensen_shannon(a: jax.Array, b: jax.Array) -> jax.Array:
    """The divergence [...] of the softmax of logits [..., classes], in nats, at most ln 2.

    With d = ln q − ln p it is ½ Σ ((q − p) d/2 − (p + q) ln cosh(d/2)), which does not cancel to
    first order as the definition's logarithms do.
    """
    log_p, log_q = jax.nn.log_softmax(a), jax.nn.log_softmax(b)
    p, q, d = jnp.exp(log_p), jnp.exp(log_q), log_q - log_p
    near = jnp.abs(d) < 1
    small = jnp.where(near, d, 0)
    apart = jnp.where(near, p * jnp.expm1(small), q - p)
    half = jnp.abs(d) / 2
    log_cosh = jnp.where(
        near,
        jnp.log1p(2 * jnp.sinh(small / 4) ** 2),
        half + jnp.log1p(jnp.exp(-2 * half)) - jnp.log(2.0).astype(d.dtype),
    )
    return jnp.maximum(0.5 * (apart * d / 2 - (p + q) * log_cosh).sum(-1), 0)


SQUARES: dict[str, Callable[[jax.Array, jax.Array], jax.Array]] = {
    "l2": squared,
    "jsd": jensen_shannon,
}
