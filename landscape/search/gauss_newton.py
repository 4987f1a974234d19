"""Gauss-Newton steps: the way down to a level that is known, for models of few parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

AIM = 0.005  # of the target: how far below it, or below the loss, a step aims
SHARE = 0.7  # of the gap to its aim, what a step's model must promise
FLOOR = 0.3  # of the mean: a sample's value counts as no less
RADIUS = 0.05  # of the bead's reach: a step's longest
GROWTH, SHRINKAGE = 2.0, 0.25
LADDER = tuple(10 ** (1 - rung / 2) for rung in range(18))  # dampings, of the largest eigenvalue


class GaussNewtonState(NamedTuple):
    radius: jax.Array  # of trust
    best: Any  # the parameters with the lowest loss so far
    loss: jax.Array  # theirs


def gauss_newton(
    by_sample: Callable[[Any], tuple[jax.Array, Any]],
) -> optax.GradientTransformationExtraArgs:
    """The shortest damped step whose model promises SHARE of the way down to the target.

    A loss that is the mean of values vᵢ ≥ 0 has the model mean|vᵢ + gᵢ·d| (prox-linear; Burke &
    Ferris 1995), exact but for the curvature of the samples where vᵢ is an absolute value. Its
    steps are d(λ) = −(Σ wᵢ gᵢgᵢᵀ + λ)⁻¹ Σ wᵢ vᵢ gᵢ with wᵢ = 1/vᵢ, which is iteratively reweighted
    least squares, damped after Levenberg and Marquardt, in a radius of trust (Nocedal & Wright
    2006, Alg. 4.1). A step that does not lower the loss is taken back.

    by_sample: parameters → (vᵢ [n], their gradients gᵢ, leaves [n, ...]); all of it costs about one
    gradient and n·p² multiplications for p parameters. Where it first is at or below the target it
    stays, to be looked at; if that is not enough, it goes on below. `update` needs `value`, the
    loss at the parameters, `target`, and `reach`, the length of which the radius is a part; the
    gradient that it is given is not used.
    """

    def init(params: Any) -> GaussNewtonState:
        return GaussNewtonState(jnp.array(jnp.inf), params, jnp.array(jnp.inf))

    def update(updates: Any, state: Any, params: Any = None, **seen: Any) -> Any:
        value, target, reach = seen["value"], seen["target"], seen["reach"]
        arrived = (value <= target) & (state.loss > target)
        lower = value <= state.loss
        best = jax.tree.map(lambda new, old: jnp.where(lower, new, old), params, state.best)
        loss = jnp.where(lower, value, state.loss).astype(state.loss.dtype)
        start, unravel = ravel_pytree(best)
        made = jnp.linalg.norm(ravel_pytree(params)[0] - start)
        wider = jnp.minimum(GROWTH * state.radius, RADIUS * reach)
        radius = jnp.where(lower, wider, SHRINKAGE * jnp.fmin(made, state.radius))
        aim = jnp.minimum(loss, target) - AIM * jnp.abs(target)
        step = _step(*by_sample(best), loss - SHARE * (loss - aim), radius)
        there = unravel(start + jnp.where(arrived, 0, step).astype(start.dtype))
        moved = jax.tree.map(jnp.subtract, there, params)
        return moved, GaussNewtonState(radius.astype(state.radius.dtype), best, loss)

    return optax.GradientTransformationExtraArgs(init, update)


def _step(values: jax.Array, gradients: Any, goal: jax.Array, longest: jax.Array) -> jax.Array:
    """Of the steps [parameters] on the ladder of dampings that are at most so long, the first one
    that promises a mean at the goal, as far as it has to go, or the one that promises most."""
    rows = [leaf.reshape(len(values), -1).T for leaf in jax.tree.leaves(gradients)]
    jacobian = jnp.concatenate(rows)  # [parameters, n], which is faster than its transpose
    tiny = jnp.finfo(values.dtype).tiny
    weighted = jacobian / jnp.maximum(values, jnp.maximum(FLOOR * values.mean(), tiny))[None]
    spectrum, axes = jnp.linalg.eigh(weighted @ jacobian.T)
    damping = spectrum[-1] * jnp.array(LADDER, values.dtype)
    damped = jnp.maximum(spectrum, 0)[None] + damping[:, None]
    # all gradients are zero at a stationary point of every sample: no step, and not 0/0
    steps = -((axes.T @ (weighted @ values))[None] / jnp.where(damped > 0, damped, 1)) @ axes.T
    lengths = jnp.linalg.norm(steps, axis=1)
    promised = jnp.abs(values[None] + steps @ jacobian).mean(1)
    allowed = lengths <= longest
    enough = allowed & (promised <= goal)
    most = jnp.argmin(jnp.where(allowed, promised, jnp.inf))
    chosen = jnp.where(enough.any(), jnp.argmax(enough), most)
    # the model is convex, so this part of the step still promises the goal
    part = (values.mean() - goal) / jnp.maximum(values.mean() - promised[chosen], tiny)
    return steps[chosen] * jnp.clip(
        jnp.minimum(part, longest / jnp.maximum(lengths[chosen], tiny)), 0, 1
    )
