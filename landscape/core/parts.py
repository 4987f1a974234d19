"""Means over samples, a part of the samples at a time."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from landscape.core import devices, trees
from landscape.core.jaxprs import equations
from landscape.core.task import Batch, Scalar, samples_of

TRIED = 32, 64  # samples, to see what a sample costs
PARAMETERS = 16  # times the bytes of a point that a part is worth: each part goes through them


def intermediate_bytes(function: Callable[..., Any], *shapes: Any) -> int:
    """The bytes of all that a function computes on its way, an upper bound of what it holds."""
    made = (out.aval for one in equations(jax.make_jaxpr(function)(*shapes)) for out in one.outvars)
    return sum(
        math.prod(one.shape) * one.dtype.itemsize
        for one in made
        if hasattr(one, "dtype") and hasattr(one.dtype, "itemsize")
    )


def samples_within(most: int, function: Callable[[Any, Batch], Any], item: Any, data: Batch) -> int:
    """How many samples of the data `function(item, data)` goes through in so many bytes, at least
    one. Nothing is traced where there are few."""
    samples = samples_of(data)
    if samples <= TRIED[1]:
        return samples

    def of(count: int) -> Any:
        return jax.tree.map(lambda x: jax.ShapeDtypeStruct((count, *x.shape[1:]), x.dtype), data)

    few, more = (intermediate_bytes(function, item, of(count)) for count in TRIED)
    a_sample = max(1, (more - few) // (TRIED[1] - TRIED[0]))
    return max(1, min(samples, most // a_sample))


def in_parts(function: Callable[[Any, Batch], Any], data: Batch, part: int) -> Callable[[Any], Any]:
    """`function(item, data)`, a mean over the samples of the data, as the weighted mean over parts
    of at most so many of them."""
    samples = samples_of(data)
    if part >= samples:
        return lambda item: function(item, data)
    fewest = -(-samples // part)
    even = next((n for n in range(fewest, 2 * fewest) if samples % n == 0), None)
    part = samples // even if even else part  # without a rest, which is compiled for itself
    whole = samples // part
    parts = jax.tree.map(lambda x: x[: whole * part].reshape(whole, part, *x.shape[1:]), data)
    rest = trees.take(data, slice(whole * part, None))

    def summed(item: Any) -> Any:
        zero = jax.tree.map(jnp.zeros_like, jax.eval_shape(function, item, trees.take(parts, 0)))

        def add(total: Any, data: Batch) -> tuple[Any, None]:
            found = function(item, data)
            return jax.tree.map(lambda t, x: t + x * (part / samples), total, found), None

        total, _ = jax.lax.scan(add, zero, parts)
        if whole * part < samples:
            share = 1 - whole * part / samples
            total = jax.tree.map(lambda t, x: t + share * x, total, function(item, rest))
        return total

    return summed


def sample_mean(metric: Callable[[Any, Batch], Scalar], data: Batch) -> Callable[[Any], Scalar]:
    """`metric(point, data)`, a mean over the samples, a part of them at a time where a CPU's cache
    does not hold what all of them go through. So is its gradient, of which only the sum is kept.

    Gradients of networks of attention take a fifth to a third less time so (benchmarks/RESULTS.md).
    Nothing is gained where a point is large beside what its samples go through, and time is lost
    where convolutions would be in a loop.
    """

    slope = jax.value_and_grad(metric)

    @functools.cache
    def parts_of(structure: Any, *leaves: Any) -> tuple[int, int]:
        """Samples at once for the value and for the gradient."""
        point = jax.tree.unflatten(structure, [jax.ShapeDtypeStruct(*leaf) for leaf in leaves])
        cached, whole = devices.cached_bytes(), samples_of(data)
        if cached is None or not all(jnp.issubdtype(kind, jnp.floating) for _, kind in leaves):
            return whole, whole
        most = max(cached, PARAMETERS * trees.nbytes(point))
        try:
            part = samples_within(most, slope, point, data)
        except Exception:  # without a gradient, which who asks for one is told (why_no_gradient)
            return whole, whole
        if part == whole or _stays_whole(jax.make_jaxpr(slope)(point, data)):
            return whole, whole
        return samples_within(most, metric, point, data), part

    def parts_at(point: Any) -> tuple[int, int]:
        leaves, structure = jax.tree.flatten(point)
        return parts_of(structure, *((leaf.shape, leaf.dtype) for leaf in leaves))

    @jax.custom_jvp
    def mean(point: Any) -> Scalar:
        return in_parts(metric, data, parts_at(point)[0])(point)

    @mean.defjvp
    def _moved(points: tuple[Any], directions: tuple[Any]) -> tuple[Scalar, Scalar]:
        found, gradient = in_parts(slope, data, parts_at(*points)[1])(*points)
        rises = jax.tree.leaves(jax.tree.map(jnp.vdot, gradient, *directions))
        return found, sum(rises, jnp.zeros(())).astype(found.dtype)

    def whole_or_in_parts(point: Any) -> Scalar:
        return metric(point, data) if min(parts_at(point)) == samples_of(data) else mean(point)

    return whole_or_in_parts


def _stays_whole(jaxpr: Any) -> bool:
    """Whether it has convolutions, which crawl in a loop, or halves, whose sums would round."""
    convolves = any(one.primitive.name == "conv_general_dilated" for one in equations(jaxpr))
    return convolves or has_halves(jaxpr)


def has_halves(jaxpr: Any) -> bool:
    """Whether anything in it is in less than float32."""
    made = (out.aval for one in equations(jaxpr) for out in one.outvars)
    kinds = [one.dtype for one in made if hasattr(one, "dtype") and hasattr(one.dtype, "itemsize")]
    return any(jnp.issubdtype(kind, jnp.floating) and kind.itemsize < 4 for kind in kinds)
